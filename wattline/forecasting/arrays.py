"""Means and orders of tables that skip what is missing: NaN."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from wattline.forecasting.port import Floats32, Int64s

NAN: Final = np.float32(np.nan)


def at_columns(table: Floats32, columns: Int64s) -> Floats32:
    """The table's columns, float32[n, *columns.shape]; NaN for column -1."""
    taken: Floats32 = table.take(columns, axis=1, mode="wrap")
    taken[:, columns < 0] = NAN
    return taken


def around(table: Floats32, reach: int) -> Floats32:
    """Means over so many columns to each side."""
    known = np.isfinite(table)
    values = np.where(known, table, np.float32(0))
    total, count = values.copy(), known.astype(np.float32)
    ones = count.copy()
    for step in range(1, reach + 1):
        for to, of in ((slice(step, None), slice(None, -step)), (slice(None, -step), slice(step, None))):
            total[:, to] += values[:, of]
            count[:, to] += ones[:, of]
    return _ratio(total, count)


def mean(table: Floats32, axis: int = -1) -> Floats32:
    """Mean along an axis; NaN where all is missing."""
    known = np.isfinite(table)
    return _ratio(np.where(known, table, np.float32(0)).sum(axis=axis), known.sum(axis=axis, dtype=np.float32))


def rooted_mean_square(table: Floats32) -> Floats32:
    """Along the last axis."""
    return np.sqrt(mean(table * table))


def spread(table: Floats32) -> Floats32:
    """Standard deviation along the last of two axes."""
    return rooted_mean_square(table - mean(table)[:, None])


def weighted(cube: Floats32, weights: Floats32) -> Floats32:
    """Weighted mean along the last axis."""
    known = np.isfinite(cube)
    total = (np.where(known, cube, np.float32(0)) * weights).sum(axis=-1)
    return _ratio(total, (known * weights).sum(axis=-1))


def ordered(table: Floats32, shares: Sequence[float]) -> list[Floats32]:
    """The values below which such shares of the last axis lie."""
    # NaN sorts to the end: faster by far than numpy's nanquantile.
    ranks = np.sort(table, axis=-1)
    last = np.maximum(np.isfinite(ranks).sum(axis=-1) - 1, 0)
    found = []
    for share in shares:
        at = np.float32(share) * last.astype(np.float32)
        below = at.astype(np.int64)
        above = np.minimum(below + 1, last)
        low, high = (np.take_along_axis(ranks, side[..., None], axis=-1)[..., 0] for side in (below, above))
        found.append(low + (high - low) * (at - below.astype(np.float32)))
    return found


def _ratio(total: Floats32, count: Floats32) -> Floats32:
    """NaN where nothing was counted."""
    return np.where(count > 0, total / np.maximum(count, np.float32(1e-30)), NAN)
