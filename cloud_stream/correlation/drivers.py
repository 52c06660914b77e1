"""What one series' consumption goes along with: temperature by the day, people and the hour by the interval.

Pure functions over numpy arrays. A finding without enough days says so and gives no numbers.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from cloud_stream.correlation.degree_days import Fit, fit_degree_days
from cloud_stream.correlation.history import HOUR_MS, History, day_means, day_sums
from cloud_stream.records import Floats, Int64s

TEMPERATURE: Final = "temperature"
OCCUPANCY: Final = "occupancy"
HOUR: Final = "hour"
MIN_DAYS: Final = 14
MIN_SPREAD_C: Final = 1.0
"""Standard deviation of the days' temperatures below which nothing can be said of it."""
CONFOUNDED: Final = 0.1
"""A share explained by something else, or a change of r when it is held fixed, that is worth a sentence."""
_STRONG_TREND: Final = 0.8
_CLEAR_R2: Final = 0.2
"""A fit with a share like this is one, also when r is small because cold and warm both cost."""
_MIN_PER_HOUR: Final = 5
_DAYS: Final = 7


@dataclass(frozen=True, slots=True)
class Finding:
    """How one driver and consumption go together; numbers are None where they cannot be said.

    Attributes:
        driver: `temperature`, `occupancy` or `hour`.
        note: In words: how strong, what else may be behind it, or why there are no numbers.
        n: Days (`temperature`) or intervals that were looked at.
        r: Pearson's correlation; for `hour`, the square root of `r2`.
        rank_r: Spearman's.
        r2: Share of the variance explained: by the degree-day fit, by a straight line, by the means of the hours.
        slope_kwh_per_unit: `temperature`: kWh a day for each degree below `balance_c` (below any, without one).
            `occupancy`: kWh an hour for each person more.
        cooling_kwh_per_unit: `temperature`: kWh a day for each degree above `cooling_balance_c`.
        base_kwh: `temperature`: a day's use at the balance point. `occupancy`: an hour's with nobody there.
            `hour`: an hour's use at the quietest time of the day.
        balance_c: Outdoor temperature below which heating begins, or above which cooling does where nobody heats.
        cooling_balance_c: Outdoor temperature above which cooling begins.
        peak_hour: `hour`: the local hour of the highest mean use. peak_kwh: that use in an hour.
    """

    driver: str
    note: str
    n: int = 0
    r: float | None = None
    rank_r: float | None = None
    r2: float | None = None
    slope_kwh_per_unit: float | None = None
    cooling_kwh_per_unit: float | None = None
    base_kwh: float | None = None
    balance_c: float | None = None
    cooling_balance_c: float | None = None
    peak_hour: int | None = None
    peak_kwh: float | None = None


def findings(history: History) -> list[Finding]:
    """One finding a driver: temperature, people, the hour."""
    return [temperature_finding(history)[0], occupancy_finding(history), hour_finding(history)]


def temperature_finding(history: History) -> tuple[Finding, Fit | None]:
    """Daily use against the day's mean outdoor temperature, and the fit for a picture."""
    energy, warmth = day_sums(history.span, history.energy_kwh), history.temperature_c
    both = np.isfinite(energy) & np.isfinite(warmth)
    n = int(both.sum())
    if not history.temperature_source:
        return Finding(TEMPERATURE, "No outdoor temperature is known."), None
    if n < MIN_DAYS:
        return Finding(TEMPERATURE, _too_few(n), n), None
    t, y = warmth[both], energy[both]
    if t.std() < MIN_SPREAD_C:
        return Finding(TEMPERATURE, f"The {n} days were all about as warm: nothing can be said.", n), None
    if _is_flat(y):
        return Finding(TEMPERATURE, f"Consumption was the same on all {n} days.", n), None
    fit, r = fit_degree_days(t, y), pearson(t, y)
    is_clear = abs(r) >= _chance(n) or fit.r2 >= _CLEAR_R2
    source = f"Temperature: {history.temperature_source}."
    found = Finding(TEMPERATURE, _joined([_strength(r, n), source]), n, r, spearman(t, y), fit.r2)
    if not is_clear:
        return found, None
    notes = [
        _strength(r, n),
        _fit_words(fit),
        _weekday_note(t, y, history.span.weekday[both], r),
        _season_note(t, np.flatnonzero(both)),
        _people_note(history, both, t),
        source,
    ]
    found = replace(
        found,
        note=_joined(notes),
        slope_kwh_per_unit=fit.heating_kwh,
        cooling_kwh_per_unit=fit.cooling_kwh,
        base_kwh=None if fit.balance_c is None else fit.base_kwh,
        balance_c=fit.balance_c,
        cooling_balance_c=fit.cooled_above_c,
    )
    return found, fit


