"""Calm, pending, firing; what the store is told of it, and what people are."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_stream.alerts.condition import Sample, Verdict
from cloud_stream.alerts.lifecycle import CALM, Episode, Phase, State, Timing, Turn, advance

OUT, MID, IN = Verdict.BEYOND, Verdict.BETWEEN, Verdict.CLEAR
PLAIN = Timing(0, 0, 10**9)
WIDTH = 10


def _sample(number: int, verdict: Verdict, *, is_open: bool = False) -> Sample:
    start = number * WIDTH
    until = start if is_open else start + WIDTH
    return Sample(start, until, until, 1.0, 0.0, verdict, is_open=is_open)


def _turns(verdicts: Sequence[Verdict], timing: Timing = PLAIN) -> list[tuple[int, str]]:
    episode = Episode()
    turns: list[Turn] = []
    for number, verdict in enumerate(verdicts, start=1):
        turns += episode.feed([_sample(number, verdict)], timing, now_ms=number * WIDTH)
    return [(turn.sample.t_ms // WIDTH, State(turn.state).name.lower()) for turn in turns if turn.is_news]


@pytest.mark.parametrize(
    ("hold", "keep", "verdicts", "expected"),
    [
        (0, 0, [OUT], [(1, "firing")]),
        (0, 0, [OUT, MID, IN], [(1, "firing"), (3, "calm")]),
        (0, 0, [OUT, MID, OUT, MID, OUT, IN], [(1, "firing"), (6, "calm")]),
        (10, 0, [OUT], [(1, "firing")]),
        (20, 0, [OUT, OUT], [(1, "pending"), (2, "firing")]),
        (20, 0, [OUT, IN, OUT, IN], [(1, "pending"), (2, "calm"), (3, "pending"), (4, "calm")]),
        (20, 0, [OUT, MID, OUT, OUT], [(1, "pending"), (2, "calm"), (3, "pending"), (4, "firing")]),
        (30, 0, [OUT, OUT, OUT, IN], [(1, "pending"), (3, "firing"), (4, "calm")]),
        (0, 30, [OUT, IN, IN, IN], [(1, "firing"), (4, "calm")]),
        (0, 30, [OUT, IN, IN, OUT, IN, IN, IN], [(1, "firing"), (7, "calm")]),
        (0, 30, [OUT, IN, MID, IN, IN, IN], [(1, "firing"), (6, "calm")]),
        (0, 30, [OUT, IN, OUT, IN, OUT, IN, OUT], [(1, "firing")]),
        (20, 20, [OUT, OUT, IN, OUT, IN, IN], [(1, "pending"), (2, "firing"), (6, "calm")]),
    ],
    ids=[
        "at once",
        "between limit and clear nothing changes",
        "flapping across the limit is one alert",
        "one window is as long as for",
        "for is two windows",
        "never long enough",
        "between is not beyond",
        "for is three windows",
        "three calm windows end it",
        "calm begins anew",
        "between is not calm",
        "flapping across both limits is one alert",
        "for and keep",
    ],
)
def test_phases(hold: int, keep: int, verdicts: list[Verdict], expected: list[tuple[int, str]]) -> None:
    assert _turns(verdicts, Timing(hold, keep, 10**9)) == expected


class TestPeople:
    def test_who_was_told_of_the_beginning_is_told_of_the_end(self) -> None:
        assert self._rounds([(1, OUT, 10), (2, IN, 20)]) == ["firing 1", "calm 1"]

    def test_old_news_and_its_end_are_not_told(self) -> None:
        assert self._rounds([(1, OUT, 500), (2, IN, 500)]) == []

    def test_an_end_that_is_old_is_told_all_the_same(self) -> None:
        """People believe that it fires; nothing else would tell them that it does not."""
        assert self._rounds([(1, OUT, 10), (2, IN, 500)]) == ["firing 1", "calm 1"]

    def test_what_goes_on_is_told_once_it_is_fresh(self) -> None:
        assert self._rounds([(1, OUT, 500), (2, OUT, 500), (49, OUT, 500), (50, OUT, 510)]) == ["firing 1"]

    def test_what_is_on_its_way_to_its_end_is_not_told_late(self) -> None:
        assert self._rounds([(1, OUT, 500), (50, IN, 510)], keep=1000) == []

    def test_pending_is_not_told(self) -> None:
        assert self._rounds([(1, OUT, 10), (2, IN, 20)], hold=100) == []

    def test_a_revision_that_turns_twice_is_told_again_under_another_number(self) -> None:
        assert self._rounds([(1, OUT, 20), (1, IN, 21), (1, OUT, 22)]) == ["firing 1", "calm 1", "firing 2"]

    def _rounds(self, steps: list[tuple[int, Verdict, int]], hold: int = 0, keep: int = 0) -> list[str]:
        """News of the last 100 ms are told; (number, verdict, now)."""
        episode, timing = Episode(), Timing(hold, keep, 100)
        said: list[Turn] = []
        for number, verdict, now_ms in steps:
            said += episode.feed([_sample(number, verdict)], timing, now_ms)
        return [f"{State(turn.state).name.lower()} {turn.round}" for turn in said if turn.round]


class TestOpenWindows:
    def _feed(self, *samples: Sample, into: Episode | None = None) -> list[str]:
        episode = into or Episode()
        return [State(turn.state).name.lower() for turn in episode.feed(samples, PLAIN, 1000)]

    def test_an_open_window_makes_it_worse_at_once(self) -> None:
        assert self._feed(_sample(1, OUT, is_open=True)) == ["firing"]

    def test_it_is_told_once_and_not_again_when_it_closes(self) -> None:
        episode = Episode()
        self._feed(_sample(1, OUT, is_open=True), into=episode)
        assert self._feed(_sample(1, OUT, is_open=True), into=episode) == []
        assert self._feed(_sample(1, OUT), into=episode) == []

    def test_what_closes_otherwise_is_taken_back(self) -> None:
        episode = Episode()
        self._feed(_sample(1, OUT, is_open=True), into=episode)
        assert self._feed(_sample(1, IN), into=episode) == ["calm"]

    def test_the_second_open_window_goes_on_where_the_first_is(self) -> None:
        assert self._feed(_sample(1, OUT, is_open=True), _sample(2, OUT, is_open=True)) == ["firing"]


_steps = st.lists(st.tuples(st.integers(0, 2), st.sampled_from([OUT, MID, IN])), max_size=40)
_timing = st.tuples(st.sampled_from([0, 10, 20, 35]), st.sampled_from([0, 10, 25]))


def _series(steps: list[tuple[int, Verdict]]) -> list[Sample]:
    number, samples = 1, []
    for gap, verdict in steps:
        number += gap
        samples.append(_sample(number, verdict))
    return samples


@given(_steps, _timing, st.data())
def test_the_store_ends_with_the_right_states(
    steps: list[tuple[int, Verdict]], lengths: tuple[int, int], data: st.DataObject
) -> None:
    """With revisions, repetitions and restarts, the upserted alerts say what the final samples mean."""
    samples = _series(steps)
    final: dict[int, Sample] = {sample.t_ms: sample for sample in samples}
    phase = CALM
    for t_ms in sorted(final):
        phase = advance(phase, final[t_ms], *lengths)
    episode, stored = Episode(), dict[int, int]()
    for sample in samples:
        repeated = [sample] * data.draw(st.integers(1, 2))
        for turn in episode.feed(repeated, Timing(*lengths, 10**9), 10**6):
            if turn.is_news:
                stored[turn.sample.t_ms] = turn.state
        if data.draw(st.booleans()):
            episode = Episode(*_as_any(episode.freeze()))
    newest = stored[max(stored)] if stored else State.CALM
    assert newest == phase.state


def _as_any(frozen: Any) -> Any:  # noqa: ANN401 - what a snapshot brings back
    return frozen


@given(_steps, _timing)
def test_people_hear_beginnings_and_ends_in_turn(steps: list[tuple[int, Verdict]], lengths: tuple[int, int]) -> None:
    episode = Episode()
    said = [
        (turn.state == State.FIRING, turn.since_ms, turn.round)
        for sample in _series(steps)
        for turn in episode.feed([sample], Timing(*lengths, 10**9), 10**6)
        if turn.round
    ]
    assert [beginning for beginning, *_ in said] == [number % 2 == 0 for number in range(len(said))]
    assert len(set(said)) == len(said)
    assert all(first[1:] == second[1:] for first, second in zip(said[::2], said[1::2], strict=False))


def test_a_calm_episode_is_short_in_a_snapshot() -> None:
    episode = Episode()
    list(episode.feed([_sample(1, IN)], PLAIN, 10))
    assert episode.freeze() == (WIDTH,)
    assert Phase(0, 0, 0) == CALM
