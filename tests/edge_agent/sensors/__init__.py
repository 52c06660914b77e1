"""What the sensors promise."""
