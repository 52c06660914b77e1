"""What `simulators` promises."""
