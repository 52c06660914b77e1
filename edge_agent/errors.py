"""The edge agent's errors, grouped by what the caller does next.

```
EdgeError
├── SensorError       close the sensor, wait, open it again
├── EndOfReadingsError  leave the sensor: a replayed file is read to its end
├── ActuatorError     answer that the relay does not answer, wait, try again
├── PublishError      keep the batch, wait, connect again
└── ModelError        keep the detector that runs
```
"""

from wattline.errors import WattlineError


class EdgeError(WattlineError):
    """Base of the edge agent's errors."""


class SensorError(EdgeError):
    """The meter or the way to it failed; opening it again may help."""


class EndOfReadingsError(EdgeError):
    """The sensor has no more readings and never will."""


class ActuatorError(EdgeError):
    """A load's relay, or the way to it, failed; trying again may help."""


class PublishError(EdgeError):
    """The broker cannot be reached or refuses us; later it may."""


class ModelError(EdgeError):
    """A model file is not one this agent may run."""
