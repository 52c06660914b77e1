"""What a load does at the cloud's word, and what it does not: the rules, one by one and all at once."""

from collections.abc import Callable

import msgspec
import pytest

from edge_agent.actuators.controller import CLOCK_AHEAD_MS, CLOCK_GRACE_MS, STRAY_MS
from edge_agent.actuators.load_state import DAY_MS, LoadRules
from tests.edge_agent.actuators.bench import HOUR_MS, MINUTE_MS, RULES, Bench
from wattline.wire import Events, decode_events, encode


def rules(**changes: object) -> LoadRules:
    return msgspec.structs.replace(RULES, **changes)


def test_a_command_is_accepted_carried_out_and_ends_by_itself() -> None:
    bench = Bench()
    bench.send("c1", lasts_ms=HOUR_MS)
    assert (bench.states("c1"), bench.on) == (["accepted", "done"], False)
    bench.wait(HOUR_MS - MINUTE_MS)
    assert not bench.on
    bench.wait(MINUTE_MS)
    assert (bench.states("c1"), bench.on) == (["accepted", "done", "expired"], True)


def test_answers_say_of_what_meter_when_and_how_the_load_is() -> None:
    bench = Bench()
    began_ms = bench.now_ms
    bench.send("c1")
    accepted, done = bench.told
    assert (accepted.kind, accepted.meter, accepted.t) == ("command", "main", began_ms)
    assert done.t == accepted.t + 1  # two answers of one load are two points
    assert done.command is not None
    assert (done.command.mode, done.command.switched) == ("auto", "off")
    assert done.command.expires_at == began_ms + HOUR_MS


def test_release_ends_it_early() -> None:
    bench = Bench()
    bench.send("c1")
    bench.wait(10 * MINUTE_MS)
    bench.send("c2", "release")
    assert (bench.states("c1"), bench.states("c2")) == (["accepted", "done", "released"], ["accepted", "done"])
    assert bench.on


def test_release_of_what_is_free_is_done_at_once() -> None:
    bench = Bench()
    bench.send("c1", "release")
    assert (bench.states("c1"), bench.on, bench.moves) == (["accepted", "done"], True, [])


def test_a_later_command_takes_over_without_a_move_between() -> None:
    bench = Bench()
    bench.send("c1", lasts_ms=10 * MINUTE_MS)
    bench.wait(5 * MINUTE_MS)
    bench.send("c2", lasts_ms=HOUR_MS)
    assert bench.states("c1")[-1] == "released"
    bench.wait(HOUR_MS - MINUTE_MS)
    assert (len(bench.moves), bench.states("c2")) == (1, ["accepted", "done"])
    bench.wait(MINUTE_MS)
    assert bench.states("c2")[-1] == "expired"


Send = Callable[[Bench], None]
REFUSED: list[object] = [
    pytest.param(lambda b: b.send("x", expires_at=b.now_ms), "late", id="too late by nothing"),
    pytest.param(lambda b: b.send("x", lasts_ms=-HOUR_MS), "60 min late", id="an hour late"),
    pytest.param(lambda b: b.send("x", lasts_ms=DAY_MS + 1), "reaches further", id="too far ahead"),
    pytest.param(lambda b: b.send("x", expires_at=2**53), "reaches further", id="for ever"),
    pytest.param(lambda b: b.send("x", load="pump"), "no such load", id="a load that is not here"),
    pytest.param(lambda b: b.send("x", "dim"), "unknown action 'dim'", id="an action to come"),
    pytest.param(lambda b: b.send("x", retained=True), "retained", id="retained"),
    pytest.param(lambda b: b.send("x", t=b.now_ms + CLOCK_AHEAD_MS + 1), "clocks is wrong", id="from the future"),
    pytest.param(lambda b: b.by_hand("off") or b.send("x"), "by hand, which wins", id="a hand was there"),
    pytest.param(lambda b: b.by_hand("off") or b.send("x", "release"), "by hand", id="a hand, and a release"),
]


@pytest.mark.parametrize(("act", "reason"), REFUSED)
def test_refused_with_a_reason_and_without_a_move(act: Send, reason: str) -> None:
    bench = Bench()
    act(bench)
    assert bench.states("x") == ["refused"]
    assert reason in bench.reason("x")
    assert bench.moves == []


