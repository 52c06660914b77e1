"""What `cloud_stream` promises."""
