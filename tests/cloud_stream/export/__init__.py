"""What `cloud_stream.export` promises."""
