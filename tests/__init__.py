"""The tests: one folder per package, read as the specification."""
