"""Features of the contract `forecast-v1`: what the past says of each interval that follows.

A pure function of a `Scene`: training, evaluation and the cloud call the same one. Every amount is divided by the
series' own mean of four weeks, so that one model serves a flat and a factory.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from wattline.forecasting.arrays import NAN, around, at_columns, mean, ordered, spread
from wattline.forecasting.candidates import Blend, Lookup, blend, candidates, days_off
from wattline.forecasting.port import HISTORY_MS, HORIZON_MS, Floats32, Int64s, Scene

CONTRACT: Final = "forecast-v1"
NAMES: Final = (
    # The interval itself.
    "lead_h", "hour", "day_of_week", "day_off",
    # What simple forecasts say together, how good they were in the last week, and four of them alone; see `candidates`.
    "low", "middle", "high", "mean",
    "error", "error_median", "error_kind", "error_recent", "error_weeks", "error_week",
    # Of what order the same time of day is on 28 days, and on days of the same kind.
    "low_10", "low_25", "median", "high_75", "high_90", "median_kind",
    # Averages of it: of newer days and those of the same kind most, of weeks, of the same weekday, a week before.
    "recent_5", "recent_14", "weeks_mean", "week_1",
    # Smoothed over neighbours: a week before, the newest two days that are known by then, a week, four weeks.
    "week_1_smooth", "day_1", "day_1_smooth", "day_2_smooth", "mean_7", "mean_28", "median_smooth", "median_7",
    # How much it was lately, against its mean and against the same time of other days.
    "last", "last_3h", "last_6h", "last_1d", "last_3d", "last_7d", "odd_3h", "odd_1d",
    # What values of a week look like, and how much days differ.
    "week_05", "week_20", "week_50", "week_80", "week_95", "days_spread", "days_least",
    # Outdoors: the day around the interval, and how it differs from the past; what that made in the past.
    "temperature", "day_temperature", "warmer_than_month", "warmer_than_week_ago", "by_weather",
    # The building.
    "w_per_m2",
)  # fmt: skip
BASES: Final = {"lower": "low", "middle": "middle", "upper": "high", "mean": "mean"}
"""What each output of a model is added to. Never NaN where the level is known."""
LEAST_DAYS: Final = 7
"""Days that must be known, of the last 28, for features to be of use."""
_GAPS: Final = 0.95
"""A few lost intervals do not make them less."""
_DAYS: Final = 28
_TRIED_DAYS: Final = 7
_DAY_MS: Final = 86_400_000
_HOUR_MS: Final = 3_600_000
_WEEK_ORDERS: Final = (0.05, 0.2, 0.5, 0.8, 0.95)

Table = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Plan:
    """Where in a scene to look; the same for all its series, and made once.

    Attributes:
        ahead: int64[K]: columns of the calendar that are forecast.
        days: The same time of the 28 days before them.
        last_week: int64[W]: columns of the last week, one an hour: as good as all, and half the work.
        tried: The same time of days before them, from two days before on.
        newest: int64[K]: index of the first lag that is known.
        fixed: float32[K, 4]: the first four features.
        per_day: Intervals a day.
        per_hour: Intervals an hour.
    """

    ahead: Int64s
    days: Lookup
    last_week: Int64s
    tried: Lookup
    newest: Int64s
    fixed: Floats32
    per_day: int
    per_hour: int

    @classmethod
    def of(cls, scene: Scene, leads: Sequence[int] | Int64s | None = None) -> "Plan":
        """The plan of a scene.

        Args:
            scene: Its calendar counts.
            leads: Which of the K intervals; None for all.
        """
        length_ms, calendar = scene.interval_ms, scene.calendar
        known, per_day = HISTORY_MS // length_ms, _DAY_MS // length_ms
        ahead = known + (np.arange(HORIZON_MS // length_ms) if leads is None else np.asarray(leads, np.int64))
        per_hour = max(_HOUR_MS // length_ms, 1)
        last_week = np.arange(known - _TRIED_DAYS * per_day, known, per_hour)
        days = Lookup.of(calendar, ahead, range(1, _DAYS + 1), known, length_ms)
        tried = Lookup.of(calendar, last_week, range(2, _DAYS - _TRIED_DAYS + 2), known, length_ms)
        fixed = [(ahead - known) * length_ms / _HOUR_MS, calendar.minute_of_day[ahead] / 60,
                 calendar.day_of_week[ahead], days_off(calendar)[ahead]]  # fmt: skip
        return cls(
            ahead,
            days,
            last_week,
            tried,
            np.argmax(days.lags >= 0, axis=1),
            np.stack(fixed, axis=1).astype(np.float32),
            per_day,
            per_hour,
        )


def levels(energy_kwh: Floats32) -> Floats32:
    """The mean of what is known of each series, float32[N]; NaN where less than `LEAST_DAYS` or nothing was used."""
    known = np.isfinite(energy_kwh)
    count = known.sum(axis=1)
    total = np.where(known, energy_kwh, np.float32(0)).sum(axis=1, dtype=np.float64)
    average = total / np.maximum(count, 1)
    enough = count * HISTORY_MS >= _GAPS * LEAST_DAYS * _DAY_MS * energy_kwh.shape[1]
    return np.where(enough & (average > 0), average, np.nan).astype(np.float32)


def features(scene: Scene, plan: Plan, rows: slice, level: Floats32) -> Table:
    """Features of some series of a scene.

    Args:
        scene: The scene.
        plan: Its plan.
        rows: Which n of its series.
        level: Their levels, float32[n]; see `levels`.

    Returns:
        float32[n, K, F], in the order of `NAMES`; NaN is unknown.
    """
    relative = scene.energy_kwh[rows] / level[:, None]
    out = np.empty((len(relative), len(plan.ahead), len(NAMES)), np.float32)
    out[:, :, : plan.fixed.shape[1]] = plan.fixed
    column = plan.fixed.shape[1]
    for part in (_same_time, _smoothed, _lately):
        for values in part(relative, plan):
            out[:, :, column] = values if values.ndim == 2 else values[:, None]  # noqa: PLR2004 (per lead, or per series)
            column += 1
    for values in _outdoors(scene, plan, rows, relative):
        out[:, :, column] = values
        column += 1
    watts = level / np.float32(scene.interval_ms / _HOUR_MS) * 1000
    out[:, :, column] = (watts / scene.floor_m2[rows])[:, None]
    return out


def _same_time(relative: Floats32, plan: Plan) -> Iterator[Floats32]:
    """What simple forecasts from the same time of other days say, together and alone."""
    ahead = candidates(relative, plan.days)
    mixed = blend(candidates(relative, plan.tried), relative[:, plan.last_week], ahead)
    yield from _bases(mixed, ahead.orders[2])
    yield mixed.error
    yield from mixed.errors
    yield from ahead.orders
    yield ahead.middles[1]
    yield from ahead.means


def _bases(mixed: Blend, median: Floats32) -> Iterator[Floats32]:
    """Low, middle, high and mean; where no simple forecast could be tried the median, and else the level."""
    spare = np.where(np.isnan(median), np.float32(1), median)
    for said in (mixed.low, mixed.middle, mixed.high, mixed.mean):
        yield np.where(np.isnan(said), spare, said)


def _smoothed(relative: Floats32, plan: Plan) -> Iterator[Floats32]:
    """What was around the same time of day before: people do the same things at slightly other times."""
    lags, each = plan.days.lags, np.arange(len(plan.ahead))
    near, wide = at_columns(around(relative, 1), lags), at_columns(around(relative, 2), lags)
    yield wide[:, :, _TRIED_DAYS - 1]
    yield at_columns(relative, lags[each, plan.newest])
    yield wide[:, each, plan.newest]
    yield wide[:, each, plan.newest + 1]
    yield mean(near[:, :, :7])
    yield mean(wide)
    yield from ordered(near, (0.5,))
    yield from ordered(near[:, :, :7], (0.5,))


def _lately(relative: Floats32, plan: Plan) -> Iterator[Floats32]:
    """What the series did lately, whatever is forecast."""
    hour, day = plan.per_hour, plan.per_day
    days = relative.reshape(len(relative), _DAYS, day)
    usual = mean(days, axis=1)
    yield relative[:, -1]
    for hours in (3, 6, 24, 72, 168):
        yield mean(relative[:, -hours * hour :])
    yield mean(relative[:, -3 * hour :] - usual[:, -3 * hour :])
    yield mean(relative[:, -day:] - usual)
    yield from ordered(relative[:, -7 * day :], _WEEK_ORDERS)
    by_day = mean(days)
    yield spread(by_day)
    yield np.fmin.reduce(by_day, axis=1)


def _outdoors(scene: Scene, plan: Plan, rows: slice, relative: Floats32) -> list[Floats32]:
    """Temperature, and what it did to the series before; once a place, as many series are at one."""
    place = scene.place[rows]
    if not len(scene.temperature_c):
        return [np.full((len(place), len(plan.ahead)), NAN)] * 5
    measured, there = scene.temperature_c, np.maximum(place, 0)
    known = relative.shape[1]
    by_day = mean(measured[:, :known].reshape(len(measured), _DAYS, plan.per_day))
    near = around(measured, plan.per_day // 2)
    day, week_ago = near[:, plan.ahead], at_columns(near, plan.days.lags[:, _TRIED_DAYS - 1])
    warmer = day - mean(measured[:, :known])[:, None]
    shown = [table[there] for table in (measured[:, plan.ahead], day, warmer, day - week_ago)]
    slope = _slope(mean(relative.reshape(len(relative), _DAYS, plan.per_day)), by_day[there])
    shown.append(slope[:, None] * shown[2])
    for table in shown:
        table[place < 0] = NAN
    return shown


def _slope(used: Floats32, temperature_c: Floats32) -> Floats32:
    """How much daily use rises with each degree, drawn towards none as long as the weather hardly changed."""
    a, b = used - mean(used)[:, None], temperature_c - mean(temperature_c)[:, None]
    both = np.isfinite(a) & np.isfinite(b)
    a, b = np.where(both, a, np.float32(0)), np.where(both, b, np.float32(0))
    slope: Floats32 = (a * b).sum(axis=1) / ((b * b).sum(axis=1) + np.float32(_DAYS))
    return slope
