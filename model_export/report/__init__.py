"""One self-contained HTML page that says how good detectors are: nothing in it is loaded from anywhere."""
