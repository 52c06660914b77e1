"""Features of the contract `forecast-v1`: what the past says of each interval that follows.

A pure function of a `Scene`: training, evaluation and the cloud call the same one. Every amount is divided by the
series' own mean of four weeks, so that one model serves a flat and a factory.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from wattline.forecasting.lags import lag_columns
from wattline.forecasting.port import HISTORY_MS, HORIZON_MS, Bools, Floats32, Int64s, Scene

CONTRACT: Final = "forecast-v1"
NAMES: Final = (
    # The interval itself.
    "lead_h", "hour", "day_of_week", "day_off",
    # The same time of day before: one and two weeks, an average of four; the newest days that are known by then.
    "week_1", "week_2", "week_1_smooth", "weeks_mean", "day_1", "day_1_smooth", "day_2_smooth",
    # Averages of it: newer days and days of the same kind count for more; a week; four weeks.
    "recent_5", "recent_14", "mean_7", "mean_28",
    # Of what order it is on 28 days, on the last week, on days of the same kind, and smoothed over neighbours.
    "low_10", "low_25", "median", "high_75", "high_90", "median_7", "median_kind", "median_smooth",
    # How much it was lately, against its mean and against the same time of other days.
    "last", "last_3h", "last_6h", "last_1d", "last_3d", "last_7d", "odd_3h", "odd_1d",
    # What values of a week look like, and how much days differ.
    "week_05", "week_20", "week_50", "week_80", "week_95", "days_spread", "days_least",
    # Outdoors: the day around the interval, and how it differs from the past; what that made in the past.
    "temperature", "day_temperature", "warmer_than_month", "warmer_than_week_ago", "by_weather",
    # The building.
    "w_per_m2",
)  # fmt: skip
BASES: Final = ("low_10", "median", "high_90")
"""What lower, middle and upper begin from."""
LEAST_DAYS: Final = 7
"""Days that must be known, of the last 28, for features to be of use."""
_DAYS: Final = 28
_DAY_MS: Final = 86_400_000
_HOUR_MS: Final = 3_600_000
_SATURDAY: Final = 5
_ORDERS: Final = (0.1, 0.25, 0.5, 0.75, 0.9)
_WEEK_ORDERS: Final = (0.05, 0.2, 0.5, 0.8, 0.95)
_OTHER_KIND: Final = 0.15
"""What a workday counts for a weekend, and the other way round."""
_NAN: Final = np.float32(np.nan)

Table = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Plan:
    """Where in a scene to look; the same for all its series, and made once.

    Attributes:
        ahead: int64[K]: columns of the calendar that are forecast.
        lags: int64[K, 28]: column of the history with the same local time so many days before; -1 for none.
        newest: int64[K]: index of the first lag that is known.
        same_kind: bool[K, 28]: whether that day is of the same kind: workday, or weekend and holiday.
        weights: For each of two half-lives, float32[K, 28].
        fixed: float32[K, 4]: the first four features.
        per_day: Intervals a day.
        per_hour: Intervals an hour.
    """

    ahead: Int64s
    lags: Int64s
    newest: Int64s
    same_kind: Bools
    weights: tuple[Floats32, Floats32]
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
        known = HISTORY_MS // length_ms
        ahead = known + (np.arange(HORIZON_MS // length_ms) if leads is None else np.asarray(leads, np.int64))
        lags = np.stack([lag_columns(calendar, ahead, days, length_ms) for days in range(1, _DAYS + 1)], axis=1)
        lags[lags >= known] = -1
        off = (calendar.day_of_week >= _SATURDAY) | calendar.holiday
        same_kind = (off[lags] == off[ahead, None]) & (lags >= 0)
        days = np.arange(1, _DAYS + 1)
        kind = np.where(same_kind, 1.0, _OTHER_KIND) * (lags >= 0)
        fixed = [(ahead - known) * length_ms / _HOUR_MS, calendar.minute_of_day[ahead] / 60,
                 calendar.day_of_week[ahead], off[ahead]]  # fmt: skip
        return cls(
            ahead,
            lags,
            np.argmax(lags >= 0, axis=1),
            same_kind,
            ((kind * np.exp(-days / 5)).astype(np.float32), (kind * np.exp(-days / 14)).astype(np.float32)),
            np.stack(fixed, axis=1).astype(np.float32),
            _DAY_MS // length_ms,
            max(_HOUR_MS // length_ms, 1),
        )


def levels(energy_kwh: Floats32) -> Floats32:
    """The mean of what is known of each series, float32[N]; NaN where less than `LEAST_DAYS` or nothing was used."""
    known = np.isfinite(energy_kwh)
    count = known.sum(axis=1)
    total = np.where(known, energy_kwh, np.float32(0)).sum(axis=1, dtype=np.float64)
    mean = total / np.maximum(count, 1)
    enough = count * HISTORY_MS >= LEAST_DAYS * _DAY_MS * energy_kwh.shape[1]
    return np.where(enough & (mean > 0), mean, np.nan).astype(np.float32)


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
    out[:, :, :4] = plan.fixed
    parts = (_same_time(relative, plan), _lately(relative, plan), _outdoors(scene, plan, rows, relative))
    column = 4
    for part in parts:
        for values in part:
            out[:, :, column] = values if values.ndim == 2 else values[:, None]  # noqa: PLR2004 (per lead, or per series)
            column += 1
    watts = level / np.float32(scene.interval_ms / _HOUR_MS) * 1000
    out[:, :, column] = (watts / scene.floor_m2[rows])[:, None]
    return out


def _same_time(relative: Floats32, plan: Plan) -> list[Floats32]:
    """What was at the same time of day before."""
    cube = _at(relative, plan.lags)
    near = _at(_around(relative, 1), plan.lags)
    wide = _at(_around(relative, 2), plan.lags)
    each = np.arange(len(plan.ahead))
    weeks = near[:, :, 6::7]
    shown = [cube[:, :, 6], cube[:, :, 13], wide[:, :, 6], _mean(weeks)]
    shown += [cube[:, each, plan.newest], wide[:, each, plan.newest], wide[:, each, plan.newest + 1]]
    shown += [_weighted(near, weights) for weights in plan.weights]
    shown += [_mean(near[:, :, :7]), _mean(wide)]
    shown += ordered(cube, _ORDERS)
    shown += ordered(cube[:, :, :7], (0.5,))
    shown += ordered(np.where(plan.same_kind, cube, _NAN), (0.5,))
    return shown + ordered(near, (0.5,))


def _lately(relative: Floats32, plan: Plan) -> list[Floats32]:
    """What the series did lately, whatever is forecast."""
    hour, day = plan.per_hour, plan.per_day
    days = relative.reshape(len(relative), _DAYS, day)
    usual = _mean(days, axis=1)
    shown = [relative[:, -1], *(_mean(relative[:, -hours * hour :]) for hours in (3, 6, 24, 72, 168))]
    shown += [_mean(relative[:, -3 * hour :] - usual[:, -3 * hour :]), _mean(relative[:, -day:] - usual)]
    shown += ordered(relative[:, -7 * day :], _WEEK_ORDERS)
    by_day = _mean(days)
    return [*shown, _spread(by_day), np.fmin.reduce(by_day, axis=1)]


def _outdoors(scene: Scene, plan: Plan, rows: slice, relative: Floats32) -> list[Floats32]:
    """Temperature, and what it did to the series before; once a place, as many series are at one."""
    place = scene.place[rows]
    if not len(scene.temperature_c):
        nothing = np.full(len(place), _NAN)
        return [nothing] * 5
    there = np.maximum(place, 0)
    measured = scene.temperature_c
    known = relative.shape[1]
    around = _around(measured, plan.per_day // 2)
    month = _mean(measured[:, :known])
    by_day = _mean(measured[:, :known].reshape(len(measured), _DAYS, plan.per_day))
    day = around[:, plan.ahead]
    week_ago = np.where(plan.lags[:, 6] >= 0, around[:, plan.lags[:, 6]], _NAN)
    warmer = day - month[:, None]
    slope = _slope(_mean(relative.reshape(len(relative), _DAYS, plan.per_day)), by_day[there])
    shown = [table[there] for table in (measured[:, plan.ahead], day, warmer, day - week_ago)]
    shown.append(slope[:, None] * shown[2])
    nowhere = place < 0
    for table in shown:
        table[nowhere] = _NAN
    return shown


def _slope(used: Floats32, temperature_c: Floats32) -> Floats32:
    """How much daily use rises with each degree, drawn towards none as long as the weather hardly changed."""
    a, b = used - _mean(used)[:, None], temperature_c - _mean(temperature_c)[:, None]
    both = np.isfinite(a) & np.isfinite(b)
    a, b = np.where(both, a, np.float32(0)), np.where(both, b, np.float32(0))
    slope: Floats32 = (a * b).sum(axis=1) / ((b * b).sum(axis=1) + np.float32(_DAYS))
    return slope


def _at(table: Floats32, columns: Int64s) -> Floats32:
    """The table's columns, float32[n, *columns.shape]; NaN for column -1."""
    taken = table.take(columns, axis=1, mode="wrap")
    taken[:, columns < 0] = _NAN
    return taken


