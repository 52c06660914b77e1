"""Whether the system's clock is right: a command has an end, and a wrong clock would keep a boiler off for days."""

import ctypes
import os
from collections.abc import Callable
from typing import Final

_TIMEX_BYTES: Final = 256
"""More than `struct timex` has on any Linux; zeros ask and set nothing."""
_TIME_ERROR: Final = 5


def kernel_is_synchronised() -> bool:
    """Whether a time service has told the kernel that its clock is right.

    Source: adjtimex(2): TIME_ERROR while STA_UNSYNC is set, or the estimated error has grown too large.
    """
    try:
        state: int = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        return False
    return 0 <= state < _TIME_ERROR


def clock_check(how: str) -> Callable[[], bool]:
    """What tells whether the clock is right.

    Args:
        how: As `[commands] clock`: `kernel`, `trusted`, or the path of a file that is there when it is.
    """
    if how == "trusted":
        return lambda: True
    if how == "kernel":
        return kernel_is_synchronised
    return lambda: os.path.exists(how)  # noqa: PTH110 (Path.exists raises where we may not look)
