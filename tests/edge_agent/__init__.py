"""What `edge_agent` promises."""