@pytest.mark.parametrize("action", ["on", "off", "release"])
def test_without_a_clock_nothing_is_carried_out(action: str) -> None:
    bench = Bench()
    bench.synchronised = False
    bench.send("x", action)
    assert (bench.states("x"), bench.moves) == (["refused"], [])
    assert "not synchronised" in bench.reason("x")


def test_what_the_owner_keeps_for_himself_is_never_switched() -> None:
    bench = Bench(rules(allowed=False))
    bench.send("x")
    bench.send("y", "release")
    assert (bench.states("x"), bench.states("y"), bench.moves) == (["refused"], ["refused"], [])
    assert bench.board.infos[0].control == "never"


def test_an_older_command_that_comes_later_is_refused() -> None:
    bench = Bench()
    bench.send("new", "release")
    bench.send("old", t=bench.now_ms - 1)
    assert (bench.states("old"), bench.on) == (["refused"], True)
    assert "overtaken" in bench.reason("old")


def test_a_repeat_is_answered_again_in_the_same_words_and_carried_out_once() -> None:
    bench = Bench()
    bench.send("c1")
    last = bench.told[-1]
    bench.wait(MINUTE_MS)
    bench.send("c1")
    assert bench.told[-1] == last
    bench.wait(HOUR_MS)
    bench.send("c1", lasts_ms=HOUR_MS)  # the same id again, with another end: still no
    assert bench.states("c1") == ["accepted", "done", "done", "expired", "expired"]
    assert len(bench.moves) == 2


@pytest.mark.parametrize(("lasts_ms", "answer"), [(4 * MINUTE_MS, "refused"), (10 * MINUTE_MS, "accepted")])
def test_the_least_time_is_waited_for_where_there_is_time_left(lasts_ms: int, answer: str) -> None:
    bench = Bench()
    bench.send("c1", lasts_ms=4 * MINUTE_MS)
    bench.wait(4 * MINUTE_MS)  # on again, for five minutes at least
    bench.send("c2", lasts_ms=lasts_ms)
    assert (bench.states("c2"), bench.on) == ([answer], True)
    if answer == "accepted":
        assert bench.reason("c2") == "in 5 min, after its least time"
        bench.wait(4 * MINUTE_MS)
        assert bench.on
        bench.wait(MINUTE_MS)
        assert (bench.states("c2"), bench.on) == (["accepted", "done"], False)


def test_an_end_waits_for_the_least_time_as_well() -> None:
    bench = Bench()
    bench.send("c1", lasts_ms=MINUTE_MS)
    bench.wait(MINUTE_MS)
    assert (bench.states("c1")[-1], bench.on) == ("expired", False)
    bench.wait(2 * MINUTE_MS)
    assert bench.on


def test_a_boiler_is_not_kept_off_for_longer_than_its_owner_allows_in_a_day() -> None:
    bench = Bench(rules(max_off_ms=2 * HOUR_MS))
    bench.send("c1", lasts_ms=90 * MINUTE_MS)
    bench.wait(3 * HOUR_MS)
    bench.send("c2", lasts_ms=90 * MINUTE_MS)
    answer = bench.told[-1].command
    assert answer is not None
    assert (answer.state, answer.expires_at - bench.now_ms) == ("done", 30 * MINUTE_MS)
    bench.wait(30 * MINUTE_MS)
    assert (bench.states("c2"), bench.on) == (["accepted", "done", "expired"], True)
    assert bench.reason("c2") == "2 h off in 24 h are the most"
    bench.wait(10 * MINUTE_MS)
    bench.send("c3")
    assert bench.states("c3") == ["refused"]
    bench.wait(DAY_MS, step_ms=HOUR_MS)
    bench.send("c4")
    assert bench.states("c4") == ["accepted", "done"]


def test_keeping_it_off_in_pieces_is_not_cheaper() -> None:
    bench = Bench(rules(max_off_ms=HOUR_MS, min_on_ms=0, min_off_ms=0))
    off_ms = 0
    for number in range(300):
        bench.send(f"c{number}", lasts_ms=MINUTE_MS)
        off_ms += 0 if bench.on else MINUTE_MS
        bench.wait(2 * MINUTE_MS)
    assert off_ms == HOUR_MS


# ---- a hand at the relay, or at the gateway


