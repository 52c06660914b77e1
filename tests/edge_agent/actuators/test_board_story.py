"""Whatever happens in whatever order: what holds of a load at every moment."""

from collections.abc import Sequence
from typing import Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.actuators.board import MAX_REMEMBERED
from edge_agent.actuators.load_state import DAY_MS
from tests.edge_agent.actuators.bench import HOUR_MS, MINUTE_MS, RULES, Bench

FINAL: Final = {"refused", "expired", "released", "overridden"}

EVENT = st.one_of(
    st.tuples(st.just("send"), st.sampled_from(["on", "off", "release"]), st.integers(-5, 300)),
    st.tuples(st.just("again"), st.integers(0, 5)),
    st.tuples(st.just("hand"), st.sampled_from(["on", "off"])),
    st.tuples(st.just("auto")),
    st.tuples(st.just("wait"), st.integers(1, 90)),
    st.tuples(st.just("dead"), st.booleans()),
    st.tuples(st.just("clock"), st.booleans()),
    st.tuples(st.just("broker"), st.booleans()),
    st.tuples(st.just("power cut"), st.integers(0, 120), st.sampled_from([None, True, False])),
)


def act(bench: Bench, number: int, event: tuple[object, ...]) -> None:
    match event:
        case ("send", str(action), int(minutes)):
            bench.send(f"c{number}", action, lasts_ms=minutes * MINUTE_MS)
        case ("again", int(which)):
            bench.send(f"c{max(0, number - which)}", "off")
        case ("hand", str(where)):
            bench.by_hand(where)
        case ("auto",):
            bench.board.loads["boiler"].by_hand("auto", 0, bench.now_ms)
        case ("wait", int(minutes)):
            bench.wait(minutes * MINUTE_MS)
        case ("dead", bool(dead)):
            bench.dead = dead
        case ("clock", bool(synchronised)):
            bench.synchronised = synchronised
        case ("broker", bool(connected)):
            bench.connected = connected
        case ("power cut", int(minutes), (None | True | False) as relay):
            bench.power_cut(minutes * MINUTE_MS, relay=relay)


@settings(max_examples=150, deadline=None)
@given(st.lists(EVENT, max_size=40))
def test_in_every_story_the_promises_hold(story: Sequence[tuple[object, ...]]) -> None:
    bench = Bench(msgspec.structs.replace(RULES, manual_ms=2 * HOUR_MS))
    for number, event in enumerate(story):
        before = bench.mode
        moves = len(bench.moves)
        act(bench, number, event)
        if before == "manual" and event[0] in ("send", "again"):
            assert len(bench.moves) == moves  # a hand wins
        hold = bench.board.loads["boiler"].state.hold
        assert hold is None or bench.now_ms < hold.until_ms
        assert hold is None or bench.mode == "auto"
    # In the end everybody is back, and time passes: the load is left to itself, every command has had its last word.
    bench.dead, bench.synchronised, bench.connected = False, True, True
    bench.board.loads["boiler"].by_hand("auto", 0, bench.now_ms)
    bench.power_cut()
    bench.wait(DAY_MS, step_ms=10 * MINUTE_MS)
    assert bench.on
    assert bench.mode == "auto"
    check_answers(bench)
    times = [event.t for event in bench.told if event.command and event.command.load == "boiler"]
    assert len({(event.t, event.command.id) for event in bench.told if event.command}) <= len(times)


def check_answers(bench: Bench) -> None:
    """Every command was answered; what was accepted has ended, and nothing comes after an end but the same again."""
    ids = {event.command.id for event in bench.told if event.command and event.command.id}
    for name in ids:
        answers = {event.t: event.command for event in bench.told if event.command and event.command.id == name}
        states = [answer.state for _, answer in sorted(answers.items())]
        assert states[-1] in FINAL or (states[-1] == "done" and answers[max(answers)].action == "release"), states
        assert not FINAL & set(states[:-1]), states
        assert states.count("accepted") <= 1
        assert states.count("done") <= 1


def test_moves_keep_their_distance_while_only_commands_move_it() -> None:
    bench = Bench()
    for number in range(200):
        bench.send(f"c{number}", ("off", "release", "on")[number % 3], lasts_ms=(1 + number % 7) * MINUTE_MS)
        bench.wait((number % 4) * MINUTE_MS + MINUTE_MS)
    assert len(bench.moves) > 20
    for (from_ms, on), (to_ms, _) in zip(bench.moves, bench.moves[1:], strict=False):
        assert to_ms - from_ms >= (RULES.min_on_ms if on else RULES.min_off_ms)


def test_what_is_remembered_is_bounded_and_nothing_in_force_is_forgotten() -> None:
    bench = Bench()
    for number in range(MAX_REMEMBERED + 50):
        bench.send(f"c{number}", "on", lasts_ms=DAY_MS)
    assert len(bench.board.state.answered) == MAX_REMEMBERED
    assert bench.states(f"c{MAX_REMEMBERED + 20}") == ["refused"]
    assert "more commands" in bench.reason(f"c{MAX_REMEMBERED + 20}")
    bench.send("free", "release")
    assert bench.states("free") == ["accepted", "done"]
    bench.wait(2 * DAY_MS, step_ms=HOUR_MS)
    bench.send("after")
    assert bench.states("after") == ["accepted", "done"]


def test_commands_that_were_refused_make_room_first() -> None:
    bench = Bench()
    bench.send("good", lasts_ms=HOUR_MS)
    for number in range(2 * MAX_REMEMBERED):
        bench.send(f"late{number}", lasts_ms=-1)
    bench.send("good", lasts_ms=HOUR_MS)
    assert bench.states("good") == ["accepted", "done", "done"]


def test_two_loads_are_two() -> None:
    pump = msgspec.structs.replace(RULES, id="pump", meter="")
    bench = Bench(RULES, pump)
    bench.send("c1", load="pump")
    assert bench.relays == {"boiler": True, "pump": False}
    assert bench.told[-1].meter == "pump"


@pytest.mark.parametrize("state", [True, False])
def test_the_state_on_disk_is_all_that_a_start_needs(*, state: bool) -> None:
    bench = Bench()
    if state:
        bench.send("c1")
    kept = msgspec.json.encode(bench.board.state)
    bench.power_cut()
    assert msgspec.json.decode(msgspec.json.encode(bench.board.state)) == msgspec.json.decode(kept)
