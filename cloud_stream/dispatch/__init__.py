"""Brings orders from the queue to the gateways of switchable loads, each once and none too late."""
