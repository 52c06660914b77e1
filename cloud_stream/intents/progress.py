"""How a period stands: what was used, what is still to come, and whether the wish will be kept."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from cloud_stream.intents.ledger import Ledger, usual_day_kwh
from cloud_stream.intents.periods import Period
from cloud_stream.intents.tariffs import Tariff
from cloud_stream.records import Floats, Int64s
from cloud_stream.sites import Site

BACK_UNDER: Final = 0.98
"""A risk is over when the forecast is so far below the limit: one that hovers about it is told once."""
ENOUGH_KNOWN: Final = 0.5
"""Of the time that has passed; with less nothing is said."""


class State(StrEnum):
    """How a wish stands."""

    ON_TRACK = "on_track"
    AT_RISK = "at_risk"
    BROKEN = "broken"
    MET = "met"
    UNKNOWN = "unknown"

    @property
    def badness(self) -> int:
        """Higher is worse."""
        return {State.BROKEN: 2, State.AT_RISK: 1}.get(self, 0)


@dataclass(frozen=True, slots=True)
class Outlook:
    """A period as far as it is known, interval by interval.

    Attributes:
        period: The whole of it. as_of_ms: where the past ends.
        used_kwh: float64[P]: the past; NaN where readings are missing.
        ahead_kwh: float64[F]: the rest, forecast, and beyond the forecasts' horizon like the usual day; NaN is unknown.
        filled_kwh: float64[P]: the past, with the usual day where readings are missing.
        start_ms: int64[P + F].
        interval_ms: Of each.
        forecast_share: How much of the rest is forecast, 0 to 1.
    """

    period: Period
    as_of_ms: int
    used_kwh: Floats
    ahead_kwh: Floats
    filled_kwh: Floats
    start_ms: Int64s
    interval_ms: int
    forecast_share: float

    @property
    def is_over(self) -> bool:
        """Whether nothing is to come."""
        return self.as_of_ms >= self.period.end_ms

    @property
    def coverage(self) -> float:
        """Of how much of the past there are readings, 0 to 1."""
        return float(1 - np.isnan(self.used_kwh).mean()) if self.used_kwh.size else 1.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How a period stands, in kWh or in money.

    Attributes:
        actual: What was measured so far.
        expected: What it will be at the end; NaN is unknown.
    """

    actual: float
    expected: float


def outlook(ledger: Ledger, period: Period, as_of_ms: int, interval_ms: int) -> Outlook:
    """What is known of a period at `as_of_ms`, the end of its newest closed interval."""
    as_of_ms = min(as_of_ms, period.end_ms)
    used = ledger.used_kwh(period.start_ms, as_of_ms)
    ahead = ledger.ahead_kwh(as_of_ms, period.end_ms)
    start = ledger.starts(period.start_ms, period.end_ms)
    usual = usual_day_kwh(ledger, as_of_ms, interval_ms)[(start // interval_ms) % (86_400_000 // interval_ms)]
    share = float(1 - np.isnan(ahead).mean()) if ahead.size else 1.0
    n = used.size
    return Outlook(
        period,
        as_of_ms,
        used,
        np.where(np.isnan(ahead), usual[n:], ahead),
        np.where(np.isnan(used), usual[:n], used),
        start,
        interval_ms,
        share,
    )


def in_kwh(seen: Outlook) -> Progress:
    """Progress in energy."""
    return Progress(float(np.nansum(seen.used_kwh)), float(seen.filled_kwh.sum() + seen.ahead_kwh.sum()))


def in_money(seen: Outlook, tariff: Tariff, site: Site, *, with_standing: bool) -> Progress:
    """Progress in money.

    Args:
        seen: The period.
        tariff: Its prices.
        site: Whose clock and holidays count.
        with_standing: A site or the fleet pays the standing charge, a single meter does not.
    """
    n = seen.used_kwh.size
    energy_kwh = np.concatenate((seen.filled_kwh, seen.ahead_kwh))
    cost = tariff.cost(site, seen.start_ms, seen.interval_ms, energy_kwh)
    standing = cost.standing if with_standing else np.zeros_like(cost.standing)
    measured = np.where(np.isnan(seen.used_kwh), 0.0, cost.energy[:n])
    return Progress(float(measured.sum() + standing[:n].sum()), float((cost.energy + standing).sum()))


def judge(seen: Outlook, progress: Progress, limit: float, before: State) -> State:
    """How a wish stands whose period may hold at most `limit`.

    Args:
        seen: The period. progress: in the limit's unit.
        progress: See above.
        limit: NaN is unknown.
        before: How it stood the last time in this period.
    """
    if np.isnan(limit) or (seen.coverage < ENOUGH_KNOWN and not progress.actual > limit):
        return State.UNKNOWN
    if progress.actual > limit:
        return State.BROKEN
    if seen.is_over:
        # Readings that are missing may hide what breaks it: then nobody is told that it was kept.
        return State.UNKNOWN if progress.expected > limit else State.MET
    if np.isnan(progress.expected):
        return State.UNKNOWN
    threshold = limit * BACK_UNDER if before is State.AT_RISK else limit
    return State.AT_RISK if progress.expected > threshold else State.ON_TRACK
