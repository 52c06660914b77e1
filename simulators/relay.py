"""The relay in a simulated boiler's supply; the edge agent loads it by the name `simulated`.

```toml
[[load]]
id = "boiler"
actuator = "simulated"
control = "cloud"
[load.options]
boiler = "boiler"
file = "var/boiler.relay"
```

With `file` its position is the word in there, `on` or `off`: it outlives the agent, as a real relay does, and whoever
writes it is the hand at the relay. With `dead` in it, it does not answer.
"""

from pathlib import Path
from typing import Final

import msgspec

from simulators.boiler import switch_named
from simulators.errors import RelayError

_WORDS: Final = {"on": True, "off": False}


class SimulatedRelayOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `[load.options]` of a simulated relay.

    Attributes:
        boiler: The name of the boiler behind a simulated meter of the same agent.
        file: Where its position is; without it, it is closed whenever the agent starts.
    """

    boiler: str = "boiler"
    file: Path | None = None


class SimulatedRelay:
    """Moves a boiler's switch (satisfies the edge agent's `Actuator`)."""

    def __init__(self, owner: object, load: str, options: SimulatedRelayOptions) -> None:  # noqa: ARG002 (as every actuator)
        self._file = options.file
        self._switch = switch_named(options.boiler)
        if self._word() in _WORDS:
            self._switch.on = _WORDS[self._word()]

    def set(self, on: bool) -> None:  # noqa: FBT001 (the port's)
        """Move it.

        Raises:
            RelayError: It plays dead, or its file cannot be written.
        """
        self._check_alive()
        if self._file is not None:
            try:
                self._file.parent.mkdir(parents=True, exist_ok=True)
                self._file.write_text("on" if on else "off")
            except OSError as error:
                raise RelayError(f"{self._file}: {error.strerror}") from error
        self._switch.on = on

    def state(self) -> bool:
        """Where it is, after a hand at its file as well.

        Raises:
            RelayError: It plays dead.
        """
        self._check_alive()
        self._switch.on = _WORDS.get(self._word(), self._switch.on)
        return self._switch.on

    def close(self) -> None:
        """Nothing to let go of."""

    def _check_alive(self) -> None:
        if self._word() == "dead":
            raise RelayError(f"{self._file}: it plays dead")

    def _word(self) -> str:
        if self._file is None:
            return ""
        try:
            return self._file.read_text().strip()
        except (OSError, ValueError):
            return ""


OPTIONS = SimulatedRelayOptions
ACTUATOR = SimulatedRelay
