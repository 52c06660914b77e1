"""Waiting for a condition, with a deadline instead of luck."""

import time
from collections.abc import Callable
from typing import Final

DEADLINE_S: Final = 90.0


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Return as soon as `condition` holds.

    Raises:
        AssertionError: It did not hold in time.
    """
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.01)