def test_a_hand_at_the_relay_ends_the_command_and_wins_for_its_time() -> None:
    bench = Bench(rules(manual_ms=2 * HOUR_MS))
    bench.send("c1")
    bench.wait(10 * MINUTE_MS)
    bench.by_hand("on")
    assert (bench.states("c1")[-1], bench.mode) == ("overridden", "manual")
    bench.by_hand("off")
    bench.wait(2 * HOUR_MS - MINUTE_MS)
    assert not bench.on
    bench.wait(MINUTE_MS)
    assert (bench.on, bench.mode) == (True, "auto")
    bench.wait(RULES.min_on_ms)
    bench.send("c2")
    assert bench.states("c2") == ["accepted", "done"]


def test_a_hand_without_a_command_is_told_too() -> None:
    bench = Bench()
    bench.by_hand("off")
    answer = bench.told[-1].command
    assert answer is not None
    assert (answer.id, answer.state, answer.mode, answer.switched) == ("", "overridden", "manual", "off")


def test_a_hand_at_the_gateway_switches_at_once_and_for_as_long_as_it_likes() -> None:
    bench = Bench()
    bench.send("c1", lasts_ms=MINUTE_MS)
    bench.board.loads["boiler"].by_hand("on", 0, bench.now_ms)
    bench.turn()
    assert (bench.on, bench.mode, bench.states("c1")[-1]) == (True, "manual", "overridden")
    bench.wait(10 * DAY_MS, step_ms=HOUR_MS)
    assert bench.mode == "manual"
    bench.board.loads["boiler"].by_hand("auto", 0, bench.now_ms)
    bench.turn()
    assert (bench.on, bench.mode) == (True, "auto")


def test_a_hand_may_switch_what_the_cloud_may_not() -> None:
    bench = Bench(rules(allowed=False))
    bench.board.loads["boiler"].by_hand("off", bench.now_ms + HOUR_MS, bench.now_ms)
    bench.turn()
    assert (bench.on, bench.mode) == (False, "manual")
    bench.wait(HOUR_MS)
    assert (bench.on, bench.mode) == (True, "auto")


def test_a_hand_before_the_deferred_command_wins() -> None:
    bench = Bench()
    bench.send("c1", lasts_ms=4 * MINUTE_MS)
    bench.wait(4 * MINUTE_MS)
    bench.send("c2")
    bench.by_hand("off")
    assert (bench.states("c2"), bench.mode) == (["accepted", "overridden"], "manual")


# ---- a relay that does not answer


def test_a_dead_relay_refuses_and_is_brought_back_when_it_answers() -> None:
    bench = Bench()
    bench.dead = True
    bench.send("c1")
    assert bench.states("c1") == ["accepted", "refused"]
    assert bench.reason("c1") == "the relay does not answer: no answer"
    assert bench.board.infos[0].state == "unknown"
    bench.dead = False
    bench.relays["boiler"] = False  # it had heard after all
    bench.board.loads["boiler"].switched(on=True, now_ms=bench.now_ms)  # its thread had gone on trying
    bench.relays["boiler"] = True
    bench.turn()
    assert (bench.on, bench.mode) == (True, "auto")


@pytest.mark.parametrize(("later_ms", "mode"), [(MINUTE_MS, "auto"), (STRAY_MS + MINUTE_MS, "manual")])
def test_an_order_carried_out_late_is_no_hand(later_ms: int, mode: str) -> None:
    bench = Bench()
    load = bench.board.loads["boiler"]
    bench.board.take(bench.command("c1"), bench.now_ms, synchronised=True)
    (order,) = bench.board.orders(bench.now_ms)
    load.failed(order.on, "no answer", bench.now_ms)
    (back,) = bench.board.orders(bench.now_ms)
    assert back.on
    load.failed(on=True, problem="no answer", now_ms=bench.now_ms)
    failed_ms = bench.now_ms
    load.seen(on=True, now_ms=bench.now_ms)
    load._ordered = None  # its thread has given up: another order came and went
    load.state.unsure = False
    load._failed = (False, failed_ms + STRAY_MS)
    bench.now_ms += later_ms
    bench.by_hand("off")
    bench.wait(RULES.min_off_ms)
    assert bench.mode == mode
    assert bench.on is (mode == "auto")


def test_the_end_of_a_hold_is_told_even_if_the_relay_is_dead() -> None:
    bench = Bench()
    bench.send("c1")
    bench.dead = True
    bench.wait(HOUR_MS)
    assert bench.states("c1")[-1] == "expired"
    assert bench.board.loads["boiler"].wish is True


# ---- clock, connection, start and end


