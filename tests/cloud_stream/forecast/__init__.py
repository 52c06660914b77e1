"""Forecasts in the dataflow."""
