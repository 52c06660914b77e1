"""Fixtures that start real servers on loopback ports in temporary folders."""
