"""Which loads go off, and which come back."""

from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_stream.intents.control import Candidate, Change, choose, power_now_w, to_stay_under_w
from cloud_stream.intents.ledger import ShortWindow
from cloud_stream.intents.loads import LoadKey

HALF_HOUR_MS = 1_800_000


def _load(name: str, draw_w: float, **keys: object) -> Candidate:
    return Candidate(LoadKey("s", "g", name), draw_w, draw_w, **keys)  # type: ignore[arg-type]


def _names(keys: tuple[LoadKey, ...]) -> list[str]:
    return [key.load for key in keys]


@pytest.mark.parametrize(
    ("power_w", "loads", "off", "missing_w"),
    [
        (8000, [_load("a", 3000)], [], 0),
        (9500, [_load("a", 1000), _load("b", 3000)], ["b"], 0),
        (13_000, [_load("a", 1000), _load("b", 3000), _load("c", 2000)], ["b", "c"], 0),
        (10_000, [_load("a", 500)], ["a"], 500),
        (10_000, [_load("a", 2000), _load("b", 2000)], ["a"], 0),
        (10_000, [_load("a", 3000, may_go_off=False), _load("b", 2000)], ["b"], 0),
        (10_000, [_load("a", 0), _load("b", 2000)], ["b"], 0),
        (10_000, [_load("a", 3000, is_held=True), _load("b", 2000)], ["b"], 0),
    ],
    ids=[
        "nothing to do",
        "the largest first",
        "as many as are needed",
        "too few",
        "the same size: by name",
        "one that may not be switched",
        "one that takes nothing",
        "one that is off",
    ],
)
def test_loads_go_off_until_the_power_is_down(
    power_w: float, loads: list[Candidate], off: list[str], missing_w: float
) -> None:
    choice = choose(power_w, 9000, 8000, loads)
    assert (_names(choice.off), choice.missing_w) == (off, missing_w)


@pytest.mark.parametrize(
    ("power_w", "loads", "back"),
    [
        (5000, [_load("a", 3000, is_held=True)], ["a"]),
        (5001, [_load("a", 3000, is_held=True)], []),
        (5000, [_load("a", 3000, is_held=True, may_come_back=False)], []),
        (5000, [_load("a", 3000, is_held=True, held_ms=2), _load("b", 3000, is_held=True, held_ms=1)], ["b"]),
        (2000, [_load("a", 3000, is_held=True, held_ms=2), _load("b", 3000, is_held=True, held_ms=1)], ["b", "a"]),
        (5000, [_load("a", 4000, is_held=True, held_ms=1), _load("b", 3000, is_held=True, held_ms=2)], ["b"]),
    ],
    ids=["room", "no room", "not off long enough", "the longest off first", "both", "the one that fits"],
)
def test_loads_come_back_while_there_is_room(power_w: float, loads: list[Candidate], back: list[str]) -> None:
    assert _names(choose(power_w, 9000, 8000, loads).release) == back


@pytest.mark.parametrize(
    ("power_w", "loads", "exchanged"),
    [
        (8500, [_load("a", 3000, is_held=True, held_ms=5), _load("b", 3000)], (["b"], ["a"])),
        (8500, [_load("a", 3000, is_held=True, held_ms=11), _load("b", 3000)], ([], [])),
        (8500, [_load("a", 4000, is_held=True, held_ms=5), _load("b", 3000)], ([], [])),
        (8000, [_load("a", 4000, is_held=True, held_ms=5), _load("b", 3000)], (["b"], ["a"])),
        (8500, [_load("a", 3000, is_held=True, held_ms=5), _load("b", 3000, may_go_off=False)], ([], [])),
        (4000, [_load("a", 3000, is_held=True, held_ms=5), _load("b", 3000)], ([], ["a"])),
    ],
    ids=["its turn", "not yet", "too large", "with room enough", "the other may not", "room for both"],
)
def test_a_load_that_is_off_for_long_has_its_turn(
    power_w: float, loads: list[Candidate], exchanged: tuple[list[str], list[str]]
) -> None:
    choice = choose(power_w, 9000, 8000, loads, exchange_before_ms=10)
    assert (_names(choice.off), _names(choice.release)) == exchanged


CANDIDATES = st.lists(
    st.builds(
        lambda draw_w, rated_w, held, off, back: (draw_w, max(draw_w, rated_w), held, off, back),
        st.floats(0, 5000),
        st.floats(0, 5000),
        st.booleans(),
        st.booleans(),
        st.booleans(),
    ),
    max_size=8,
)


@given(power_w=st.floats(0, 30_000), rows=CANDIDATES)
def test_never_more_than_needed_and_never_what_may_not(
    power_w: float, rows: list[tuple[float, float, bool, bool, bool]]
) -> None:
    loads = [
        Candidate(LoadKey("s", "g", str(number)), draw_w, rated_w, held, number, off, back)
        for number, (draw_w, rated_w, held, off, back) in enumerate(rows)
    ]
    by_key = {load.key: load for load in loads}
    choice = choose(power_w, 9000, 8000, loads)
    shed = [by_key[key] for key in choice.off]
    assert all(load.may_go_off and not load.is_held for load in shed)
    assert all(by_key[key].is_held and by_key[key].may_come_back for key in choice.release)
    assert not (choice.off and choice.release)
    if shed:
        without_last = sum(load.draw_w for load in shed) - min(load.draw_w for load in shed)
        assert power_w - without_last > 9000 - 1e-6
    if choice.release:
        assert power_w + sum(by_key[key].rated_w for key in choice.release) <= 8000 + 1e-6


@pytest.mark.parametrize(
    ("window", "changes", "power_w"),
    [
        (ShortWindow(5000, 4000), [], 5000),
        (ShortWindow(5000, 7000), [], 7000),
        (ShortWindow(5000, nan), [Change(0, -3000)], 5000),
        (ShortWindow(5000, 5000), [Change(150_000, -3000)], 3500),
        (ShortWindow(5000, 5000), [Change(300_000, -3000)], 2000),
        (ShortWindow(5000, 5000), [Change(400_000, -3000)], 2000),
        (ShortWindow(5000, 2000), [Change(150_000, 3000)], 6500),
        (ShortWindow(5000, 9000), [Change(150_000, -3000)], 3500),
        (ShortWindow(nan, 4000), [], 4000),
    ],
    ids=[
        "the mean",
        "the newest value where it is higher",
        "switched before the window",
        "switched in its middle",
        "at its end",
        "after it",
        "released in its middle",
        "after switching the newest value may be old",
        "only the newest",
    ],
)
def test_the_power_now_counts_what_was_just_switched(
    window: ShortWindow, changes: list[Change], power_w: float
) -> None:
    assert power_now_w(window, 0, 300_000, changes) == pytest.approx(power_w)


def test_an_interval_that_began_high_must_go_on_low() -> None:
    used_kwh = 12 * 0.25
    assert to_stay_under_w(9000, used_kwh, 9000, HALF_HOUR_MS // 2, HALF_HOUR_MS) == pytest.approx(3000)
    assert to_stay_under_w(9000, 2.25, 9000, HALF_HOUR_MS // 2, HALF_HOUR_MS) == pytest.approx(0)
    assert to_stay_under_w(9000, 9.0, 9000, 0, HALF_HOUR_MS) == 0
