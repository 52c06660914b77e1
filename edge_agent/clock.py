"""Notices when the system's clock is set: readings before and after do not fit together."""

import time
from typing import Final, Self

JUMP_MS: Final = 2_000
"""Time services slew smaller differences."""


class ClockWatch:
    """Compares the wall clock with one that nobody sets.

    Attributes:
        jumps: How often the wall clock was set since the start.
    """

    def __init__(self, wall_ms: int, steady_ms: int) -> None:
        self._offset_ms = wall_ms - steady_ms
        self.jumps = 0

    @classmethod
    def of_now(cls) -> Self:
        """One that compares with this moment."""
        return cls(wall_ms(), steady_ms())

    def jump_ms(self, wall_ms: int, steady_ms: int) -> int:
        """By how much the wall clock was set since the last call; 0 when it was not.

        Args:
            wall_ms: The wall clock, ms UTC.
            steady_ms: A clock that only ever goes on, in ms.
        """
        change_ms = wall_ms - steady_ms - self._offset_ms
        if abs(change_ms) < JUMP_MS:
            return 0
        self._offset_ms += change_ms
        self.jumps += 1
        return change_ms


def wall_ms() -> int:
    """The wall clock, ms UTC."""
    return time.time_ns() // 1_000_000


def steady_ms() -> int:
    """A clock that only ever goes on, in ms."""
    return time.monotonic_ns() // 1_000_000
