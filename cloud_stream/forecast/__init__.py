"""Forecasts in the dataflow: usage that has closed, its past, what will follow, and how good that was."""
