"""Tests of the families of detectors."""
