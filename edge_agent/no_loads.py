"""What stands for the switchable loads of a gateway that has none: it costs nothing."""

from collections.abc import Sequence

from wattline.wire import Event, LoadInfo


class NoLoads:
    """An agent that switches nothing."""

    infos: Sequence[LoadInfo] = ()

    def start(self) -> None:
        """Nothing to start."""

    def events(self, now_ms: int) -> list[Event]:  # noqa: ARG002 (the port's)
        """Nothing to tell."""
        return []

    def clock_set(self, by_ms: int) -> None:
        """Nothing of it depends on the clock."""

    def stop(self, now_ms: int, timeout_s: float) -> list[Event]:  # noqa: ARG002 (the port's)
        """Nothing to end."""
        return []

    def figures(self) -> dict[str, float]:
        """Nothing to tell."""
        return {}
