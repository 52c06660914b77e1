"""What births, answers and switches by hand make of a load."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_stream.intents.loads import MAX_LOADS, Hold, Load, LoadKey, Loads
from cloud_stream.intents.tracks import stable_id
from cloud_stream.records import Point

KEY = LoadKey("house-1", "gw-1", "b1")
TAGS = {"site": "house-1", "gateway": "gw-1", "load": "b1"}
ORDER = "intent/limit/house-1/gw-1/b1/1000/off"


def _birth(t_ms: int = 1000, **fields: Any) -> Point:  # noqa: ANN401 (a point's fields)
    known: dict[str, Any] = {"meter": "m", "power_w": 2000.0, "control": "cloud", "mode": "auto", "state": "on"}
    return Point("load", TAGS, t_ms, known | {"min_on_s": 60, "min_off_s": 120} | fields)


def _answer(state: str, t_ms: int = 2000, **fields: Any) -> Point:  # noqa: ANN401 (a point's fields)
    known: dict[str, Any] = {"id": ORDER, "action": "off", "state": state, "expires_at": 900_000}
    return Point("command", TAGS, t_ms, known | fields)


def _held() -> tuple[Loads, Load]:
    loads = Loads()
    loads.hear(_birth(), 1000)
    load = loads.known[KEY]
    load.hold = Hold("limit", ORDER, 1000, 1000, 901_000)
    return loads, load


@pytest.mark.parametrize(
    ("answer", "meaning", "is_held"),
    [
        (_answer("accepted"), "accepted", True),
        (_answer("done"), "done", True),
        (_answer("refused"), "refused", False),
        (_answer("expired"), "expired", False),
        (_answer("released"), "released", False),
        (_answer("overridden"), "overridden", False),
        (_answer("released", id="intent/limit/house-1/gw-1/b1/0/off"), "", True),
        (_answer("done", id="somebody else's"), "", True),
        (_answer("a word of later"), "a word of later", True),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_an_answer_to_the_newest_order(answer: Point, meaning: str, *, is_held: bool) -> None:
    loads, load = _held()
    assert loads.answer(answer) == meaning
    assert (load.hold is not None) == is_held


def test_done_tells_when_the_relay_switched_and_the_gateway_s_own_end() -> None:
    loads, load = _held()
    loads.answer(_answer("done", 2500))
    loads.answer(_answer("done", 9999))
    assert load.hold is not None
    assert (load.hold.done_ms, load.hold.expires_ms) == (2500, 900_000)


def test_a_refused_load_rests() -> None:
    loads, load = _held()
    loads.answer(_answer("refused", 2000))
    assert not load.may_go_off(800_000)
    assert load.may_go_off(902_000)


def test_a_forgotten_order_of_ours_is_taken_over_but_nobody_else_s() -> None:
    loads, load = _held()
    load.hold = None
    assert [loads.answer(_answer("done", id=order)) for order in ("by-hand-7", ORDER)] == ["", "done"]
    held = loads.known[KEY].hold
    assert held is not None
    assert (held.order, held.verdict) == (ORDER, "unknown")


@pytest.mark.parametrize(
    ("later", "obeys"),
    [
        ({"mode": "manual"}, False),
        ({"control": "never"}, False),
        ({"mode": "auto"}, True),
    ],
)
def test_who_says_whether_a_load_obeys(later: dict[str, str], *, obeys: bool) -> None:
    loads, load = _held()
    loads.hear(_birth(3000, **later), 3000)
    assert load.obeys == obeys


def test_a_hand_ends_our_hold_until_a_newer_word_says_automatic() -> None:
    loads, load = _held()
    loads.answer(_answer("overridden", 5000))
    loads.hear(_birth(4000), 6000)
    assert load.hold is None
    assert not load.obeys
    loads.hear(_birth(7000), 7000)
    assert load.obeys


def _status(status: str, session: int, gateway: str = "gw-1") -> Point:
    return Point("gateway", {"gateway": gateway}, 5000, {"status": status, "session": str(session), "site": "house-1"})


@pytest.mark.parametrize(
    ("heard", "obeys"),
    [
        ([_status("online", 7)], True),
        ([_status("online", 7), _status("offline", 7)], False),
        ([_status("offline", 7), _status("online", 8)], True),
        ([_status("online", 8), _status("offline", 7)], True),
        ([_status("online", 8), _status("offline", 8), _status("online", 7)], True),
        ([_status("offline", 7)], False),
        ([_status("offline", 7, "gw-2")], True),
    ],
    ids=["there", "gone", "back", "an old Will comes late", "back, its clock put right", "never there", "another one"],
)
def test_a_load_of_a_gateway_that_is_gone_gets_no_orders(heard: list[Point], *, obeys: bool) -> None:
    loads, load = _held()
    for point in heard:
        loads.hear_gateway(point)
    assert load.obeys == obeys
    again = Loads()
    again.restore(loads.snapshot())
    assert again.known[KEY].obeys == obeys


def test_a_relay_that_is_on_again_ends_a_hold_whose_end_was_never_told() -> None:
    loads, load = _held()
    loads.hear(_birth(1500), 1500)
    assert load.hold is not None
    loads.answer(_answer("done", 2000))
    loads.hear(_birth(2000, state="off"), 2000)
    assert load.hold is not None
    loads.hear(_birth(9000), 9000)
    assert loads.known[KEY].hold is None
    assert load.released_ms == 9000


def test_least_times_count_from_the_last_switch() -> None:
    loads, load = _held()
    load.hold = None
    assert not load.may_go_off(60_999)
    assert load.may_go_off(61_000)
    loads.hear(_birth(70_000, state="off"), 70_000)
    assert not load.may_go_off(500_000)
    loads.hear(_birth(80_000), 80_000)
    assert not load.may_go_off(139_999)
    load.hold = Hold("limit", ORDER, 150_000, 150_000, 999_000, done_ms=160_000)
    assert not load.may_come_back(279_999)
    assert load.may_come_back(280_000)


def test_an_answer_brings_two_fields_and_keeps_the_others() -> None:
    loads, load = _held()
    changed = loads.hear(Point("load", TAGS, 2000, {"mode": "auto", "state": "off"}), 2000)
    assert not changed
    assert (load.state, load.power_w, load.meter, load.min_on_ms) == ("off", 2000.0, "m", 60_000)
    assert loads.hear(_birth(3000, meter="other"), 3000)


def test_only_so_many_loads_are_known() -> None:
    loads = Loads()
    for number in range(MAX_LOADS + 3):
        loads.hear(Point("load", TAGS | {"load": f"b{number}"}, 1, {"state": "on"}), 1)
    assert (len(loads.known), loads.refused) == (MAX_LOADS, 3)


def test_loads_survive_a_restart() -> None:
    loads, _ = _held()
    again = Loads()
    again.restore(loads.snapshot())
    assert again == loads


@given(parts=st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=100), min_size=1, max_size=4))
def test_an_id_fits_the_wire_and_is_the_same_for_ever(parts: list[str]) -> None:
    assert len(stable_id(*parts)) <= 120
    assert stable_id(*parts) == stable_id(*parts)
    assert stable_id(*parts, "off") != stable_id(*parts, "release")
