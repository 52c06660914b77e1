"""What would help, and what it would save: computed from a subject's own data, the assumption in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

import numpy as np

from cloud_stream.intents.ports import Correlation
from cloud_stream.intents.progress import Outlook
from cloud_stream.records import Floats

BASE_SHARE: Final = 0.2
MOVED_SHARE: Final = 1 / 3
CLEAR_R2: Final = 0.2
"""Less explained is not worth a sentence."""
EMPTY_HOURS: Final = 8


@dataclass(frozen=True, slots=True)
class Money:
    """Prices, where there are any.

    Attributes:
        price: float64[intervals of a UTC day]: of a kWh, as the usual day has it; NaN without a tariff.
        currency: "" without a tariff.
    """

    price: Floats
    currency: str

    def of(self, kwh: float, weights: Floats | None = None) -> float:
        """What some energy costs, spread over the day like `weights`, or evenly; 0 without a tariff."""
        if not self.currency:
            return 0.0
        spread = np.ones_like(self.price) if weights is None or weights.sum() <= 0 else weights
        return float(kwh * (self.price * spread).sum() / spread.sum())

    def say(self, amount: float) -> str:
        """An amount for a person; "" without a tariff."""
        return f" and {amount:.2f} {self.currency}" if self.currency else ""


@dataclass(frozen=True, slots=True)
class Advice:
    """One recommendation.

    Attributes:
        kind: A short word: `allowance`, `base_load`, `heating`, `cooling`, `occupancy`, `move`, `switch_off`.
        saving_kwh_per_day: Less consumption. shifted_kwh_per_day: consumption at another time.
        saving_money_per_day: In `currency`.
        assumption: What the figures rest upon.
    """

    kind: str
    text: str
    assumption: str
    saving_kwh_per_day: float = 0.0
    saving_money_per_day: float = 0.0
    shifted_kwh_per_day: float = 0.0
    currency: str = ""


def allowance(seen: Outlook, expected_kwh: float, limit_kwh: float, money: Money) -> list[Advice]:
    """How much a day is left of a budget, or for the rest of the day."""
    left_days = (seen.period.end_ms - seen.as_of_ms) / 86_400_000
    if left_days <= 0 or not expected_kwh > limit_kwh:
        return []
    days, ahead_kwh = max(left_days, 1.0), float(seen.ahead_kwh.sum())
    # What is used already cannot be saved any more.
    less = min(expected_kwh - limit_kwh, ahead_kwh) / days
    left = ahead_kwh / days - less
    saved = money.of(less, day_shape(seen))
    when, each = ("a day from now on", " a day") if left_days > 1 else ("for the rest of the day", "")
    text = f"Use at most {left:.1f} kWh {when}: {less:.1f} kWh{money.say(saved)}{each} less than expected."
    assumption = f"{seen.forecast_share:.0%} of the rest is forecast"
    if seen.forecast_share < 1:
        assumption += ", the remainder is like the last seven days"
    return [Advice("allowance", text, assumption, less, saved, 0.0, money.currency)]


def base_load(usual_kwh: Floats, interval_ms: int, money: Money) -> list[Advice]:
    """What a fifth of what is always on would save."""
    if np.isnan(usual_kwh).any() or not usual_kwh.size:
        return []
    base_kwh = float(np.quantile(usual_kwh, 0.05))
    saved_kwh = BASE_SHARE * base_kwh * usual_kwh.size
    if saved_kwh <= 0 or base_kwh < 0.1 * float(usual_kwh.mean()):
        return []
    saved = money.of(saved_kwh)
    base_w = base_kwh * 3.6e9 / interval_ms
    text = (
        f"{base_w:.0f} W are used even in the quietest hour; a fifth less of that saves {saved_kwh:.1f} kWh"
        f"{money.say(saved)} a day."
    )
    return [Advice("base_load", text, "the 5 % quantile of the last seven days", saved_kwh, saved, 0.0, money.currency)]


def move(usual_kwh: Floats, is_peak: Floats, money: Money) -> list[Advice]:
    """What it saves to move a third of what is used in the peak to the cheapest hours.

    Args:
        usual_kwh: float64[intervals of a UTC day].
        is_peak: float64[intervals of a UTC day]: share of each that lies in the peak, on the next day.
        money: Prices of the same intervals.
    """
    if np.isnan(usual_kwh).any():
        return []
    in_peak = usual_kwh * is_peak
    moved = MOVED_SHARE * float(in_peak.sum())
    if moved <= 0:
        return []
    cheapest = float(money.price.min()) if money.currency else 0.0
    saved = money.of(moved, in_peak) - moved * cheapest if money.currency else 0.0
    text = f"{in_peak.sum():.1f} kWh a day fall into the peak; moving a third of it"
    gain = f" to the cheapest hours saves {saved:.2f} {money.currency} a day." if money.currency else " relieves it."
    assumption = "the mean of the last seven days; a third can be moved; as much is used afterwards"
    return [Advice("move", text + gain, assumption, 0.0, saved, moved, money.currency)]


def from_correlations(found: Sequence[Correlation], money: Money) -> list[Advice]:
    """What goes along with consumption: the weather, and people."""
    advice = []
    for one in found:
        if one.driver == "temperature" and one.r2 >= CLEAR_R2:
            heating = ("heating", "Heating", "colder", one.slope_kwh_per_unit, one.balance_c)
            cooling = ("cooling", "Cooling", "warmer", one.cooling_kwh_per_unit, one.cooling_balance_c)
            advice += [_degree(one, money, *season) for season in (heating, cooling) if season[3] > 0]
        if one.driver == "occupancy" and one.r2 >= CLEAR_R2 and one.base_kwh > 0:
            advice.append(_empty(one, money))
    return advice


def _degree(one: Correlation, money: Money, *season: Any) -> Advice:  # noqa: ANN401 (see the caller's two rows)
    kind, what, side, saved_kwh, balance_c = season
    saved = money.of(saved_kwh)
    when = f" while it is {side} than {balance_c:.0f} degrees outdoors" if isfinite(balance_c) else ""
    text = (
        f"{what} explains {one.r2:.0%} of how consumption varies; 1 degree less of it saves about {saved_kwh:.1f} kWh"
        f"{money.say(saved)} a day{when}."
    )
    assumption = f"consumption against outdoor temperature on {one.n} days; indoors matters like outdoors"
    return Advice(kind, text, assumption, saved_kwh, saved, 0.0, money.currency)


def _empty(one: Correlation, money: Money) -> Advice:
    saved_kwh = BASE_SHARE * one.base_kwh * EMPTY_HOURS
    saved = money.of(saved_kwh)
    text = (
        f"{one.base_kwh:.2f} kWh are used in every hour with nobody there; a fifth less saves {saved_kwh:.1f} kWh"
        f"{money.say(saved)} a day."
    )
    assumption = f"consumption against occupancy in {one.n} intervals; {EMPTY_HOURS} such hours a day"
    return Advice("occupancy", text, assumption, saved_kwh, saved, 0.0, money.currency)


def day_shape(seen: Outlook) -> Floats | None:
    """The rest of the period folded onto a day, as weights; None when nothing is known of it."""
    a_day = 86_400_000 // seen.interval_ms
    n = seen.used_kwh.size
    if not seen.ahead_kwh.size or np.isnan(seen.ahead_kwh).any():
        return None
    phase = (seen.start_ms[n:] // seen.interval_ms) % a_day
    return np.bincount(phase, seen.ahead_kwh, minlength=a_day).astype(np.float64)