def _around(table: Floats32, reach: int) -> Floats32:
    """Means over so many columns to each side; NaN is skipped."""
    known = np.isfinite(table)
    values = np.where(known, table, np.float32(0))
    total, count = values.copy(), known.astype(np.float32)
    ones = count.copy()
    for step in range(1, reach + 1):
        for to, of in ((slice(step, None), slice(None, -step)), (slice(None, -step), slice(step, None))):
            total[:, to] += values[:, of]
            count[:, to] += ones[:, of]
    return _ratio(total, count)


def _mean(table: Floats32, axis: int = -1) -> Floats32:
    """Mean along an axis; NaN is skipped."""
    known = np.isfinite(table)
    return _ratio(np.where(known, table, np.float32(0)).sum(axis=axis), known.sum(axis=axis, dtype=np.float32))


def _weighted(cube: Floats32, weights: Floats32) -> Floats32:
    known = np.isfinite(cube)
    total = (np.where(known, cube, np.float32(0)) * weights).sum(axis=-1)
    return _ratio(total, (known * weights).sum(axis=-1))


def _spread(table: Floats32) -> Floats32:
    apart = table - _mean(table)[:, None]
    return np.sqrt(_mean(apart * apart))


def _ratio(total: Floats32, count: Floats32) -> Floats32:
    """NaN where nothing was counted."""
    return np.where(count > 0, total / np.maximum(count, np.float32(1e-30)), _NAN)


def ordered(table: Floats32, shares: Sequence[float]) -> list[Floats32]:
    """The values below which such shares of the last axis lie; NaN is skipped, and where all is."""
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
