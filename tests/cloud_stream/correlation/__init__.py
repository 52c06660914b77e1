"""Tests of the correlations."""
