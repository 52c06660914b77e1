"""Windows that are not over yet."""

from cloud_stream.alerts.condition import FAR_PAST, NEVER


class HeldWindows:
    """The newest value of each window of one subject until the window closes.

    A window is *closed* when the wall clock is past its end plus a grace, or when it is no newer than one that was
    closed before: then it is a revision, even when the wall clock was set back since.
    """

    __slots__ = ("_held", "_settle_ms", "newest_ms")

    def __init__(self, settle_ms: int, newest_ms: int = FAR_PAST, held: tuple[tuple[int, float], ...] = ()) -> None:
        """Hold nothing, or what was held before.

        Args:
            settle_ms: From a window's start to its close.
            newest_ms: The start of the newest closed window.
            held: Start to value.
        """
        self._settle_ms = settle_ms
        self._held = dict(held)
        self.newest_ms = newest_ms

    def __len__(self) -> int:
        return len(self._held)

    @property
    def wake_ms(self) -> int:
        """When the next window closes."""
        return min(self._held) + self._settle_ms if self._held else NEVER

    def hold(self, start_ms: int, value: float, now_ms: int) -> bool:
        """Take the newest value of a window; whether a window is closed now."""
        self._held[start_ms] = value
        return start_ms <= self.newest_ms or start_ms + self._settle_ms <= now_ms

    def closed(self, now_ms: int) -> list[tuple[int, float]]:
        """Take out what is closed: (start, value), oldest first."""
        if not self._held:
            return []
        starts = [start for start in self._held if start <= self.newest_ms or start + self._settle_ms <= now_ms]
        starts.sort()
        if starts:
            self.newest_ms = max(self.newest_ms, starts[-1])
        return [(start, self._held.pop(start)) for start in starts]

    def open(self) -> list[tuple[int, float]]:
        """What is held: (start, value), oldest first."""
        return sorted(self._held.items())

    def freeze(self) -> tuple[int, tuple[tuple[int, float], ...]]:
        """What the constructor takes back, after `settle_ms`."""
        return self.newest_ms, tuple(self._held.items())
