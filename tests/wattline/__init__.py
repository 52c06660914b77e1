"""What `wattline` promises."""
