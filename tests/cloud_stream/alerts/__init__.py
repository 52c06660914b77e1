"""What `cloud_stream.alerts` promises."""
