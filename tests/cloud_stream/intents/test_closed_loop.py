"""A house with three boilers whose relays obey: the peak falls, and the water is as hot as ever."""

import pickle
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_stream.intents.step import IntentStep
from cloud_stream.records import Notice, Order, Point
from cloud_stream.sites import Site
from tests.cloud_stream.intents.boilers import MINUTE_MS, Boiler, House
from tests.cloud_stream.intents.rig import HOUR_MS, LONDON, T0_MS, TWO_RATES, parts, step_of

LIMIT = """
[[intent]]
name = "main fuse"
kind = "power_limit"
limit_w = 9000
"""
SHIFT = """
[[intent]]
name = "boilers at night"
kind = "shift"
run = "cheapest"
[[intent.load]]
id = "b1"
hours = "3h"
by = "06:00"
[[intent.load]]
id = "b2"
hours = "3h"
by = "06:00"
[[intent.load]]
id = "b3"
hours = "3h"
by = "06:00"
"""
MORNING = {6 * 60 + minute: 0.35 for minute in range(0, 60, 6)}
EVENING = {18 * 60 + minute: 0.25 for minute in range(0, 60, 6)}


@dataclass
class Told:
    """What a step has said so far."""

    points: list[Point] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)

    def take(self, decided: tuple[list[Point], list[Notice], list[Order]]) -> list[Order]:
        points, notices, orders = decided
        self.points += points
        self.notices += notices
        self.orders += orders
        return orders


def _house() -> House:
    draws = MORNING | EVENING
    shifted = {(minute + 12) % 1440: kwh for minute, kwh in draws.items()}
    return House([Boiler("b1", draws), Boiler("b2", dict(draws)), Boiler("b3", shifted)], now_ms=T0_MS)


def _live(
    house: House, step: IntentStep, hours: float, each: Callable[[House, IntentStep], IntentStep] | None = None
) -> Told:
    """Let time go by; the orders of a minute are obeyed at its end."""
    told = Told()
    for _ in range(round(hours * 60)):
        facts = house.minute()
        if each is not None:
            step = each(house, step)
        for order in told.take(parts(step.on_batch([facts], house.now_ms))):
            house.obey(order)
    return told


def _alone(house: House, hours: float) -> None:
    for _ in range(round(hours * 60)):
        house.minute()


def test_the_peak_falls_and_the_water_is_as_hot() -> None:
    free, kept = _house(), _house()
    _alone(free, 36)
    told = _live(kept, step_of(LIMIT), 36)
    assert free.peak_w() > 10_500
    assert kept.peak_w() <= 9000
    for without, with_limit in zip(free.boilers, kept.boilers, strict=True):
        assert with_limit.drawn_kwh == pytest.approx(without.drawn_kwh, rel=0.03)
        assert with_limit.temperature_c >= 54
        assert with_limit.coldest_c > without.coldest_c - 8
    assert {point.fields["verified"] for point in told.points if "verified" in point.fields} == {True}
    assert [notice.title for notice in told.notices if notice.state == "firing"] == []


def test_without_commands_nothing_is_switched_and_a_person_is_told() -> None:
    house = _house()
    told = _live(house, step_of(LIMIT, commands_enabled=False), 12)
    assert told.orders == []
    assert house.peak_w() > 10_500
    firing = [notice for notice in told.notices if notice.state == "firing"]
    assert firing[0].title == "main fuse: at risk (house-1)"
    advice = [point for point in told.points if point.measurement == "recommendation"]
    assert "Switch off b" in str(advice[0].fields["text"])
    assert len([notice for notice in told.notices if "/advice/" in notice.key]) <= 2


def test_an_intent_that_may_not_act_does_not() -> None:
    assert _live(_house(), step_of(LIMIT + "act = false\n"), 8).orders == []


def test_a_restart_at_any_minute_keeps_the_limit_and_repeats_no_order() -> None:
    house = _house()

    def restart(house: House, step: IntentStep) -> IntentStep:
        if house.now_ms // MINUTE_MS % 3:
            return step
        again = step_of(LIMIT)
        again.restore(pickle.loads(pickle.dumps(step.snapshot(house.now_ms))))  # noqa: S301 (our own bytes)
        return again

    told = _live(house, step_of(LIMIT), 24, restart)
    assert house.peak_w() <= 9000
    assert len({order.id for order in told.orders}) == len(told.orders)
    alone = _house()
    assert [order.id for order in _live(alone, step_of(LIMIT), 24).orders] == [order.id for order in told.orders]


def test_a_cloud_that_forgot_everything_takes_over_what_it_had_switched() -> None:
    house = _house()

    def forget(house: House, step: IntentStep) -> IntentStep:
        return step_of(LIMIT) if house.now_ms == T0_MS + 7 * HOUR_MS else step

    _live(house, step_of(LIMIT), 12, forget)
    assert house.peak_w() <= 9500
    assert all(boiler.relay_on for boiler in house.boilers)


def test_boilers_run_at_night_and_are_hot_by_their_deadline() -> None:
    free, moved = _house(), _house()
    _alone(free, 54)
    told = _live(moved, step_of(TWO_RATES + SHIFT, LONDON), 54)
    for without, boiler in zip(free.boilers, moved.boilers, strict=True):
        assert boiler.warmth_at(T0_MS + 30 * HOUR_MS) > 54
        assert boiler.warmth_at(T0_MS + 54 * HOUR_MS - MINUTE_MS) > 54
        assert boiler.drawn_kwh == pytest.approx(without.drawn_kwh, rel=0.1)
    assert _bill(moved) < 0.5 * _bill(free)
    states = {str(point.fields["state"]) for point in told.points if point.measurement == "intent"}
    assert states == {"on_track"}
    assert {order.action for order in told.orders} == {"off", "release"}
    assert told.notices == []


