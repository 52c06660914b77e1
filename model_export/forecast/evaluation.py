"""How good forecasters are on series and months that they have not learned from.

Everything is forecast by `Forecaster.forecast(Scene)`, as in the cloud. Two ways of being a day ahead are told apart:

* day ahead: every interval as it was forecast exactly 24 hours before it began; the stricter one;
* midnight: every interval as it was forecast at the local midnight before it, 0 to 24 hours ahead.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from model_export.forecast.table import SeriesTable, Span
from wattline.forecasting.port import Bools, Floats32, Forecast, Forecaster, Int64s
from wattline.intervals import Floats

SAID: Final = 4
LOWER, MIDDLE, UPPER, MEAN = range(SAID)
MOST_FORECASTS: Final = 30_000_000
"""Intervals that are forecast at most: of more series, not every instant is taken, but every time of day is."""
_STRIDES: Final = (1, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47)
"""Without a common part with the intervals of a day."""


@dataclass(frozen=True, slots=True)
class Judge:
    """A forecaster, and the series of a table that it may be judged by."""

    rows: Int64s
    forecaster: Forecaster


@dataclass(frozen=True, slots=True)
class ByLead:
    """Sums over all series and instants, float64[K] each: of errors of the middle, of those of a week before, ..

    Attributes:
        error: Of absolute errors of the middle.
        before: Of absolute errors of the same time a week before.
        inside: How many truths were in the band.
        above: Of errors of the mean, with their sign.
        used: Of truths.
        count: How many.
    """

    error: Floats
    before: Floats
    inside: Floats
    above: Floats
    used: Floats
    count: Floats

    @classmethod
    def empty(cls, horizon: int) -> "ByLead":
        """Nothing yet."""
        return cls(*(np.zeros(horizon) for _ in range(6)))

    def add(self, said: Forecast, truth: Floats32, before: Floats32) -> None:
        """Count one forecast of some series; all float32[n, K]."""
        known = np.isfinite(truth) & np.isfinite(before) & np.isfinite(said.energy_kwh)
        self._sum(self.error, known, np.abs(said.energy_kwh - truth))
        self._sum(self.before, known, np.abs(before - truth))
        self._sum(self.inside, known, (truth >= said.lower) & (truth <= said.upper))
        self._sum(self.above, known, said.expected_kwh - truth)
        self._sum(self.used, known, truth)
        self._sum(self.count, known, known)

    @staticmethod
    def _sum(sums: Floats, known: Bools, values: Floats32 | Bools) -> None:
        sums += np.where(known, values, 0).sum(axis=0, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Trial:
    """What was forecast, and what came true; N series, D intervals.

    Attributes:
        table: The series.
        span: The D intervals.
        truth: float32[N, D].
        before: float32[N, D]: the same time a week before.
        day_ahead: float32[4, N, D]: lower, middle, upper, mean; NaN where none was made. midnight: likewise.
        by_model: Share of forecasts that were the model's own.
        by_lead: Of all forecasts.
    """

    table: SeriesTable
    span: Span
    truth: Floats32
    before: Floats32
    day_ahead: Floats32
    midnight: Floats32
    by_model: float
    by_lead: ByLead


def attempt(table: SeriesTable, span: Span, judges: Sequence[Judge], tick: Callable[[], None]) -> Trial:
    """Forecast all intervals of a span, a day ahead and at midnight.

    Args:
        table: The series.
        span: The intervals.
        judges: Forecasters; none is judged by series it has learned from.
        tick: Called `instants` times for each judge.
    """
    shape = (SAID, len(table), span.end - span.begin)
    day_ahead, midnight = (np.full(shape, np.nan, np.float32) for _ in range(2))
    by_lead = ByLead.empty(table.horizon)
    own, asked = 0, 0
    every = instants(table, span)
    midnights = set(_midnights(table, span).tolist())
    for judge in judges:
        part = table.of(judge.rows)
        for at in every.tolist():
            said = judge.forecaster.forecast(part.scene(at))
            by_lead.add(said, part.truth(at), part.a_week_before(at))
            known = np.isfinite(part.truth(at)).sum(axis=1)
            own, asked = own + known[said.by_model].sum(), asked + known.sum()
            columns = np.stack([said.lower, said.energy_kwh, said.upper, said.expected_kwh])
            day = at + table.per_day - span.begin
            if 0 <= day < shape[2]:
                day_ahead[:, judge.rows, day] = columns[:, :, table.per_day]
            if at in midnights:
                begin = at - span.begin
                end = min(begin + _day_length(table, at), shape[2])
                midnight[:, judge.rows, begin:end] = columns[:, :, : end - begin]
            tick()
    tested = slice(table.history + span.begin, table.history + span.end)
    earlier = slice(tested.start - 7 * table.per_day, tested.stop - 7 * table.per_day)
    share = float(own / max(asked, 1))
    return Trial(
        table, span, table.energy_kwh[:, tested], table.energy_kwh[:, earlier], day_ahead, midnight, share, by_lead
    )


def instants(table: SeriesTable, span: Span) -> Int64s:
    """When forecasts are made for a span: 24 hours before each of its intervals, or before some, and its midnights."""
    first = max(span.begin - table.per_day, 0)
    asked = (span.end - table.per_day - first) * len(table) * table.horizon
    stride = next((step for step in _STRIDES if asked / step <= MOST_FORECASTS), _STRIDES[-1])
    return np.union1d(np.arange(first, span.end - table.per_day, stride), _midnights(table, span))


def _midnights(table: SeriesTable, span: Span) -> Int64s:
    minutes = table.calendar.minute_of_day[table.history + span.begin : table.history + span.end]
    return span.begin + np.flatnonzero(minutes == 0)


def _day_length(table: SeriesTable, at: int) -> int:
    """Intervals from a midnight to the next."""
    days = table.calendar.day_of_year[table.history + at : table.history + at + table.horizon]
    return int(np.argmax(days != days[0])) or len(days)
