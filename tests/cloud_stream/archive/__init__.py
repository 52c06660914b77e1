"""What `cloud_stream.archive` promises."""
