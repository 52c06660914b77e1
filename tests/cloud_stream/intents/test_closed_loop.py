"""A house with three boilers whose relays obey: the peak falls, and the water is as hot as ever."""

import pickle

import pytest

from cloud_stream.intents.step import IntentStep
from cloud_stream.records import Notice, Order, Point
from tests.cloud_stream.intents.boilers import Boiler, House
from tests.cloud_stream.intents.rig import HOUR_MS, T0_MS, parts, step_of

LIMIT = """
[[intent]]
name = "main fuse"
kind = "power_limit"
limit_w = 9000
"""
MORNING = {6 * 60 + minute: 0.6 for minute in range(0, 60, 6)}
EVENING = {18 * 60 + minute: 0.5 for minute in range(0, 60, 6)}


def _house() -> House:
    draws = MORNING | EVENING
    shifted = {(minute + 12) % 1440: kwh for minute, kwh in draws.items()}
    return House([Boiler("b1", draws), Boiler("b2", dict(draws)), Boiler("b3", shifted)], now_ms=T0_MS)


def _live(
    house: House, step: IntentStep | None, hours: int, restart_at: int = -1
) -> tuple[list[Point], list[Notice], list[Order]]:
    """Let time go by; the orders of a minute are obeyed at its end."""
    told: tuple[list[Point], list[Notice], list[Order]] = ([], [], [])
    for minute in range(hours * 60):
        facts = house.minute()
        if step is None:
            continue
        if minute == restart_at:
            state = pickle.loads(pickle.dumps(step.snapshot(house.now_ms)))  # noqa: S301 (our own bytes)
            step = step_of(LIMIT)
            step.restore(state)
        points, notices, orders = parts(step.on_batch([facts], house.now_ms))
        for order in orders:
            house.obey(order)
        for some, more in zip(told, (points, notices, orders), strict=True):
            some += more  # type: ignore[operator]
    return told


def test_the_peak_falls_and_the_water_is_as_hot() -> None:
    free, kept = _house(), _house()
    _live(free, None, 36)
    _, _, orders = _live(kept, step_of(LIMIT), 36)
    assert free.peak_w() > 10_500
    assert kept.peak_w() <= 9000
    assert orders
    for without, with_limit in zip(free.boilers, kept.boilers, strict=True):
        assert with_limit.drawn_kwh == pytest.approx(without.drawn_kwh, rel=0.03)
        assert with_limit.temperature_c >= 54
