"""Seeded households, faults and fleets of gateways that behave like the real ones."""
