"""Tells people: takes notices from the queue, groups them, and sends them over channels until they arrive."""
