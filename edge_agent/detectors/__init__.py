"""Detectors: what judges intervals, behind the `Detector` port."""
