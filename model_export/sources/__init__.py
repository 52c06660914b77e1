"""Sources of training data, behind one shape: an iterable of `MeterSeries`."""
