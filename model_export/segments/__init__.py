"""Household segments: meters that use their day alike, whatever their size."""
