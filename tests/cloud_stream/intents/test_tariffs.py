"""What a kilowatt-hour costs, and when."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_stream.intents.periods import Per, Period, days_of, local_date, next_wall_ms, period_at
from cloud_stream.intents.tariffs import Tariff
from cloud_stream.sites import Site
from tests.cloud_stream.intents.rig import HOUR_MS, LONDON, TWO_RATES, book_of, sites_of
from wattline.errors import ConfigError

HALF_HOUR_MS = HOUR_MS // 2
ONE = '[[tariff]]\nname = "t"\ncurrency = "EUR"\n'


def _tariff(rates: str, head: str = ONE) -> Tariff:
    return book_of(head + rates).tariffs["t"]


def _at(zone: str, text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def _price(tariff: Tariff, site: Site, text: str, interval_ms: int = 60_000) -> float:
    at_ms = _at(site.time_zone, text)
    return float(tariff.price(site, np.array([at_ms]), interval_ms)[0])


TWICE_ON_HOLIDAYS = """
[[tariff.rate]]
price = 1
[[tariff.rate]]
price = 2
days = ["holiday"]
to = "12:00"
[[tariff.rate]]
price = 2
days = ["holiday"]
from = "11:00"
"""
WEEK = """
[[tariff.rate]]
price = 0.2
[[tariff.rate]]
price = 0.4
days = ["mon-fri"]
from = "16:00"
to = "19:00"
[[tariff.rate]]
price = 0.1
days = ["fri", "sat-sun"]
from = "22:30"
to = "05:15"
[[tariff.rate]]
price = 0.05
days = ["holiday"]
"""


@pytest.mark.parametrize(
    ("when", "price"),
    [
        ("2026-11-02T15:59", 0.2),
        ("2026-11-02T16:00", 0.4),
        ("2026-11-02T18:59", 0.4),
        ("2026-11-02T19:00", 0.2),
        ("2026-11-06T22:30", 0.1),
        ("2026-11-06T05:14", 0.1),
        ("2026-11-06T05:15", 0.2),
        ("2026-11-09T02:00", 0.2),
        ("2026-11-07T17:00", 0.2),
        ("2026-12-25T17:00", 0.05),
    ],
    ids=[
        "before the peak",
        "the peak begins",
        "its last minute",
        "it ends",
        "the evening of a Friday",
        "hours over midnight belong to the day they fall in",
        "to the minute",
        "not on Monday",
        "no peak on Saturday",
        "a holiday",
    ],
)
def test_prices_follow_the_local_clock(when: str, price: float) -> None:
    assert _price(_tariff(WEEK), LONDON, when) == pytest.approx(price)


def test_an_interval_over_a_border_has_the_mean_of_both_prices() -> None:
    rates = '[[tariff.rate]]\nprice = 1.0\n[[tariff.rate]]\nprice = 4.0\nfrom = "12:20"\nto = "13:00"\n'
    assert _price(_tariff(rates), LONDON, "2026-11-02T12:00", HALF_HOUR_MS) == pytest.approx((20 + 4 * 10) / 30)


def test_a_later_table_holds_from_its_local_date_on() -> None:
    later = ONE + "valid_from = 2027-01-01\n[[tariff.rate]]\nprice = 0.3\n"
    tariff = book_of(ONE + "[[tariff.rate]]\nprice = 0.2\n" + later).tariffs["t"]
    oslo = Site(id="o", time_zone="Europe/Oslo")
    assert _price(tariff, oslo, "2026-12-31T23:59") == pytest.approx(0.2)
    assert _price(tariff, oslo, "2027-01-01T00:00") == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("rates", "where", "problem"),
    [
        ("rate = []\n", "tariff[0].rate", "has no rate"),
        ('[[tariff.rate]]\nprice = 1\nfrom = "06:00"\n', "tariff[0].rate", "no rate holds on mon at 00:00"),
        ('[[tariff.rate]]\nprice = 1\ndays = ["mon-sat"]\n', "tariff[0].rate", "no rate holds on sun at 00:00"),
        (
            TWICE_ON_HOLIDAYS,
            "tariff[0].rate[2]",
            "and rate[1] both hold on holiday at 11:00",
        ),
        (
            '[[tariff.rate]]\nprice = 1\nto = "09:00"\n[[tariff.rate]]\nprice = 2\nfrom = "08:30"\n',
            "tariff[0].rate[1]",
            "and rate[0] both hold on mon at 08:30",
        ),
        ("[[tariff.rate]]\nprice = 1\n[[tariff.rate]]\nprice = 2\n", "tariff[0].rate[1]", "both hold whenever"),
        ('[[tariff.rate]]\nprice = 1\ndays = ["monday"]\n', "tariff[0].rate[0].days", "'monday' is none of mon..sun"),
        ('[[tariff.rate]]\nprice = 1\nto = "25:00"\n', "tariff[0].rate[0].to", "'25:00' is no time such as"),
        ('[[tariff.rate]]\nprice = 1\nfrom = "7"\n', "tariff[0].rate[0].from", "'7' is no time such as"),
    ],
)
def test_a_table_with_a_gap_or_an_overlap_says_where(rates: str, where: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        book_of(ONE + rates)
    assert caught.value.where == where
    assert problem in caught.value.problem


def test_two_tables_of_a_name_have_one_currency_and_two_dates() -> None:
    rate = "[[tariff.rate]]\nprice = 1\n"
    with pytest.raises(ConfigError, match=r"tariff\[1\].valid_from: 't' has two tables for one date"):
        book_of(ONE + rate + ONE + rate)
    with pytest.raises(ConfigError, match=r"tariff\[1\].currency: 't' is in EUR in tariff\[0\]"):
        book_of(ONE + rate + ONE.replace("EUR", "USD") + "valid_from = 2027-01-01\n" + rate)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/London", "2026-03-29", 23),
        ("Europe/London", "2026-10-25", 25),
        ("Europe/London", "2026-11-02", 24),
        ("Australia/Lord_Howe", "2026-10-04", 23.5),
        ("America/New_York", "2026-03-08", 23),
        ("Asia/Kathmandu", "2026-03-08", 24),
    ],
)
def test_a_day_costs_its_hours_and_one_standing_charge(zone: str, day: str, hours: float) -> None:
    site = Site(id="s", time_zone=zone, tariff="two-rates")
    tariff = book_of(TWO_RATES, sites_of(LONDON)).tariffs["two-rates"]
    (span,) = days_of(zone, Period(_at(zone, day), _at(zone, day) + 1))
    starts = np.arange(span.start_ms, span.end_ms, 900_000)
    paid = tariff.cost(site, starts, 900_000, np.full(len(starts), 0.25))
    night_h = (_at(zone, f"{day}T07:00") - span.start_ms) / HOUR_MS
    assert len(starts) / 4 == hours
    assert paid.energy.sum() == pytest.approx(night_h * 0.1 + (hours - night_h) * 0.3)
    assert paid.standing.sum() == pytest.approx(0.5)


@settings(max_examples=60, deadline=None)
@given(
    zone=st.sampled_from(["Europe/London", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo", "UTC"]),
    start=st.integers(0, 365 * 48),
    energy=st.lists(st.floats(0, 10), min_size=1, max_size=200),
    cut=st.integers(0, 200),
    grain=st.sampled_from([300_000, 900_000, 1_800_000, 3_600_000]),
)
def test_money_is_the_sum_of_its_parts(zone: str, start: int, energy: list[float], cut: int, grain: int) -> None:
    site = Site(id="s", time_zone=zone)
    tariff = _tariff(WEEK, ONE + "standing_per_day = 0.31\n")
    starts = 1_767_225_600_000 // grain * grain + (start + np.arange(len(energy))) * grain
    kwh = np.array(energy)
    whole = tariff.cost(site, starts, grain, kwh)
    first, rest = (tariff.cost(site, starts[part], grain, kwh[part]) for part in (slice(cut), slice(cut, None)))
    assert first.energy.sum() + rest.energy.sum() == pytest.approx(whole.energy.sum(), abs=1e-9)
    assert first.standing.sum() + rest.standing.sum() == pytest.approx(whole.standing.sum(), abs=1e-9)
    mixed = np.random.default_rng(start).permutation(len(starts))
    assert tariff.cost(site, starts[mixed], grain, kwh[mixed]).energy == pytest.approx(whole.energy[mixed])
    halves = tariff.cost(site, np.concatenate((starts, starts + grain // 2)), grain // 2, np.tile(kwh / 2, 2))
    assert halves.energy.sum() == pytest.approx(whole.energy.sum(), abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(
    zone=st.sampled_from(["Europe/London", "America/New_York", "Australia/Lord_Howe", "Asia/Beirut", "Africa/Cairo"]),
    at=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 (given a zone)
    per=st.sampled_from(list(Per)),
)
def test_periods_follow_each_other_and_hold_their_instants(zone: str, at: datetime, per: Per) -> None:
    at_ms = round(at.timestamp() * 1000)
    period = period_at(zone, per, at_ms)
    assert period.start_ms <= at_ms < period.end_ms
    assert period_at(zone, per, period.end_ms).start_ms == period.end_ms
    days = list(days_of(zone, period))
    assert (days[0].start_ms, days[-1].end_ms) == period
    assert sum(day.end_ms - day.start_ms for day in days) == period.end_ms - period.start_ms
    assert len(days) in {Per.DAY: {1}, Per.WEEK: {7}, Per.MONTH: {28, 29, 30, 31}}[per]
    assert len({local_date(zone, day.start_ms) for day in days}) == len(days)


@settings(max_examples=100, deadline=None)
@given(
    at=st.datetimes(datetime(2026, 3, 20), datetime(2026, 11, 1), timezones=st.just(UTC)),  # noqa: DTZ001 (as above)
    minute=st.integers(0, 1439),
)
def test_a_wall_time_comes_once_a_day(at: datetime, minute: int) -> None:
    at_ms = round(at.timestamp() * 1000)
    first = next_wall_ms("Europe/London", minute, at_ms)
    second = next_wall_ms("Europe/London", minute, first)
    assert at_ms < first <= at_ms + 25 * HOUR_MS
    assert 22 * HOUR_MS <= second - first <= 26 * HOUR_MS