def occupancy_finding(history: History) -> Finding:
    """Use of an interval against the people present, and what of it is only the hour."""
    good = np.isfinite(history.energy_kwh) & np.isfinite(history.occupancy)
    n = int(good.sum())
    if not np.isfinite(history.occupancy).any():
        return Finding(OCCUPANCY, "Nobody counts the people present.")
    days = len(np.unique(history.span.day[good]))
    if days < MIN_DAYS:
        return Finding(OCCUPANCY, _too_few(days), n)
    x, y = history.occupancy[good], history.energy_kwh[good]
    if _is_flat(x) or _is_flat(y):
        return Finding(OCCUPANCY, "The people present, or the consumption, never changed.", n)
    r = pearson(x, y)
    hourly = HOUR_MS / history.span.interval_ms
    slope = r * float(y.std() / x.std()) * hourly
    base = float(y.mean()) * hourly - slope * float(x.mean())
    within = within_groups(x, y, history.span.hour[good])
    notes = [_strength(r, days), f"{slope:+.3g} kWh an hour for each person more."]
    if abs(within - r) > CONFOUNDED:
        notes.append(f"Part of it is the time of day: at the same hour r is {within:+.2f}.")
    return Finding(OCCUPANCY, _joined(notes), n, r, spearman(x, y), r**2, slope, None, base)


def hour_finding(history: History) -> Finding:
    """How far the hour of the day alone tells the use of an interval."""
    good = np.isfinite(history.energy_kwh)
    hour, y = history.span.hour[good], history.energy_kwh[good]
    days = len(np.unique(history.span.day[good]))
    if days < MIN_DAYS:
        return Finding(HOUR, _too_few(days), len(y))
    if _is_flat(y):
        return Finding(HOUR, "Consumption was the same at all times.", len(y))
    profile = hour_profile(history)
    r2 = share_of_groups(hour, y)
    peak, low = int(np.nanargmax(profile)), int(np.nanargmin(profile))
    weekend = np.isin(history.span.weekday[history.span.day[good]], (5, 6))
    most = f"Most is used from {peak:02d}:00 ({profile[peak]:.3g} kWh an hour)"
    notes = [
        f"The hour tells {r2:.0%} of the differences between intervals.",
        f"{most}, least from {low:02d}:00 ({profile[low]:.3g}).",
        _weekend_profile_note(hour, y, weekend),
    ]
    return Finding(
        HOUR, _joined(notes), len(y), float(np.sqrt(r2)), r2=r2, base_kwh=float(profile[low]),
        peak_hour=peak, peak_kwh=float(profile[peak]),
    )  # fmt: skip


def hour_profile(history: History) -> Floats:
    """float64[24]: mean use of an hour by local hour; NaN where too little is known."""
    good = np.isfinite(history.energy_kwh)
    known = np.bincount(history.span.hour[good], minlength=24)
    total = np.bincount(history.span.hour[good], history.energy_kwh[good], minlength=24)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known >= _MIN_PER_HOUR, total / known * (HOUR_MS / history.span.interval_ms), np.nan)


# -- statistics


def pearson(x: Floats, y: Floats) -> float:
    """Pearson's correlation of two series that both vary."""
    return float(np.clip(((x - x.mean()) * (y - y.mean())).mean() / (x.std() * y.std()), -1.0, 1.0))


def spearman(x: Floats, y: Floats) -> float:
    """Spearman's correlation: Pearson's of the ranks, equal values sharing theirs."""
    return pearson(_ranks(x), _ranks(y))