def test_a_clock_that_stays_away_lets_go() -> None:
    bench = Bench()
    bench.send("c1")
    bench.synchronised = False
    bench.wait(CLOCK_GRACE_MS - MINUTE_MS)
    assert not bench.on
    bench.wait(2 * MINUTE_MS)
    assert (bench.states("c1")[-1], bench.on) == ("released", True)


@pytest.mark.parametrize(("loss_ms", "end"), [(15 * MINUTE_MS, "released"), (0, "expired")])
def test_a_broker_that_stays_away_lets_go_where_the_owner_wants_that(loss_ms: int, end: str) -> None:
    bench = Bench(rules(loss_ms=loss_ms))
    bench.send("c1")
    bench.connected = False
    bench.wait(14 * MINUTE_MS)
    assert not bench.on
    bench.wait(HOUR_MS)
    assert (bench.states("c1")[-1], bench.on) == (end, True)


def test_a_short_loss_of_the_broker_changes_nothing() -> None:
    bench = Bench()
    bench.send("c1")
    for _ in range(3):
        bench.connected = False
        bench.wait(10 * MINUTE_MS)
        bench.connected = True
        bench.wait(MINUTE_MS)
    assert (bench.states("c1"), bench.on) == (["accepted", "done"], False)


@pytest.mark.parametrize("relay", [None, True, False])
def test_a_power_cut_forgets_no_hold(relay: bool | None) -> None:  # noqa: FBT001 (a column of the table)
    bench = Bench()
    bench.send("c1", lasts_ms=HOUR_MS)
    bench.power_cut(10 * MINUTE_MS, relay=relay)
    bench.wait(RULES.min_on_ms)  # a relay that the power cut has moved counts as just switched
    assert (bench.on, bench.mode) == (False, "auto")
    bench.wait(50 * MINUTE_MS)
    assert (bench.states("c1"), bench.on) == (["accepted", "done", "expired"], True)


@pytest.mark.parametrize("relay", [None, True, False])
def test_what_ended_during_the_power_cut_is_let_go_at_the_start(relay: bool | None) -> None:  # noqa: FBT001 (as above)
    bench = Bench()
    bench.send("c1", lasts_ms=HOUR_MS)
    bench.power_cut(5 * HOUR_MS, relay=relay)
    assert (bench.states("c1"), bench.on, bench.mode) == (["accepted", "done", "expired"], True, "auto")


def test_a_power_cut_repeats_nothing() -> None:
    bench = Bench()
    bench.send("c1", lasts_ms=HOUR_MS)
    bench.send("c2", "release")
    bench.power_cut()
    bench.send("c1", lasts_ms=HOUR_MS)
    bench.wait(RULES.min_off_ms)
    assert (bench.states("c1")[-1], bench.on) == ("released", True)


def test_a_hand_survives_a_power_cut() -> None:
    bench = Bench()
    bench.by_hand("off")
    bench.power_cut(HOUR_MS)
    assert (bench.on, bench.mode) == (False, "manual")


@pytest.mark.parametrize(("at_start", "on"), [(True, True), (False, False)])
def test_a_load_of_which_nothing_is_known_is_let_go_or_left_as_it_is_found(*, at_start: bool, on: bool) -> None:
    bench = Bench(rules(release_at_start=at_start))
    bench.send("c1")
    bench.power_cut(forget=True)
    bench.wait(RULES.min_off_ms)
    assert bench.on is on


def test_control_that_the_owner_takes_back_ends_the_hold_at_the_next_start() -> None:
    bench = Bench()
    bench.send("c1")
    bench.wait(10 * MINUTE_MS)
    bench.rules = (rules(allowed=False),)
    bench.power_cut()
    assert (bench.states("c1")[-1], bench.on) == ("released", True)


def test_an_orderly_end_lets_go_without_waiting_for_the_least_time() -> None:
    bench = Bench()
    bench.send("c1")
    bench.board.stop(bench.now_ms)
    (order,) = bench.board.orders(bench.now_ms, at_once=True)
    assert order == ("boiler", True)
    assert [event.command.state for event in bench.board.take_answers() if event.command] == ["released"]


