"""Tests of `model_export.segments`."""
