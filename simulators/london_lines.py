"""Rows of a home as lines of a London file, a million in a tenth of a second."""

from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from simulators.london_homes import DAY, END_DAY, FIRST_DAY, IMPOSSIBLE, NEGATIVE, NULL, Home
from simulators.randomness import IntArray

Bytes = npt.NDArray[np.uint8]
HEADER: Final = b"LCLid,stdorToU,DateTime,KWH/hh (per half hour) \r\n"
_NO_VALUES: Final = {NULL: "Null", NEGATIVE: " -0.125 ", IMPOSSIBLE: " 4194.303 "}
_FIRST_SLOT: Final = FIRST_DAY * DAY
_BLOCK: Final = 200_000


def lines_of(home: Home) -> bytes:
    """The rows as lines, each ending in CR LF."""
    head = np.frombuffer(f"{home.name},{home.tariff},".encode(), np.uint8)
    return b"".join(
        _block(head, home.part(begin, begin + _BLOCK)).tobytes() for begin in range(0, len(home.slot), _BLOCK)
    )


def _block(head: Bytes, home: Home) -> Bytes:
    """Columns of one width side by side; the zeros that fill them are then left out."""
    times, values = _time_texts(), _value_texts()
    time_end = len(head) + times.shape[1]
    lines = np.empty((len(home.slot), time_end + values.shape[1]), np.uint8)
    lines[:, : len(head)] = head
    lines[:, len(head) : time_end] = times[home.slot - _FIRST_SLOT]
    lines[:, time_end:] = values[home.wh]
    for row in np.flatnonzero(home.odd_s).tolist():
        lines[row, len(head) : time_end] = _texts(_moments(home.slot[row : row + 1], home.odd_s[row : row + 1]))
    return np.asarray(lines[lines != 0])


@lru_cache(maxsize=1)
def _time_texts() -> Bytes:
    slots = np.arange(_FIRST_SLOT, END_DAY * DAY, dtype=np.int64)
    return _texts(_moments(slots, np.zeros_like(slots)))


@lru_cache(maxsize=1)
def _value_texts() -> Bytes:
    values = [f" {wh / 1000:g} " for wh in range(NULL)] + [_NO_VALUES[code] for code in sorted(_NO_VALUES)]
    return _texts([f"{value}\r\n" for value in values])


def _moments(slot: IntArray, odd_s: IntArray) -> list[str]:
    moments = (slot * 1800 + odd_s).astype("datetime64[s]")
    return [f"{moment.replace('T', ' ')}.0000000," for moment in np.datetime_as_string(moments).tolist()]


def _texts(texts: list[str]) -> Bytes:
    """Texts as rows of one width, filled with zeros on the right."""
    padded = np.array([text.encode() for text in texts], dtype=np.bytes_)
    return padded.view(np.uint8).reshape(len(texts), padded.itemsize)
