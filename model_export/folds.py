"""Which rows a model learns from and which others it is calibrated on.

A model knows the rows that it has learned from too well: scores of those
would make thresholds that cry wolf everywhere else.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from model_export.dataset import FeatureTable

MANY_METERS: Final = 30
"""From so many on, a third of them is enough to calibrate on, and one fit to learn: one
restless meter among three would set the threshold of all."""
PARTS: Final = 3
MAX_HELD_OUT_ROWS: Final = 300_000
_MOST_IN_A_PART: Final = 0.7

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Fold:
    """Indices of rows that a model learns from, and of others that it then scores."""

    learned: Indices
    held_out: Indices


def folds(table: FeatureTable, seed: int) -> tuple[Fold, ...]:
    """One fold of other meters where there are many; three that cover all rows where there are few.

    Three or more meters are parted by meter. Fewer, or such of which one has
    nearly all rows, are parted by time: every third of each meter's days is
    scored by a model of the other two.

    Args:
        table: Rows of some meters.
        seed: Decides which meters are held out when they are more than needed.
    """
    meters = np.unique(table.meter)
    part = np.searchsorted(meters, table.meter) % PARTS
    if len(meters) < PARTS or np.bincount(part, minlength=PARTS).max() > _MOST_IN_A_PART * len(table):
        part = _part_of_time(table)
        return tuple(Fold(np.flatnonzero(part != one), np.flatnonzero(part == one)) for one in range(PARTS))
    used = range(PARTS) if len(meters) < MANY_METERS else (PARTS - 1,)
    most = MAX_HELD_OUT_ROWS // len(used)
    return tuple(Fold(np.flatnonzero(part != one), _some_meters(table, meters[one::PARTS], most, seed)) for one in used)


def _some_meters(table: FeatureTable, meters: npt.NDArray[np.int64], most: int, seed: int) -> Indices:
    """Rows of whole meters, at most so many or of one."""
    number = np.bincount(table.meter)
    shuffled = np.random.default_rng(seed).permutation(meters)
    enough = np.cumsum(number[shuffled]) <= most
    enough[0] = True
    return np.flatnonzero(np.isin(table.meter, shuffled[enough]))


def _part_of_time(table: FeatureTable) -> npt.NDArray[np.int64]:
    """Which third of its meter's rows each row is in."""
    part = np.zeros(len(table), np.int64)
    for meter in np.unique(table.meter):
        rows = np.flatnonzero(table.meter == meter)
        rank = np.argsort(np.argsort(table.start_ms[rows], kind="stable"), kind="stable")
        part[rows] = rank * PARTS // len(rows)
    return part
