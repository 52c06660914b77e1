"""How long the steps of a run take."""

import time


class StopWatch:
    """Seconds of each step since it was made.

    Attributes:
        laps_s: By the names of the steps.
        total_s: Until the last lap.
    """

    def __init__(self) -> None:
        self.laps_s: dict[str, float] = {}
        self.total_s = 0.0
        self._since_s = time.perf_counter()

    def lap(self, name: str) -> None:
        """End a step."""
        now_s = time.perf_counter()
        self.laps_s[name] = round(now_s - self._since_s, 3)
        self.total_s += now_s - self._since_s
        self._since_s = now_s
