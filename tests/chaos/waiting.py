"""Waiting for a condition, with a deadline instead of luck."""

import time
from collections.abc import Callable

_POLL_S = 0.05


def wait_for(condition: Callable[[], bool], what: str, deadline_s: float = 120.0, poll_s: float = _POLL_S) -> None:
    """Return as soon as `condition` holds.

    Raises:
        AssertionError: It did not hold in time.
    """
    deadline = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < deadline, f"never within {deadline_s:.0f} s: {what}"
        time.sleep(poll_s)
