"""How long to wait before the next attempt: doubling, bounded, with jitter."""

import random
from typing import Final

JITTER: Final = 0.5
"""A wait is shortened by up to this share, so that a fleet does not come back in step."""
_MAX_DOUBLINGS: Final = 32


class Backoff:
    """Waits that double up to a bound.

    Attributes:
        attempts: Failures in a row; 0 after `reset`.
    """

    def __init__(self, first_s: float, longest_s: float, *, seed: int | None = None) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._random = random.Random(seed)
        self.attempts = 0

    def next_s(self) -> float:
        """Count a failure and return the seconds to wait."""
        whole_s = min(self._longest_s, self._first_s * 2.0 ** min(self.attempts, _MAX_DOUBLINGS))
        self.attempts += 1
        return whole_s * (1 - JITTER * self._random.random())

    def reset(self) -> None:
        """Begin again with the shortest wait: it worked."""
        self.attempts = 0
