"""How long to wait before the next attempt: doubling, bounded, with jitter."""

import random
from typing import Final

_MAX_DOUBLINGS: Final = 30


class Backoff:
    """The delays between attempts; half of each is random, so that many who failed together do not return together."""

    def __init__(self, first_s: float, longest_s: float, *, seed: int | None = None) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._random = random.Random(seed)
        self.attempts = 0

    def next_s(self) -> float:
        """Count a failure and return the seconds to wait."""
        whole = min(self._longest_s, self._first_s * 2.0 ** min(self.attempts, _MAX_DOUBLINGS))
        self.attempts += 1
        return whole * self._random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Begin again with the shortest delay: it worked."""
        self.attempts = 0