def _bill(house: House) -> float:
    """What the boilers' energy cost, by the minute."""
    base = [house.base_of(T0_MS + minute * MINUTE_MS) for minute in range(len(house.power_w))]
    return sum(
        (power_w - other_w) / 60_000 * (0.1 if minute % 1440 < 420 else 0.3)
        for minute, (power_w, other_w) in enumerate(zip(house.power_w, base, strict=True))
    )


def test_hot_by_the_deadline_although_the_limit_leaves_room_for_one_at_a_time() -> None:
    house = _house()
    house.base_w = 2000
    limit = LIMIT.replace("9000", "6500")
    told = _live(house, step_of(limit + TWO_RATES + SHIFT.replace("3h", "2h"), LONDON), 30)
    assert house.peak_w() <= 6500
    # They are planned one after the other: the limit has nothing to do once the first night is over.
    late = [order for order in told.orders if order.decided_ms > T0_MS + 7 * HOUR_MS]
    assert {order.reason for order in late} <= {"boilers at night: dear hours", "there is room again"}
    for boiler in house.boilers:
        assert boiler.on_minutes(T0_MS + 6 * HOUR_MS, T0_MS + 30 * HOUR_MS) >= 117


@settings(max_examples=12, deadline=None)
@given(
    powers=st.lists(st.sampled_from([1000.0, 2000.0, 3000.0]), min_size=3, max_size=3),
    least_s=st.tuples(st.sampled_from([0, 300, 900]), st.sampled_from([0, 600, 1800])),
    manual=st.sets(st.integers(0, 2), max_size=2),
    base_w=st.floats(1000, 7000),
    kind=st.sampled_from([LIMIT, SHIFT, LIMIT + SHIFT]),
)
def test_least_times_are_respected_and_a_hand_at_the_switch_wins(
    powers: list[float], least_s: tuple[int, int], manual: set[int], base_w: float, kind: str
) -> None:
    house = _house()
    house.min_on_s, house.min_off_s = least_s
    house.base_w = base_w
    house.now_ms += 5 * HOUR_MS
    for number, (boiler, power_w) in enumerate(zip(house.boilers, powers, strict=True)):
        boiler.power_w, boiler.temperature_c = power_w, 45.0
        boiler.manual = number in manual
    step = step_of(TWO_RATES + kind, LONDON)
    told = _live(house, step, 6)
    by_hand = {house.boilers[number].name for number in manual}
    assert not by_hand & {order.load for order in told.orders}
    assert step.counts["answer_refused"] == 0
    assert all(order.expires_ms - order.decided_ms <= 15 * MINUTE_MS for order in told.orders)
    assert len({order.id for order in told.orders}) == len(told.orders)


def test_a_hand_at_the_switch_ends_our_orders_until_it_is_automatic_again() -> None:
    house = _house()
    step = step_of(LIMIT)
    _live(house, step, 7)
    held = next(boiler for boiler in house.boilers if not boiler.relay_on)
    house.take_over(held)
    told = _live(house, step, 2)
    assert held.name not in {order.load for order in told.orders}
    held.manual = False
    again = _live(house, step, 12)
    assert held.name in {order.load for order in again.orders}


def test_a_load_that_does_not_react_is_told_of_once_and_left_alone() -> None:
    house = _house()
    house.boilers[0].deaf = True
    house.boilers[0].draws = dict.fromkeys(range(1440), 0.05)
    told = _live(house, step_of(LIMIT.replace("9000", "4500")), 9)
    falls = [bool(point.fields["verified"]) for point in told.points if "verified" in point.fields]
    silent = [notice for notice in told.notices if "does not react" in notice.title]
    assert False in falls
    assert {notice.title for notice in silent} == {"b1 of house-1: does not react"}
    assert len({notice.key for notice in silent}) == 1


def test_a_gateway_that_does_not_answer_is_told_of() -> None:
    house = _house()
    step = step_of(LIMIT)
    told = Told()
    for _ in range(9 * 60):
        told.take(parts(step.on_batch([house.minute()], house.now_ms)))
    assert any("no answer" in notice.title for notice in told.notices)
    # Each load is tried again now and then, not every minute.
    assert len(told.orders) < 60


def test_without_fresh_readings_nothing_is_switched_and_orders_run_out() -> None:
    house = _house()
    step = step_of(LIMIT)
    _live(house, step, 7)
    assert any(not boiler.relay_on for boiler in house.boilers)
    told = Told()
    for _ in range(60):
        births = tuple(point for point in house.minute() if point.measurement != "usage")
        told.take(parts(step.on_batch([births], house.now_ms)))
    late = [order for order in told.orders if order.decided_ms > house.now_ms - 45 * MINUTE_MS]
    assert late == []
    assert all(boiler.relay_on for boiler in house.boilers)
    assert told.points[-1].fields["state"] == "unknown"


def test_a_site_in_another_zone_has_its_own_deadline() -> None:
    oslo = Site(id="house-1", time_zone="Europe/Oslo", currency="GBP", tariff="two-rates")
    house = _house()
    _live(house, step_of(TWO_RATES + SHIFT, oslo), 24)
    for boiler in house.boilers:
        # The night there ends an hour earlier.
        assert boiler.on_minutes(T0_MS + 6 * HOUR_MS, T0_MS + 23 * HOUR_MS) == 0
