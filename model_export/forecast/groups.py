"""Sums of random groups of meters: what the model of sites and fleets learns from."""

from typing import Final

import numpy as np

from model_export.errors import DataError
from model_export.forecast.table import SeriesTable, Span
from wattline.forecasting.features import LEAST_DAYS
from wattline.forecasting.port import Bools, Floats32

MOST_GROUPS: Final = 60
_LEAST_KNOWN: Final = 0.5
"""Of a group's members must be known in an interval for their sum to be."""


def random_sums(table: SeriesTable, span: Span, seed: int, groups: int = MOST_GROUPS) -> SeriesTable:
    """Sums of groups of meters of all sizes, half of them with at least half of all meters.

    Args:
        table: The meters.
        span: Only what lies in it decides which meters are usable.
        seed: Decides who is in which group.
        groups: How many.

    Raises:
        DataError: There are too few meters.
    """
    seen = np.isfinite(table.energy_kwh[:, table.history + span.begin : table.history + span.end]).sum(axis=1)
    usable = np.flatnonzero(seen >= LEAST_DAYS * table.per_day)
    if len(usable) < 2:  # noqa: PLR2004 (a sum has two parts)
        raise DataError(f"{len(usable)} meters are known for long enough; sums are made of 2 at least")
    rng = np.random.default_rng(seed)
    sizes = np.maximum(np.round(len(usable) ** rng.uniform(0.5, 1.0, groups)).astype(int), 2)
    chosen = np.zeros((groups, len(table)), np.bool_)
    for row, size in zip(chosen, sizes.tolist(), strict=True):
        row[rng.choice(usable, size, replace=False)] = True
    return sums(table, chosen, span.end)


def sums(table: SeriesTable, chosen: Bools, until: int) -> SeriesTable:
    """A series for each group.

    A member that is not known for an interval is taken to use its share of what the others use, as long as half of the
    members are known: a sum must not fall because a meter is silent.

    Args:
        table: The N meters.
        chosen: bool[G, N]: who is in which group.
        until: Only what lies before this interval tells how much a meter usually uses.
    """
    usual = _usual(table.energy_kwh[:, : table.history + until])
    energy = np.stack([_sum(table.energy_kwh[row], usual[row]) for row in chosen])
    return SeriesTable(
        tuple(f"sum-{i}" for i in range(len(chosen))),
        table.start_ms,
        table.interval_ms,
        energy,
        table.temperature_c,
        np.array([_place(table, row) for row in chosen], np.int64),
        np.array([table.floor_m2[row].sum() for row in chosen], np.float32),
        chosen.sum(axis=1).astype(np.float32),
        table.calendar,
    )


def _usual(energy: Floats32) -> Floats32:
    known = np.isfinite(energy)
    total = np.where(known, energy, np.float32(0)).sum(axis=1, dtype=np.float64)
    usual: Floats32 = (total / np.maximum(known.sum(axis=1), 1)).astype(np.float32)
    return usual


def _sum(energy: Floats32, usual: Floats32) -> Floats32:
    known = np.isfinite(energy)
    total = np.where(known, energy, np.float32(0)).sum(axis=0)
    there = (known * usual[:, None]).sum(axis=0)
    enough = (known.mean(axis=0) >= _LEAST_KNOWN) & (there > 0)
    share = np.where(enough, there, 1) / usual.sum()
    filled: Floats32 = np.where(enough, total / share, np.nan).astype(np.float32)
    return filled


def _place(table: SeriesTable, row: Bools) -> int:
    """Where most members are."""
    places, count = np.unique(table.place[row], return_counts=True)
    return int(places[count.argmax()])
