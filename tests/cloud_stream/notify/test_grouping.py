"""Who is told what, and when: an outage is one message, flapping is one alert, nobody is flooded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_stream.notify.grouping import (
    HOUR_MS,
    MOST_UNFINISHED,
    STEPS_ASIDE_AFTER,
    Pace,
    Step,
    WaitingGroup,
    budget,
    is_due,
    messages_due,
    step,
)

PACE = Pace(group_wait_ms=10_000, group_interval_ms=60_000, max_per_hour=3)
T = 1_700_000_000_000


@pytest.mark.parametrize(
    ("state", "told", "waits", "decided"),
    [
        ("firing", False, "", Step.WAIT),
        ("firing", False, "firing", Step.WAIT),
        ("firing", True, "", Step.WAIT),
        ("firing", True, "resolved", Step.CANCEL),
        ("resolved", True, "", Step.WAIT),
        ("resolved", True, "firing", Step.WAIT),
        ("resolved", False, "firing", Step.CANCEL),
        ("resolved", False, "", Step.SKIP),
        ("info", False, "", Step.WAIT),
        ("info", True, "firing", Step.WAIT),
    ],
)
def test_only_what_differs_from_belief_is_told(state: str, *, told: bool, waits: str, decided: Step) -> None:
    assert step(state, told=told, waits=waits) is decided


@given(
    states=st.lists(st.sampled_from(["firing", "resolved"]), max_size=20),
    delivered=st.lists(st.booleans(), min_size=20, max_size=20),
)
def test_a_person_ends_up_believing_what_is(states: list[str], delivered: list[bool]) -> None:
    told, waits, believes = False, "", "resolved"
    for state, goes_out in zip(states, delivered, strict=False):
        decided = step(state, told=told, waits=waits)
        if decided is not Step.SKIP:
            waits = state if decided is Step.WAIT else ""
        if goes_out and waits:
            told, believes, waits = waits == "firing", waits, ""
    final = waits or believes
    assert not states or final == states[-1]


@pytest.mark.parametrize(
    ("first_ms", "last_ms", "told_ms", "now_ms", "due"),
    [
        (T, T, None, T + 9_999, False),
        (T, T, None, T + 10_000, True),
        (T, T + 9_000, None, T + 10_000, False),
        (T, T + 9_000, None, T + 19_000, True),
        (T, T + 59_000, None, T + 60_000, True),
        (T, T, T - 30_000, T + 10_000, False),
        (T, T, T - 50_000, T + 10_000, True),
        (T, T, T + 500_000, T + 10_000, True),
    ],
    ids=[
        "others may come", "nothing more came", "more has come", "calm again", "more comes, but long enough",
        "too soon after the last", "long enough after the last", "the clock was set back",
    ],
)  # fmt: skip
def test_a_group_waits_until_it_is_calm(
    first_ms: int, last_ms: int, told_ms: int | None, now_ms: int, *, due: bool
) -> None:
    assert is_due(WaitingGroup("group", first_ms, last_ms, told_ms), PACE, now_ms) is due


@pytest.mark.parametrize(
    ("budget", "messages"),
    [
        (-1, []),
        (0, []),
        (1, [("a", "b", "c")]),
        (2, [("a",), ("b", "c")]),
        (3, [("a",), ("b",), ("c",)]),
        (9, [("a",), ("b",), ("c",)]),
    ],
)
def test_the_surplus_is_joined(budget: int, messages: list[tuple[str, ...]]) -> None:
    groups = [WaitingGroup(name, T + place, T + place) for place, name in enumerate("abc")]
    groups = [*reversed(groups), WaitingGroup("later", T + 99_999, T + 99_999)]
    assert messages_due(groups, PACE, budget, T + 20_000) == messages


@pytest.mark.parametrize(
    ("recent_ms", "unfinished", "left"),
    [
        ([], [], 3),
        ([T - 1, T - HOUR_MS + 1], [], 1),
        ([T - 1, T - 2, T - 3, T - 4], [], 0),
        ([T - HOUR_MS], [], 3),
        ([T + 999], [], 3),
        ([], [0, 0], 3),
        ([], [1], 0),
        ([], [STEPS_ASIDE_AFTER], 3),
        ([], [STEPS_ASIDE_AFTER, 1], 0),
        ([], [STEPS_ASIDE_AFTER] * (MOST_UNFINISHED - 1), 1),
        ([], [STEPS_ASIDE_AFTER] * MOST_UNFINISHED, 0),
    ],
    ids=[
        "nothing yet", "two in this hour", "more than allowed", "an hour ago", "the clock was set back",
        "not tried yet", "one fails", "it steps aside", "and the next one fails", "many failed", "too many failed",
    ],
)  # fmt: skip
def test_a_channel_has_a_budget(recent_ms: list[int], unfinished: list[int], left: int) -> None:
    assert budget(recent_ms, unfinished, PACE, T) == left


@given(
    waiting=st.lists(st.tuples(st.integers(0, 200_000), st.integers(0, 200_000)), max_size=10),
    allowed=st.integers(0, 5),
)
def test_what_is_due_is_in_one_message(waiting: list[tuple[int, int]], allowed: int) -> None:
    groups = [WaitingGroup(str(n), T + min(pair), T + max(pair)) for n, pair in enumerate(waiting)]
    made = messages_due(groups, PACE, allowed, T + 200_000)
    named = [name for message in made for name in message]
    assert len(made) <= allowed
    assert sorted(named) == (sorted(g.group for g in groups if is_due(g, PACE, T + 200_000)) if allowed else [])
