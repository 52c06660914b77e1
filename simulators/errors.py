"""The simulators' errors, grouped by what the caller does next.

Options that cannot be used are `wattline.errors.ConfigError`: a person corrects them, exit status 2.

```
SimulationError
├── LoadError          the broker refuses or loses a prepared load; the run is void
└── RelayError         a simulated relay does not answer; try again
```
"""

from wattline.errors import WattlineError


class SimulationError(WattlineError):
    """Base of the simulators' errors."""


class LoadError(SimulationError):
    """A prepared load could not be published."""


class RelayError(SimulationError):
    """A simulated relay plays dead."""
