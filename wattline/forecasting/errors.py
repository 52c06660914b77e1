"""The error of forecasting."""

from wattline.errors import ConfigError


class ForecasterError(ConfigError):
    """A model file is no forecaster of this contract, or for another interval: a person gives another file."""
