"""Budgets, reductions and the use of dear hours: judged when a utility interval has closed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite, nan
from typing import Final, NamedTuple

import numpy as np

from cloud_stream.intents.advice import Advice, Money, allowance, base_load, day_shape, from_correlations, move
from cloud_stream.intents.baseline import (
    Baseline,
    Days,
    by_day,
    from_last_weeks,
    from_last_year,
    lately_c,
    with_warmth,
    year_before,
)
from cloud_stream.intents.ledger import DAY_MS, Ledger, usual_day_kwh
from cloud_stream.intents.periods import Per, Period, local_date, period_at
from cloud_stream.intents.ports import Correlations, History
from cloud_stream.intents.progress import ENOUGH_KNOWN, Outlook, Progress, State, in_kwh, in_money, judge, outlook
from cloud_stream.intents.settings import IntentSettings
from cloud_stream.intents.tariffs import Tariff, hours_table, in_hours
from cloud_stream.intents.tracks import Case, Verdict
from cloud_stream.intents.wishes import Book, Budget, PowerLimit, Reduction, Shift
from cloud_stream.records import Floats, Int64s
from cloud_stream.sites import Site

WEEK_MS: Final = 7 * DAY_MS
Fields = dict[str, float | int | str | bool]


class Account(NamedTuple):
    """What came of looking at one case: how it stands and what would help."""

    verdict: Verdict
    advice: Sequence[Advice]


@dataclass(frozen=True, slots=True)
class Desk:
    """What accounts are made with.

    Attributes:
        book: The intents in force.
        settings: Lengths of intervals.
        correlations: See the port.
        history: See the port; None where there is no store to ask.
    """

    book: Book
    settings: IntentSettings
    correlations: Correlations
    history: History | None = None


class _Measure(NamedTuple):
    progress: Progress
    limit: float
    unit: str


@dataclass(frozen=True, slots=True)
class _Look:
    """One look at one case."""

    desk: Desk
    case: Case
    site: Site
    ledger: Ledger
    seen: Outlook


def account(desk: Desk, case: Case, site: Site, ledger: Ledger, as_of_ms: int) -> Account | None:
    """Look at a budget, a reduction, or a shift without loads; None for other kinds.

    Args:
        desk: Book, settings and ports.
        case: Wish, subject, and what is remembered of both; a new baseline is noted in it.
        site: The subject's, or the defaults for the fleet.
        ledger: What is known of the subject.
        as_of_ms: The end of the newest closed utility interval.

    Raises:
        StoreUnavailableError: The past cannot be had now.
    """
    wish = case.wish
    if isinstance(wish, PowerLimit) or (isinstance(wish, Shift) and wish.load):
        return None
    per = Per.DAY if isinstance(wish, Shift) else wish.per
    seen = outlook(ledger, period_at(site.time_zone, per, as_of_ms - 1), as_of_ms, desk.settings.utility_ms)
    look = _Look(desk, case, site, ledger, seen)
    match wish:
        case Budget():
            return _budget(look, wish)
        case Reduction():
            return _reduction(look, wish)
        case Shift():
            return _dear_hours(look, wish)


def _budget(look: _Look, wish: Budget) -> Account:
    seen, site = look.seen, look.site
    tariff, energy = look.desk.book.tariff_of(site), in_kwh(seen)
    paid = _paid(look, tariff)
    if wish.limit_kwh is not None:
        verdict = _verdict(look, _Measure(energy, wish.limit_kwh, "kWh"), wish.per, _money_fields(paid, tariff))
        return Account(verdict, _helpful(look, wish.limit_kwh))
    limit = wish.limit_money or nan
    extra: Fields = {"actual_kwh": energy.actual, "expected_kwh": energy.expected, "currency": site.currency}
    if paid is None:
        return Account(_verdict(look, _Measure(Progress(nan, nan), nan, site.currency), wish.per, extra), ())
    verdict = _verdict(look, _Measure(paid, limit, site.currency), wish.per, extra)
    a_kwh = _money(look).of(1.0, day_shape(seen))
    return Account(verdict, _helpful(look, energy.expected - (paid.expected - limit) / a_kwh if a_kwh > 0 else inf))


def _reduction(look: _Look, wish: Reduction) -> Account:
    desk, site, track, seen = look.desk, look.site, look.case.track, look.seen
    day = local_date(site.time_zone, seen.as_of_ms - 1).isoformat()
    if track.baseline_day != day or seen.is_over:
        track.baseline = _baseline(desk, look.case, wish, site.time_zone, seen)
        track.baseline_day = day
    baseline = track.baseline
    usual = float(sum(baseline.kwh)) if baseline else nan
    limit = usual * (1 - wish.percent / 100)
    tariff = desk.book.tariff_of(site)
    method = baseline.method if baseline else "too few days are known"
    extra: Fields = {"baseline_kwh": usual, "method": method, **_money_fields(_paid(look, tariff), tariff)}
    verdict = _verdict(look, _Measure(in_kwh(seen), limit, "kWh"), wish.per, extra)
    return Account(verdict, _helpful(look, limit) if baseline else ())


def _baseline(desk: Desk, case: Case, wish: Reduction, zone: str, seen: Outlook) -> Baseline | None:
    period, as_of_ms, history = seen.period, seen.as_of_ms, desk.history
    if history is None:
        return None

    def days(span: Period, until_ms: int) -> Days:
        return by_day(history.past(*case.subject, span.start_ms, until_ms), zone, span, seen.interval_ms)

    before = Period(period.start_ms - wish.weeks * WEEK_MS, period.start_ms)
    known = days(Period(before.start_ms, period.end_ms), as_of_ms)
    wanted = with_warmth(_cut(known, zone, period), lately_c(known))
    if wish.against == "last_year":
        around = year_before(period)
        return from_last_year(days(around, around.end_ms), wanted)
    return from_last_weeks(_cut(known, zone, before), wanted, wish.weeks)


def _cut(days: Days, zone: str, span: Period) -> Days:
    first, last = (local_date(zone, at_ms).toordinal() for at_ms in (span.start_ms, span.end_ms - 1))
    inside = (days.ordinal >= first) & (days.ordinal <= last)
    return Days(days.ordinal[inside], days.kwh[inside], days.temperature_c[inside])


def _dear_hours(look: _Look, wish: Shift) -> Account:
    book, interval_ms, seen, site = look.desk.book, look.desk.settings.utility_ms, look.seen, look.site
    share = peak_share(book, wish, site, seen.start_ms, interval_ms)
    n = seen.used_kwh.size
    used = float(np.nansum(seen.used_kwh * share[:n]))
    expected = float(used + (seen.ahead_kwh * share[n:]).sum())
    # Judged against the days before, so that today is not compared with itself.
    usual = usual_day_kwh(look.ledger, seen.period.start_ms, interval_ms)
    in_peak = _by_phase(seen.period.start_ms, interval_ms, lambda day: peak_share(book, wish, site, day, interval_ms))
    limit = float((usual * in_peak).sum())
    measure = _Measure(Progress(used, expected), limit, "kWh")
    verdict = _verdict(look, measure, Per.DAY, {"what": " in the peak", "in_peak_kwh": used})
    # A day like the others is above their mean every other time: that is nothing to be told of.
    state = State.MET if seen.is_over else State.ON_TRACK
    if not isfinite(limit) or seen.coverage < ENOUGH_KNOWN:
        state = State.UNKNOWN
    return Account(replace(verdict, state=state), move(usual, in_peak, _money(look)))


def peak_share(book: Book, wish: Shift, site: Site, start_ms: Int64s, interval_ms: int) -> Floats:
    """float64[N]: which share of intervals is to be left: the wish's own hours, or the tariff's."""
    if not wish.peak:
        tariff = book.tariff_of(site)
        return tariff.peak_share(site, start_ms, interval_ms) if tariff else np.zeros(len(start_ms))
    minutes = max(1, interval_ms // 60_000)
    every = (start_ms[:, None] + np.arange(minutes) * 60_000).ravel()
    share: Floats = in_hours(hours_table(wish.peak, "peak"), site, every).reshape(-1, minutes).mean(axis=1)
    return share


def _helpful(look: _Look, limit_kwh: float) -> list[Advice]:
    desk, subject, seen = look.desk, look.case.subject, look.seen
    money = _money(look)
    found = allowance(seen, in_kwh(seen).expected, limit_kwh, money)
    usual = usual_day_kwh(look.ledger, seen.as_of_ms, seen.interval_ms)
    found += base_load(usual, seen.interval_ms, money)
    if subject.level == "site":
        found += from_correlations(desk.correlations(subject.site), money)
    return found


def _paid(look: _Look, tariff: Tariff | None) -> Progress | None:
    if tariff is None:
        return None
    return in_money(look.seen, tariff, look.site, with_standing=not look.case.subject.meter)


def _money(look: _Look) -> Money:
    """Prices of the coming day, in the order of `usual_day_kwh`."""
    interval_ms, tariff = look.seen.interval_ms, look.desk.book.tariff_of(look.site)
    if tariff is None:
        return Money(np.full(DAY_MS // interval_ms, nan), "")
    price = _by_phase(look.seen.as_of_ms, interval_ms, lambda day: tariff.price(look.site, day, interval_ms))
    return Money(price, tariff.currency)


def _by_phase(from_ms: int, interval_ms: int, values_of: Callable[[Int64s], Floats]) -> Floats:
    """float64[intervals of a UTC day]: what holds in the day from an instant on, in the order from 00:00 UTC."""
    number = from_ms // interval_ms + np.arange(DAY_MS // interval_ms)
    values = np.empty(number.size)
    values[number % number.size] = values_of(number * interval_ms)
    return values


def _money_fields(paid: Progress | None, tariff: Tariff | None) -> Fields:
    if paid is None or tariff is None:
        return {}
    return {"actual_money": paid.actual, "expected_money": paid.expected, "currency": tariff.currency}


def _verdict(look: _Look, measure: _Measure, per: Per, extra: Fields) -> Verdict:
    seen, track, (progress, limit, unit) = look.seen, look.case.track, measure
    before = track.state if track.period_ms == seen.period.start_ms else State.UNKNOWN
    fields: Fields = {
        "actual": progress.actual,
        "expected": progress.expected,
        "limit": limit,
        "unit": unit,
        "per": per.value,
        "period_start_ms": seen.period.start_ms,
        "period_end_ms": seen.period.end_ms,
        "as_of_ms": seen.as_of_ms,
        "coverage": seen.coverage,
        "forecast_share": seen.forecast_share,
        **extra,
    }
    return Verdict(
        state=judge(seen, progress, limit, before),
        t_ms=seen.as_of_ms - seen.interval_ms,
        period_ms=seen.period.start_ms,
        text=_sentence(seen, measure, per, str(extra.get("what", ""))),
        value=progress.actual if seen.is_over else progress.expected,
        limit=limit,
        quantity="energy_kwh" if unit == "kWh" else "",
        fields=fields,
        tells_when_met=per is not Per.DAY,
    )


def _sentence(seen: Outlook, measure: _Measure, per: Per, what: str) -> str:
    progress, limit, unit = measure
    text = f"{progress.actual:.2f} {unit} so far this {per.value}{what}"
    if not seen.is_over and isfinite(progress.expected):
        text += f", {progress.expected:.2f} {unit} expected at its end"
    return text + (f", at most {limit:.2f} {unit} wanted" if isfinite(limit) else ", nothing to compare with yet")
