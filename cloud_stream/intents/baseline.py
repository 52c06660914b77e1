"""What a site would use as usual, for the weather: the measure of a reduction.

A line through daily consumption against heating and cooling degrees, as ASHRAE Guideline 14 and the IPMVP describe it
for whole buildings, with fixed base temperatures; working days and weekends have a level each.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from cloud_stream.intents.periods import Period, days_of, local_date
from cloud_stream.intents.ports import Past
from cloud_stream.records import Floats

HEATING_BELOW_C: Final = 15.5
COOLING_ABOVE_C: Final = 22.0
FEWEST_DAYS: Final = 5
FEWEST_DAYS_FOR_WEATHER: Final = 14
WEATHER_KNOWN: Final = 0.8
"""On so many of the days, or the weather is left out."""
_WHOLE_DAY: Final = 0.9
_SATURDAY: Final = 5


class Days(NamedTuple):
    """Local days.

    Attributes:
        ordinal: int64[D]: of the date, ascending. kwh: float64[D]; NaN where readings are missing.
        temperature_c: float64[D]: the mean outdoors; NaN is unknown.
    """

    ordinal: npt.NDArray[np.int64]
    kwh: Floats
    temperature_c: Floats


class Baseline(NamedTuple):
    """What a period's days would be as usual.

    Attributes:
        kwh: Of each local day of the period.
        method: How it was found, for a person.
        days: From how many days.
    """

    kwh: tuple[float, ...]
    method: str
    days: int


class Line(NamedTuple):
    """Daily kWh = level of the kind of day + degrees times slopes.

    Attributes:
        level_kwh: Of working days, and of weekends. heating_kwh: for each degree below the base. cooling_kwh: above.
        r2: Share of the variance that it explains.
    """

    level_kwh: tuple[float, float]
    heating_kwh: float
    cooling_kwh: float
    r2: float

    def at(self, ordinal: npt.NDArray[np.int64], temperature_c: Floats) -> Floats:
        """float64[D]: what the line says of days; unknown temperatures count as no degrees."""
        heating, cooling = degrees(temperature_c)
        level = np.where(is_weekend(ordinal), self.level_kwh[1], self.level_kwh[0])
        return level + self.heating_kwh * heating + self.cooling_kwh * cooling


def is_weekend(ordinal: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Whether dates are Saturdays or Sundays."""
    weekend: npt.NDArray[np.bool_] = (ordinal + 6) % 7 >= _SATURDAY
    return weekend


def degrees(temperature_c: Floats) -> tuple[Floats, Floats]:
    """Heating and cooling degrees of days; 0 where the temperature is unknown."""
    known = np.nan_to_num(temperature_c, nan=(HEATING_BELOW_C + COOLING_ABOVE_C) / 2)
    return np.maximum(HEATING_BELOW_C - known, 0.0), np.maximum(known - COOLING_ABOVE_C, 0.0)


def by_day(past: Past, zone: str, period: Period, interval_ms: int) -> Days:
    """Add up intervals into the local days of a period.

    A day of which more than a tenth is missing is NaN; one of which less is missing is scaled up. The temperature of
    a part of a day is none of the day: nights are cold.
    """
    days = list(days_of(zone, period))
    borders = np.array([day.start_ms for day in days] + [days[-1].end_ms], np.int64) if days else np.zeros(1, np.int64)
    place = np.searchsorted(borders, past.start_ms, side="right") - 1
    inside = (place >= 0) & (place < len(days))
    place = place[inside]
    count = np.bincount(place, minlength=len(days))
    share = count * interval_ms / np.maximum(np.diff(borders), 1)
    kwh = np.bincount(place, past.energy_kwh[inside], minlength=len(days))
    warm = past.temperature_c[inside]
    known = ~np.isnan(warm)
    readings = np.bincount(place[known], minlength=len(days))
    heat = np.bincount(place[known], warm[known], minlength=len(days))
    ordinal = np.array([local_date(zone, day.start_ms).toordinal() for day in days], np.int64)
    whole = share >= _WHOLE_DAY
    return Days(
        ordinal,
        np.where(whole, kwh / np.where(whole, np.minimum(share, 1.0), 1.0), np.nan),
        np.where(readings * interval_ms >= _WHOLE_DAY * np.diff(borders), heat / np.maximum(readings, 1), np.nan),
    )


