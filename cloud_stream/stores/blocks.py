"""Raw readings, made ready for any store: sorted by series, complete, in time.

A store cannot keep a row with a hole as it keeps a full one, so rows that carry
the same quantities go together.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from cloud_stream.measurements import MAX_TIME_MS, is_sound, is_tag_value
from cloud_stream.records import Columns, Floats, Int64s, PointColumns

ALL_TIME: Final = -(2**62)
"""An `oldest_ms` before every time."""

SeriesKey = tuple[str, str, str]
"""Site, gateway, meter."""


@dataclass(frozen=True, slots=True)
class Block:
    """Rows without holes, those of a series side by side.

    Attributes:
        keys: The series that rows point to.
        key_of_row: int64[N]: into `keys`.
        quantities: The names, in the order of `values`.
        interval_ms: The interval of amounts; 0 without.
        t_ms: int64[N].
        values: float64[Q, N], no NaN; every row of it is contiguous.
    """

    keys: tuple[SeriesKey, ...]
    key_of_row: Int64s
    quantities: tuple[str, ...]
    interval_ms: int
    t_ms: Int64s
    values: Floats

    def rows(self, chosen: Int64s | slice) -> "Block":
        """Some of the rows, in the order of `chosen`."""
        return Block(
            self.keys,
            self.key_of_row[chosen],
            self.quantities,
            self.interval_ms,
            self.t_ms[chosen],
            np.ascontiguousarray(self.values[:, chosen]),
        )


@dataclass(frozen=True, slots=True)
class Sorted:
    """What `sort_out` made of columns.

    Attributes:
        good: To be stored.
        refused: Reason and rows that no store would take.
    """

    good: list[Block]
    refused: list[tuple[str, Block]]


def sort_out(columns: Columns, oldest_ms: int) -> Sorted:
    """Split columns into blocks that a store can keep and rows that it cannot.

    Args:
        columns: Raw readings; rows without any value vanish.
        oldest_ms: Rows before it are refused as `outside_retention`.
    """
    whole = _by_series(columns)
    reasons = np.zeros(len(whole.t_ms), dtype=np.int8)
    reasons[whole.t_ms < max(oldest_ms, -MAX_TIME_MS)] = 1
    reasons[whole.t_ms > MAX_TIME_MS] = 3
    bad_keys = np.array([not all(map(is_tag_value, key)) for key in whole.keys], dtype=np.bool_)
    if bad_keys.any():
        reasons[bad_keys[whole.key_of_row]] = 2
    if not reasons.any():
        return Sorted(list(_complete(whole)), [])
    good = list(_complete(whole.rows(np.flatnonzero(reasons == 0))))
    refused = [
        (reason, block)
        for number, reason in ((1, "outside_retention"), (2, "bad_tag"), (3, "bad_time"))
        for block in _complete(whole.rows(np.flatnonzero(reasons == number)))
    ]
    return Sorted(good, refused)


def _by_series(columns: Columns) -> Block:
    frame_keys = list(zip(columns.site, columns.gateway, columns.meter, strict=True))
    numbers: dict[SeriesKey, int] = {}
    key_of_frame = np.array([numbers.setdefault(key, len(numbers)) for key in frame_keys], dtype=np.int64)
    block = Block(
        tuple(numbers),
        np.repeat(key_of_frame, columns.length),
        columns.quantities,
        columns.interval_ms,
        columns.t_ms,
        columns.values,
    )
    # Numbers were given in order of appearance: a step back is a series that was left and came again.
    if (np.diff(key_of_frame) < 0).any():
        return block.rows(np.argsort(block.key_of_row, kind="stable"))
    return block


def _complete(block: Block) -> Iterator[Block]:
    """The block's rows in groups that carry the same quantities, all of them."""
    present = ~np.isnan(block.values)
    if present.all():
        if block.values.size:
            yield block if block.values.flags.c_contiguous else block.rows(slice(None))
        return
    patterns, pattern_of_row = np.unique(present, axis=1, return_inverse=True)
    for number, pattern in enumerate(patterns.T):
        if pattern.any():
            rows = np.flatnonzero(pattern_of_row.reshape(-1) == number)
            yield Block(
                block.keys,
                block.key_of_row[rows],
                tuple(name for name, here in zip(block.quantities, pattern, strict=True) if here),
                block.interval_ms,
                block.t_ms[rows],
                np.ascontiguousarray(block.values[np.ix_(pattern, rows)]),
            )


def is_storable(columns: PointColumns, oldest_ms: int) -> bool:
    """Whether all points of the columns can be stored as they are; if not, each has to be looked at."""
    return is_sound(columns) and int(columns.t_ms.min(initial=MAX_TIME_MS)) >= oldest_ms