@pytest.mark.parametrize("by_ms", [-5 * HOUR_MS, 5 * HOUR_MS])
def test_a_clock_that_is_set_moves_durations_and_not_ends(by_ms: int) -> None:
    bench = Bench(rules(manual_ms=2 * HOUR_MS))
    bench.by_hand("off")
    bench.board.clock_set(by_ms)
    bench.now_ms += by_ms
    bench.wait(2 * HOUR_MS - MINUTE_MS)
    assert bench.mode == "manual"
    bench.wait(MINUTE_MS)
    assert bench.mode == "auto"
    bench.wait(HOUR_MS)
    bench.send("c1", lasts_ms=6 * HOUR_MS)
    until_ms = bench.now_ms + RULES.max_off_ms
    bench.board.clock_set(-by_ms)
    bench.now_ms -= by_ms
    bench.wait(RULES.min_off_ms)
    assert bench.on is (bench.now_ms >= until_ms)


def test_a_clock_that_was_ahead_before_a_start_does_not_block_the_load() -> None:
    bench = Bench()
    bench.send("c1", lasts_ms=MINUTE_MS)
    bench.wait(5 * MINUTE_MS)
    bench.power_cut(-10 * DAY_MS)
    bench.wait(RULES.min_on_ms)
    bench.send("c2", t=bench.now_ms + CLOCK_AHEAD_MS)
    assert bench.states("c2") == ["accepted", "done"]


BOOT_MS = 60_000
"""A gateway without a clock of its own starts in 1970."""


def start_in_1970(bench: Bench) -> None:
    bench.power_cut(BOOT_MS - bench.now_ms)


def set_clock(bench: Bench, by_ms: int) -> None:
    """As the agent does when it sees that the clock was set."""
    bench.now_ms += by_ms
    bench.board.clock_set(by_ms)
    bench.turn()


@pytest.mark.parametrize("right_again", [True, False], ids=["set right", "never set"])
def test_a_hand_does_not_last_for_ever_because_a_gateway_started_in_1970(*, right_again: bool) -> None:
    bench = Bench(rules(manual_ms=4 * HOUR_MS))
    bench.by_hand("off")
    bench.wait(HOUR_MS)
    true_ms = bench.now_ms
    start_in_1970(bench)
    bench.wait(MINUTE_MS)
    if right_again:
        set_clock(bench, true_ms - bench.now_ms)
    bench.wait(4 * HOUR_MS)
    assert (bench.mode, bench.on) == ("auto", True)


def test_time_off_before_a_start_in_1970_still_counts() -> None:
    bench = Bench(rules(max_off_ms=2 * HOUR_MS))
    bench.send("c1", lasts_ms=2 * HOUR_MS)
    bench.wait(90 * MINUTE_MS)
    true_ms = bench.now_ms
    bench.synchronised = False
    start_in_1970(bench)
    bench.wait(CLOCK_GRACE_MS)
    assert bench.states("c1")[-1] == "released"
    set_clock(bench, true_ms + 10 * MINUTE_MS - bench.now_ms)
    bench.synchronised = True
    bench.send("c2", lasts_ms=2 * HOUR_MS)
    bench.wait(31 * MINUTE_MS)
    assert bench.on


def test_a_clock_that_is_trusted_and_starts_in_1970_holds_nothing_for_ever() -> None:
    bench = Bench()
    bench.send("c1", lasts_ms=HOUR_MS)
    start_in_1970(bench)
    bench.wait(5 * MINUTE_MS)
    assert (bench.states("c1")[-1], bench.on) == ("released", True)


def test_a_clock_that_is_set_back_does_not_keep_it_off_for_longer_than_its_owner_allows() -> None:
    bench = Bench(rules(max_off_ms=2 * HOUR_MS))
    bench.send("c1", lasts_ms=HOUR_MS)
    bench.wait(30 * MINUTE_MS)
    set_clock(bench, -12 * HOUR_MS)
    bench.wait(2 * HOUR_MS)
    assert bench.on


def test_an_answer_can_be_read_by_the_cloud_whatever_the_relay_says_and_the_cloud_asks() -> None:
    bench = Bench()
    bench.dead = True
    bench.send("c1")
    bench.board.loads["boiler"].failed(False, "no " * 1000, bench.now_ms)  # noqa: FBT003 (the port's)
    bench.send("c2", f"{'a' * 31} b")
    bench.send("c3", f"{'a' * 31} b", load="pump")
    events = Events(v=1, gateway="gw-1", site="house", log="log", seq=1, events=bench.told)
    assert len(decode_events(encode(events), "gw-1").events) == len(bench.told)
