"""Tests of the edge's switchable loads."""
