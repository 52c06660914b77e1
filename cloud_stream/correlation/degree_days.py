"""Daily consumption as a function of outdoor temperature: a floor, and a slope below or above a balance point.

The balance point is where heating (or cooling) begins: the change-point models of building energy analysis
(ASHRAE Guideline 14-2014, annex D; Kissock, Haberl and Claridge, "Inverse modeling toolkit", 2003).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from cloud_stream.records import Floats

MIN_DAYS_BESIDE: Final = 5
"""A balance point needs so many days on its quiet side: a floor that is hardly seen is none."""
CANDIDATES: Final = 81
_PENALTY: Final = 1.0
"""Weight of the Bayesian information criterion, by which the simplest form that fits is chosen."""


@dataclass(frozen=True, slots=True)
class Fit:
    """energy = base + heating * max(0, balance - T) + cooling * max(0, T - balance).

    Attributes:
        base_kwh: A day's use at the balance point; without one, at 0 degrees.
        heating_kwh: More use a day for each degree colder; 0 when cold does not matter.
        cooling_kwh: The same for each degree warmer.
        balance_c: Where it begins; None when no such point was seen: then the line is straight over all days, and
            `base_kwh` is what it says for 0 degrees.
        r2: Share of the variance of daily use that the fit explains.
    """

    base_kwh: float
    heating_kwh: float
    cooling_kwh: float
    balance_c: float | None
    r2: float

    def at(self, temperature_c: Floats) -> Floats:
        """What the fit says for these temperatures."""
        if self.balance_c is None:
            return np.asarray(self.base_kwh + (self.cooling_kwh - self.heating_kwh) * temperature_c)
        below = np.maximum(0.0, self.balance_c - temperature_c)
        above = np.maximum(0.0, temperature_c - self.balance_c)
        return np.asarray(self.base_kwh + self.heating_kwh * below + self.cooling_kwh * above)


def fit_degree_days(temperature_c: Floats, energy_kwh: Floats) -> Fit:
    """Fit daily use against temperature, choosing the balance point and whether heating, cooling or both are there.

    Args:
        temperature_c: float64[n], varying.
        energy_kwh: float64[n].
    """
    spread = float(((energy_kwh - energy_kwh.mean()) ** 2).sum())
    straight = _straight(temperature_c, energy_kwh)
    n = len(energy_kwh)
    if spread <= 0:
        return Fit(float(energy_kwh.mean()), 0.0, 0.0, None, 0.0)
    best, best_score = straight, _score(straight.r2, n, 2)
    for fit, parameters in _with_balance(temperature_c, energy_kwh, spread):
        score = _score(fit.r2, n, parameters)
        if score < best_score:
            best, best_score = fit, score
    return best


def _score(r2: float, n: int, parameters: int) -> float:
    return n * float(np.log(max(1e-12, 1 - r2))) + _PENALTY * parameters * float(np.log(n))


def _straight(t: Floats, y: Floats) -> Fit:
    centred = t - t.mean()
    square = float((centred**2).sum())
    slope = float((centred * y).sum()) / square if square > 0 else 0.0
    spread = float(((y - y.mean()) ** 2).sum())
    r2 = slope**2 * square / spread if spread > 0 else 0.0
    return Fit(float(y.mean() - slope * t.mean()), max(0.0, -slope), max(0.0, slope), None, r2)


def _with_balance(t: Floats, y: Floats, spread: float) -> list[tuple[Fit, int]]:
    """The best fit of each form that has a balance point, with how many numbers it has."""
    ordered = np.sort(t)
    if len(t) < 2 * MIN_DAYS_BESIDE:
        return []
    low, high = ordered[MIN_DAYS_BESIDE - 1], ordered[-MIN_DAYS_BESIDE]
    balance = np.linspace(low, high, CANDIDATES)[:, None]
    below, above = np.maximum(0.0, balance - t), np.maximum(0.0, t - balance)
    found = []
    for forms in ((below,), (above,), (below, above)):
        slopes, base, rest = _solve(forms, y)
        good = np.isfinite(rest) & (slopes > 0).all(axis=0)
        if good.any():
            k = int(np.argmin(np.where(good, rest, np.inf)))
            first, second = float(slopes[0, k]), float(slopes[-1, k])
            heating = first if forms[0] is below else 0.0
            cooling = second if forms[-1] is above else 0.0
            fit = Fit(float(base[k]), heating, cooling, float(balance[k, 0]), 1 - float(rest[k]) / spread)
            found.append((fit, 2 + len(forms)))
    return found


def _solve(forms: tuple[Floats, ...], y: Floats) -> tuple[Floats, Floats, Floats]:
    """Least squares for every candidate at once, by the normal equations of one or two centred columns.

    Returns:
        Slopes float64[forms, K], bases float64[K], sums of squared rests float64[K].
    """
    centred = [form - form.mean(axis=1, keepdims=True) for form in forms]
    about = y - y.mean()
    with np.errstate(invalid="ignore", divide="ignore"):
        if len(forms) == 1:
            slopes = ((centred[0] * about).sum(axis=1) / (centred[0] ** 2).sum(axis=1))[None]
        else:
            a, b = centred
            aa, bb, ab = (a * a).sum(axis=1), (b * b).sum(axis=1), (a * b).sum(axis=1)
            ay, by = (a * about).sum(axis=1), (b * about).sum(axis=1)
            area = aa * bb - ab * ab
            slopes = np.stack([(ay * bb - by * ab) / area, (by * aa - ay * ab) / area])
    said = sum(slope[:, None] * column for slope, column in zip(slopes, centred, strict=True))
    rest = ((about - said) ** 2).sum(axis=1)
    base = y.mean() - sum(s * form.mean(axis=1) for s, form in zip(slopes, forms, strict=True))
    return slopes, np.asarray(base), rest
