"""Numbered rows with columns of numbers: numpy arrays that grow in blocks and lose the rows that nobody needs.

A column may be a ring over time: of `width` intervals, number `i` since 1970 lies in place `i % width`. All rows share
one present, so whoever owns them empties the places of intervals that have just begun.
"""

from collections.abc import Mapping
from itertools import compress
from typing import Any, Final, Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from wattline.forecasting.port import Bools, Floats32, Int64s

K = TypeVar("K")
Array = npt.NDArray[Any]
_BLOCK: Final = 64
_GROWTH: Final = 4
"""Grows by a quarter: what is kept free is at most that."""


class Column(NamedTuple):
    """What one array holds: `width` numbers a row (0: one, without a second axis), `fill` until they are known."""

    width: int
    fill: float
    dtype: type[np.float32] | type[np.int64]


class Rows(Generic[K]):
    """Rows by key, each with the same columns; the newest row is the last.

    Args:
        columns: Name to shape.
        bound: The most rows.

    Attributes:
        keys: Of the rows, in their order.
    """

    def __init__(self, columns: Mapping[str, Column], bound: int) -> None:
        self.keys: list[K] = []
        self._columns = dict(columns)
        self._bound = bound
        self._numbers: dict[K, int] = {}
        self._arrays = {name: _filled(column, 0) for name, column in self._columns.items()}

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.keys)

    def __getitem__(self, column: str) -> Array:
        """A column of all rows; writing into it writes into the row."""
        return self._arrays[column][: len(self.keys)]

    def number(self, key: K) -> int:
        """The row of a key; -1 when there is none."""
        return self._numbers.get(key, -1)

    def add(self, key: K) -> int:
        """The row of a key, made where there is none; -1 where there is no room for it."""
        found = self._numbers.get(key, -1)
        if found >= 0 or len(self.keys) >= self._bound:
            return found
        number = len(self.keys)
        if any(len(array) <= number for array in self._arrays.values()):
            self._grow(max(_BLOCK, number // _GROWTH))
        self._numbers[key] = number
        self.keys.append(key)
        return number

    def keep(self, rows: Bools) -> None:
        """Let go of the rows that are False; the others move up, in their order."""
        self._arrays = {name: self[name][rows] for name in self._columns}
        self._set_keys(list(compress(self.keys, rows.tolist())))

    def forget(self, ring: str, first: int, last: int) -> None:
        """Empty a ring's intervals first..last."""
        width = self._columns[ring].width
        self[ring][:, np.arange(max(first, last - width + 1), last + 1) % width] = self._columns[ring].fill

    def put(self, ring: str, rows: npt.ArrayLike, intervals: npt.ArrayLike, values: npt.ArrayLike) -> None:
        """Write into a ring, one value for each pair of row and interval."""
        self[ring][np.asarray(rows), np.asarray(intervals) % self._columns[ring].width] = values

    def span(self, ring: str, rows: Int64s, first: int, last: int) -> Floats32:
        """float32[R, last - first + 1]: intervals first..last of some rows, at most the ring's width."""
        places = np.arange(first, last + 1) % self._columns[ring].width
        found: Floats32 = self[ring][rows[:, None], places]
        return found

    def snapshot(self) -> tuple[list[K], dict[str, Array]]:
        """A copy of everything."""
        return list(self.keys), {name: self[name].copy() for name in self._columns}

    def restore(self, state: tuple[list[K], dict[str, Array]]) -> bool:
        """Take a copy back; False, and nothing done, when its columns are of another shape."""
        keys, arrays = state
        if {name: array.shape[1:] for name, array in arrays.items()} != self._shapes():
            return False
        # Pickled arrays may be shared with whoever holds the snapshot.
        self._arrays = {name: arrays[name].copy() for name in self._columns}
        self._set_keys(list(keys))
        return True

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: array.shape[1:] for name, array in self._arrays.items()}

    def _set_keys(self, keys: list[K]) -> None:
        self.keys = keys
        self._numbers = {key: number for number, key in enumerate(keys)}

    def _grow(self, rows: int) -> None:
        for name, column in self._columns.items():
            self._arrays[name] = np.concatenate([self[name], _filled(column, rows)])


def _filled(column: Column, rows: int) -> Array:
    shape = (rows, column.width) if column.width else (rows,)
    return np.full(shape, column.fill, column.dtype)
