"""Daily consumption as a function of outdoor temperature: a floor, and a slope below or above a balance point.

The balance point is where heating (or cooling) begins: the change-point models of building energy analysis
(ASHRAE Guideline 14-2014, annex D; Kissock, Haberl and Claridge, "Inverse modeling toolkit", 2003).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cloud_stream.records import Floats

MIN_DAYS_BESIDE: Final = 5
"""A balance point needs so many days on its quiet side: a floor that is hardly seen is none."""
TINY: Final = 1e-9
"""Temperatures that differ by less - in sum of squares, in square degrees - are one temperature."""
CANDIDATES: Final = 61
PAIRED: Final = 31
"""Candidates for each of the two balance points of a home that is both heated and cooled."""


@dataclass(frozen=True, slots=True)
class Fit:
    """energy = base + heating * max(0, heated_below - T) + cooling * max(0, T - cooled_above).

    Attributes:
        base_kwh: A day's use where neither is needed; with a straight line, what it says for 0 degrees.
        heating_kwh: More use a day for each degree colder; 0 when cold does not matter.
        cooling_kwh: The same for each degree warmer.
        heated_below_c: The balance point of heating; None when cold does not matter, or when no such point was seen:
            then the line is straight over all days.
        cooled_above_c: The same of cooling.
        r2: Share of the variance of daily use that the fit explains.
    """

    base_kwh: float
    heating_kwh: float
    cooling_kwh: float
    heated_below_c: float | None
    cooled_above_c: float | None
    r2: float

    @property
    def balance_c(self) -> float | None:
        """Where heating begins, or where cooling does if there is no heating."""
        return self.cooled_above_c if self.heated_below_c is None else self.heated_below_c

    def at(self, temperature_c: Floats) -> Floats:
        """What the fit says for these temperatures."""
        if self.balance_c is None:
            return np.asarray(self.base_kwh + (self.cooling_kwh - self.heating_kwh) * temperature_c)
        told = np.full(len(temperature_c), self.base_kwh)
        if self.heated_below_c is not None:
            told += self.heating_kwh * np.maximum(0.0, self.heated_below_c - temperature_c)
        if self.cooled_above_c is not None:
            told += self.cooling_kwh * np.maximum(0.0, temperature_c - self.cooled_above_c)
        return told


def fit_degree_days(temperature_c: Floats, energy_kwh: Floats) -> Fit:
    """Fit daily use against temperature: straight, heating, cooling or both, with their balance points.

    The simplest form that fits is chosen, by the Bayesian information criterion.

    Args:
        temperature_c: float64[n], varying.
        energy_kwh: float64[n].
    """
    n = len(energy_kwh)
    if float(energy_kwh.std()) == 0.0:
        return Fit(float(energy_kwh.mean()), 0.0, 0.0, None, None, 0.0)
    forms = [(_straight(temperature_c, energy_kwh), 2)]
    if n >= 2 * MIN_DAYS_BESIDE:
        forms += [(fit, numbers) for fit, numbers in _with_balance(temperature_c, energy_kwh) if fit is not None]
    return min(forms, key=lambda form: n * np.log(max(1e-12, 1 - form[0].r2)) + form[1] * np.log(n))[0]


def _straight(t: Floats, y: Floats) -> Fit:
    centred = t - t.mean()
    square = float((centred**2).sum())
    slope = float((centred * y).sum()) / square if square > TINY else 0.0
    spread = float(((y - y.mean()) ** 2).sum())
    r2 = slope**2 * square / spread if spread > 0 else 0.0
    return Fit(float(y.mean() - slope * t.mean()), max(0.0, -slope), max(0.0, slope), None, None, r2)


def _with_balance(t: Floats, y: Floats) -> Iterator[tuple[Fit | None, int]]:
    """The best fit of each form that has balance points, with how many numbers it has."""
    ordered = np.sort(t)
    low, high = float(ordered[MIN_DAYS_BESIDE - 1]), float(ordered[-MIN_DAYS_BESIDE])
    single = np.linspace(low, high, CANDIDATES)
    below, above = (np.triu_indices(PAIRED)[side] for side in (0, 1))
    several = np.linspace(low, high, PAIRED)
    yield _best(t, y, single, None), 3
    yield _best(t, y, None, single), 3
    yield _best(t, y, several[below], several[above]), 5


def _best(t: Floats, y: Floats, heated_below_c: Floats | None, cooled_above_c: Floats | None) -> Fit | None:
    """The best of K candidates, float64[K] each, whose slopes all go up; None when none does."""
    heat = [] if heated_below_c is None else [np.maximum(0.0, heated_below_c[:, None] - t)]
    cool = [] if cooled_above_c is None else [np.maximum(0.0, t - cooled_above_c[:, None])]
    slopes, base, rest = _solve([*heat, *cool], y)
    good = np.isfinite(rest) & (slopes > 0).all(axis=0)
    if not good.any():
        return None
    k = int(np.argmin(np.where(good, rest, np.inf)))
    return Fit(
        float(base[k]),
        float(slopes[0, k]) if heat else 0.0,
        float(slopes[-1, k]) if cool else 0.0,
        None if heated_below_c is None else float(heated_below_c[k]),
        None if cooled_above_c is None else float(cooled_above_c[k]),
        1 - float(rest[k]) / float(((y - y.mean()) ** 2).sum()),
    )


def _solve(forms: Sequence[Floats], y: Floats) -> tuple[Floats, Floats, Floats]:
    """Least squares for every candidate at once, by the normal equations of one or two centred columns.

    Returns:
        Slopes float64[forms, K], bases float64[K], sums of squared rests float64[K].
    """
    centred = [form - form.mean(axis=1, keepdims=True) for form in forms]
    about = y - y.mean()
    with np.errstate(invalid="ignore", divide="ignore"):
        if len(forms) == 1:
            slopes = (centred[0] @ about / (centred[0] ** 2).sum(axis=1))[None]
        else:
            a, b = centred
            aa, bb, ab = (a * a).sum(axis=1), (b * b).sum(axis=1), (a * b).sum(axis=1)
            ay, by = a @ about, b @ about
            area = aa * bb - ab * ab
            slopes = np.stack([(ay * bb - by * ab) / area, (by * aa - ay * ab) / area])
        said = sum(slope[:, None] * column for slope, column in zip(slopes, centred, strict=True))
        rest = ((about - said) ** 2).sum(axis=1)
    base = y.mean() - sum(s * form.mean(axis=1) for s, form in zip(slopes, forms, strict=True))
    return slopes, np.asarray(base), rest