def fit(days: Days) -> Line | None:
    """The line through days with both consumption and temperature; None when there are too few.

    A slope that weather cannot have (less consumption in more cold) is left out.
    """
    good = ~np.isnan(days.kwh) & ~np.isnan(days.temperature_c)
    if good.sum() < FEWEST_DAYS_FOR_WEATHER or good.sum() < WEATHER_KNOWN * (~np.isnan(days.kwh)).sum():
        return None
    kwh, weekend = days.kwh[good], is_weekend(days.ordinal[good])
    columns = {"heating": degrees(days.temperature_c[good])[0], "cooling": degrees(days.temperature_c[good])[1]}
    columns = {name: column for name, column in columns.items() if np.ptp(column) > 0}
    while True:
        slopes, levels = _least_squares(kwh, weekend, columns)
        wrong = [name for name, slope in slopes.items() if slope < 0]
        if not wrong:
            break
        del columns[wrong[0]]
    line = Line(levels, slopes.get("heating", 0.0), slopes.get("cooling", 0.0), 0.0)
    spread = float(((kwh - kwh.mean()) ** 2).sum())
    missed = float(((kwh - line.at(days.ordinal[good], days.temperature_c[good])) ** 2).sum())
    return line._replace(r2=1 - missed / spread if spread > 0 else 0.0)


def _least_squares(
    kwh: Floats, weekend: npt.NDArray[np.bool_], columns: dict[str, Floats]
) -> tuple[dict[str, float], tuple[float, float]]:
    both = weekend.any() and not weekend.all()
    levels = [~weekend, weekend] if both else [np.ones_like(weekend)]
    matrix = np.column_stack([*(level.astype(np.float64) for level in levels), *columns.values()])
    found = np.linalg.lstsq(matrix, kwh, rcond=None)[0].tolist()
    first, second = (found[0], found[1]) if both else (found[0], found[0])
    return dict(zip(columns, found[len(levels) :], strict=True)), (first, second)


def with_warmth(days: Days, lately_c: float) -> Days:
    """Days that are not over or have no temperature with the one of lately, so that a line can be asked."""
    return days._replace(temperature_c=np.where(np.isnan(days.temperature_c), lately_c, days.temperature_c))


def lately_c(days: Days) -> float:
    """The mean temperature of the last week that has any; NaN is unknown."""
    known = days.temperature_c[~np.isnan(days.temperature_c)]
    return float(known[-7:].mean()) if known.size else float("nan")


def from_last_weeks(reference: Days, wanted: Days, weeks: int) -> Baseline | None:
    """The wanted days as the reference days were, for their weather.

    Args:
        reference: The weeks before.
        wanted: The period, with a temperature for every day, see `with_warmth`; its `kwh` is not looked at.
        weeks: How many `reference` has, for the record.

    Returns:
        None when too few days are known.
    """
    known = ~np.isnan(reference.kwh)
    if known.sum() < FEWEST_DAYS:
        return None
    line = fit(reference)
    if line is not None:
        expected = line.at(wanted.ordinal, wanted.temperature_c)
        method = f"degree days of the {weeks} weeks before, from {known.sum()} days, R2 {line.r2:.2f}"
        return Baseline(tuple(np.maximum(expected, 0.0).tolist()), method, int(known.sum()))
    weekend, kwh = is_weekend(reference.ordinal[known]), reference.kwh[known]
    work = float(kwh[~weekend].mean()) if (~weekend).any() else float(kwh.mean())
    rest = float(kwh[weekend].mean()) if weekend.any() else float(kwh.mean())
    expected = np.where(is_weekend(wanted.ordinal), rest, work)
    method = f"mean of {known.sum()} days of the {weeks} weeks before, working days and weekends; temperature unknown"
    return Baseline(tuple(expected.tolist()), method, int(known.sum()))


def from_last_year(reference: Days, wanted: Days) -> Baseline | None:
    """The wanted days as the same weekdays 52 weeks before, corrected by the difference of their weather.

    Args:
        reference: Last year's days, some weeks around them included.
        wanted: The period.
    """
    place = {ordinal: row for row, ordinal in enumerate(reference.ordinal.tolist())}
    rows = np.array([place.get(ordinal - 364, -1) for ordinal in wanted.ordinal.tolist()])
    then = np.where(rows >= 0, reference.kwh[rows], np.nan)
    known = ~np.isnan(then)
    if known.sum() < max(1, (len(rows) + 1) // 2):
        return None
    line = fit(reference)
    if line is None:
        method = f"same weekdays last year, {known.sum()} of {len(rows)} days; temperature unknown"
        return Baseline(tuple(np.where(known, then, then[known].mean()).tolist()), method, int(known.sum()))
    now = line.at(wanted.ordinal, wanted.temperature_c)
    difference = now - line.at(wanted.ordinal, reference.temperature_c[rows])
    comparable = ~np.isnan(wanted.temperature_c) & ~np.isnan(reference.temperature_c[rows])
    expected = np.where(known, then + np.where(comparable, difference, 0.0), now)
    method = f"same weekdays last year for this year's weather, {known.sum()} of {len(rows)} days, R2 {line.r2:.2f}"
    return Baseline(tuple(np.maximum(expected, 0.0).tolist()), method, int(known.sum()))


def year_before(period: Period) -> Period:
    """The same weekdays 52 weeks before, and four weeks on both sides, ms UTC."""
    year_ms, margin_ms = 364 * 86_400_000, 28 * 86_400_000
    return Period(period.start_ms - year_ms - margin_ms, period.end_ms - year_ms + margin_ms)
