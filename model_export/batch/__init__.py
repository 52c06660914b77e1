"""A whole survey in one run: half hours in files become days, forecasts and unusual days, in bounded memory."""
