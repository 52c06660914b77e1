"""Cleaned rows of one meter become its series: intervals, and what is told beside the values."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np
import polars as pl

from model_export.dataset import Bools, FaultSpan, MeterSeries
from wattline.intervals import HOUR_MS, Floats, Integers, Intervals, aggregate, from_amounts
from wattline.quantities import Kind, quantity

LABELLED: Final = "labelled"
"""The kind of a fault that people saw without saying what it is."""
_SIDE_COLUMNS: Final[tuple[str, ...]] = ("temperature_c", "occupancy")
_SAME_EVENT_MS: Final = 24 * HOUR_MS
_UNLIMITED: Final = 1e12


def series_of(rows: pl.DataFrame, name: str, interval_ms: int) -> Iterator[MeterSeries]:
    """The series of all meters in cleaned rows.

    Args:
        rows: Columns `meter`, `t`, `v`, `step`, and any of `label`, `temperature_c`, `occupancy`; each meter's rows
            together and in the order of time.
        name: The quantity that `v` is.
        interval_ms: Length of the intervals wanted.
    """
    if rows.is_empty():
        return
    begins = (pl.col("meter") != pl.col("meter").shift()).fill_null(value=True).arg_true()
    starts = rows.select(begins).to_series().to_list()
    for start, end in zip(starts, [*starts[1:], len(rows)], strict=True):
        yield _one(rows[start:end], name, interval_ms)


def _one(rows: pl.DataFrame, name: str, interval_ms: int) -> MeterSeries:
    t_ms: Integers = rows["t"].to_numpy().astype(np.int64)
    values: Floats = rows["v"].to_numpy().astype(np.float64)
    intervals = cut(t_ms, values, name, int(rows["step"][0]), interval_ms)
    place, told = _places(t_ms, intervals, interval_ms, quantity(name).kind)
    series = MeterSeries(str(rows["meter"][0]), intervals)
    if "label" in rows.columns:
        labels = np.zeros(len(intervals), np.bool_)
        labels[place[rows["label"].fill_null(value=False).to_numpy()[told]]] = True
        series = replace(series, labels=labels, faults=spans(intervals, labels))
    beside = {name: _means(place, rows[name], told, len(intervals)) for name in _SIDE_COLUMNS if name in rows.columns}
    return replace(series, temperature_c=beside.get("temperature_c"), occupancy=beside.get("occupancy"))


def cut(t_ms: Integers, values: Floats, name: str, step_ms: int, interval_ms: int) -> Intervals:
    """Values of a quantity as intervals.

    Args:
        t_ms: Times of N rows, ascending, ms UTC; those of amounts are where they start.
        values: N values, finite.
        name: The quantity.
        step_ms: Usual distance of the rows; of amounts, what each covers: at most an interval.
        interval_ms: Length of the intervals wanted.
    """
    kind = quantity(name).kind
    if kind is Kind.GAUGE:
        return aggregate(0, t_ms, values, interval_ms)
    if kind is Kind.COUNTER:
        return growth(t_ms, values, interval_ms, quantity(name).max_per_hour or _UNLIMITED)
    if step_ms == interval_ms:
        return from_amounts(0, t_ms, values, interval_ms)
    longer = aggregate(0, t_ms, values * (HOUR_MS / step_ms), interval_ms)
    # A meter that sent such longer amounts would tell nothing of what happened within them.
    return replace(longer, low=longer.mean, high=longer.mean, spread=np.zeros(len(longer)))


def growth(t_ms: Integers, register: Floats, interval_ms: int, most_per_hour: float) -> Intervals:
    """What a register grew by, from the last reading of one interval to that of the next, as the edge tells it.

    A reading at the very end of an interval belongs to it. Intervals in which the register goes back or leaps are
    left out.

    Args:
        t_ms: Times of N readings, strictly ascending.
        register: N readings.
        interval_ms: Length of an interval.
        most_per_hour: The largest believable growth.
    """
    if len(t_ms) == 0:
        return aggregate(0, t_ms, register, interval_ms)
    bucket = (t_ms[1:] - 1) // interval_ms
    last = np.flatnonzero(np.r_[bucket[1:] != bucket[:-1], np.ones(min(len(bucket), 1), np.bool_)]) + 1
    anchor = np.r_[np.zeros(min(len(last), 1), np.int64), last[:-1]]
    rate = (register[last] - register[anchor]) * (HOUR_MS / (t_ms[last] - t_ms[anchor]))
    whole = (rate >= 0.0) & (rate <= most_per_hour)
    cut_out = from_amounts(0, bucket[last - 1][whole] * interval_ms, rate[whole] * (interval_ms / HOUR_MS), interval_ms)
    return replace(cut_out, mean=rate[whole], low=rate[whole], high=rate[whole], count=(last - anchor)[whole])


def spans(intervals: Intervals, labels: Bools, kind: str = LABELLED) -> tuple[FaultSpan, ...]:
    """Runs of labelled intervals as faults: one until an interval without a label, or a day without data, comes."""
    chosen = np.flatnonzero(labels)
    if len(chosen) == 0:
        return ()
    start, end = intervals.start_ms[chosen], (intervals.start_ms + intervals.length_ms)[chosen]
    fresh = (np.diff(chosen) > 1) | (start[1:] - end[:-1] > _SAME_EVENT_MS)
    first, last = np.r_[0, np.flatnonzero(fresh) + 1], np.r_[np.flatnonzero(fresh), len(chosen) - 1]
    return tuple(FaultSpan(kind, int(start[a]), int(end[b])) for a, b in zip(first, last, strict=True))


def _places(t_ms: Integers, intervals: Intervals, interval_ms: int, kind: Kind) -> tuple[Integers, Bools]:
    """For each row that an interval was made of, which one; and which rows these are."""
    start = (t_ms - (kind is Kind.COUNTER)) // interval_ms * interval_ms
    place = np.searchsorted(intervals.start_ms, start)
    told = place < len(intervals)
    told[told] = intervals.start_ms[place[told]] == start[told]
    return place[told].astype(np.int64), told


def _means(place: Integers, column: pl.Series, told: Bools, n: int) -> Floats:
    """The mean of a column over each interval; NaN where nothing is known."""
    values = column.to_numpy().astype(np.float64)[told]
    known = np.isfinite(values)
    count = np.bincount(place[known], minlength=n)
    total = np.bincount(place[known], weights=values[known], minlength=n)
    means: Floats = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return means
