"""How long to wait before the next attempt."""

import random
from typing import Final

JITTER: Final = 0.5
"""A wait is shortened by up to this share, so that a fleet does not come back in step."""


class Backoff:
    """Waits that double up to a bound, with jitter.

    Attributes:
        attempts: Failures in a row; 0 after `reset`.
    """

    def __init__(self, first_s: float, longest_s: float, rng: random.Random | None = None) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._rng = rng or random.Random()
        self.attempts = 0

    def next_s(self) -> float:
        """Count a failure and return the seconds to wait."""
        wait_s = min(self._longest_s, self._first_s * 2.0 ** min(self.attempts, 32))
        self.attempts += 1
        return wait_s * (1 - JITTER * self._rng.random())

    def reset(self) -> None:
        """Start again from the shortest wait: something worked."""
        self.attempts = 0