def within_groups(x: Floats, y: Floats, group: Int64s) -> float:
    """Pearson's correlation of what is left when each group's means are taken away; 0 when nothing is left."""
    x_rest, y_rest = x - _group_means(x, group), y - _group_means(y, group)
    return 0.0 if _is_flat(x_rest, x) or _is_flat(y_rest, y) else pearson(x_rest, y_rest)


def share_of_groups(group: Int64s, y: Floats) -> float:
    """Share of the variance that the groups' means explain (epsilon squared: corrected for how many they are)."""
    n, groups = len(y), len(np.unique(group))
    between = float(((_group_means(y, group) - y.mean()) ** 2).sum())
    total = float(((y - y.mean()) ** 2).sum())
    if n <= groups or total <= 0:
        return 0.0
    return max(0.0, 1 - (total - between) / (n - groups) / (total / (n - 1)))


def _group_means(values: Floats, group: Int64s) -> Floats:
    known = np.bincount(group)
    return np.asarray((np.bincount(group, values) / np.maximum(known, 1))[group])


def _ranks(values: Floats) -> Floats:
    _, where, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return np.asarray((last - (count - 1) / 2)[where], np.float64)


def _is_flat(values: Floats, of: Floats | None = None) -> bool:
    scale = np.abs(values if of is None else of).max()
    return bool(values.std() <= 1e-9 * max(scale, 1e-12))


# -- words


def _too_few(days: int) -> str:
    return f"Only {days} days are known: {MIN_DAYS} are needed."


def _chance(days: int) -> float:
    """What |r| of unrelated days may well be: two standard errors."""
    return float(2 / np.sqrt(days))


def _strength(r: float, days: int) -> str:
    if abs(r) < _chance(days):
        return f"No clear connection (r {r:+.2f} over {days} days may be chance)."
    word = "Strong" if abs(r) >= 0.7 else "Moderate" if abs(r) >= 0.4 else "Weak"  # noqa: PLR2004 (customary words)
    return f"{word} connection (r {r:+.2f} over {days} days)."


def _fit_words(fit: Fit) -> str:
    parts = []
    for slope_kwh, balance_c, side, way in (
        (fit.heating_kwh, fit.heated_below_c, "below", "colder"),
        (fit.cooling_kwh, fit.cooled_above_c, "above", "warmer"),
    ):
        if slope_kwh:
            where = way if balance_c is None else f"{side} {balance_c:.0f} °C"
            parts.append(f"{slope_kwh:.3g} kWh a day more for each degree {where}")
    text = "; ".join(parts)
    if text and fit.balance_c is None:
        text += " (the days have shown no temperature at which it begins)"
    return f"{text}." if text else ""


def _weekday_note(t: Floats, y: Floats, weekday: Int64s, r: float) -> str:
    share, within = share_of_groups(weekday, y), within_groups(t, y, weekday)
    if share < CONFOUNDED and abs(within - r) < CONFOUNDED:
        return ""
    return f"The day of the week tells {share:.0%} of daily use; on the same weekday r is {within:+.2f}."


def _season_note(t: Floats, day: npt.NDArray[np.intp]) -> str:
    trend = pearson(t, day.astype(np.float64))
    if abs(trend) < _STRONG_TREND:
        return ""
    way = "warmer" if trend > 0 else "colder"
    return f"It grew steadily {way}: whatever else changes with the season, such as light, looks like temperature."


def _people_note(history: History, both: npt.NDArray[np.bool_], t: Floats) -> str:
    people = day_means(history.span, history.occupancy)[both]
    known = np.isfinite(people)
    if known.sum() < MIN_DAYS or _is_flat(people[known]):
        return ""
    r = pearson(people[known], t[known])
    return f"The people present go with temperature too (r {r:+.2f})." if abs(r) > 0.5 else ""  # noqa: PLR2004 (a quarter of the variance)


def _weekend_profile_note(hour: Int64s, y: Floats, weekend: npt.NDArray[np.bool_]) -> str:
    if weekend.all() or not weekend.any():
        return ""
    gain = share_of_groups(hour + 24 * weekend, y) - share_of_groups(hour, y)
    if gain < CONFOUNDED / 2:
        return ""
    return f"Weekends have another course of the day, which tells {gain:.0%} more."


def _joined(notes: list[str]) -> str:
    return " ".join(note for note in notes if note)
