"""What `wattline models` promises."""
