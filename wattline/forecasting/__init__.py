"""Forecasts of consumption: the same functions in training, evaluation and the cloud."""
