"""The simulators' errors, grouped by what the caller does next.

```
SimulationError
├── FleetSetupError    a person corrects the options; exit status 2
└── LoadError          the broker refuses or loses the load; the run is void
```
"""

from wattline.errors import WattlineError


class SimulationError(WattlineError):
    """Base of the simulators' errors."""


class FleetSetupError(SimulationError):
    """A fleet cannot be started with these options."""


class LoadError(SimulationError):
    """A prepared load could not be published."""
