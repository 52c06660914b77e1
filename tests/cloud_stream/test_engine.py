"""When a step is called again: one timer a step, soon while there is work, rarely when there is none."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cloud_stream.engine import SOON_S, TIMER_S, TIMER_SHARE, StepLogic, TimerShare, now_ms


class Echo:
    """Passes items on; settled when it has done so in a timer."""

    def __init__(self, *, works_s: float = 0.0, rests: bool = True) -> None:
        self.held: list[int] = []
        self.times_ms: list[int] = []
        self._works_s = works_s
        self._rests = rests

    @property
    def settled(self) -> bool:
        return self._rests and not self.held

    def on_batch(self, batch: list[int], now_ms: int) -> list[int]:
        self.times_ms.append(now_ms)
        self.held += batch
        return [-one for one in batch]

    def on_timer(self, now_ms: int) -> list[int]:
        self.times_ms.append(now_ms)
        time.sleep(self._works_s)
        due, self.held = self.held, []
        return due

    def snapshot(self, now_ms: int) -> list[int]:
        self.times_ms.append(now_ms)
        return list(self.held)

    def restore(self, state: Any) -> None:  # noqa: ANN401 (see `Step`)
        self.held = list(state)


def logic(
    step: Echo,
    state: Any = None,  # noqa: ANN401 (see `Step`)
    calls: list[Any] | None = None,
    share: TimerShare | None = None,
) -> StepLogic[int, int]:
    return StepLogic(step, state, (calls if calls is not None else []).append, share or TimerShare())


def waits_s(of: StepLogic[int, int], since: datetime) -> float:
    at = of.notify_at()
    assert at is not None
    return (at - since).total_seconds()


def test_items_go_through_and_the_timer_brings_what_is_due() -> None:
    calls: list[Any] = []
    step = Echo()
    of = logic(step, calls=calls)
    assert of.on_batch([1, 2]) == ([-1, -2], False)
    assert of.on_notify() == ([1, 2], False)
    assert calls == [step, step]


def test_steps_are_told_the_time() -> None:
    step, begin_ms = Echo(), now_ms()
    of = logic(step)
    of.on_batch([1])
    of.on_notify()
    of.snapshot()
    assert begin_ms <= step.times_ms[0] <= step.times_ms[1] <= step.times_ms[2] <= now_ms()


def test_a_new_step_is_looked_at_soon() -> None:
    since = datetime.now(UTC)
    assert waits_s(logic(Echo()), since) >= TIMER_S


def test_a_settled_step_sleeps_long_and_a_batch_wakes_it() -> None:
    of = logic(Echo())
    since = datetime.now(UTC)
    of.on_notify()
    assert waits_s(of, since) > 10 * TIMER_S
    of.on_batch([1])
    assert SOON_S < waits_s(of, since) <= TIMER_S + (datetime.now(UTC) - since).total_seconds()


def test_a_step_that_has_rested_is_called_soon_and_not_again_before_its_time() -> None:
    of = logic(Echo())
    of.on_notify()
    of._rested_at = datetime.now(UTC) - timedelta(seconds=1)
    of._at = datetime.now(UTC) + timedelta(seconds=20)
    since = datetime.now(UTC)
    of.on_batch([1])
    assert SOON_S <= waits_s(of, since) < TIMER_S
    since = datetime.now(UTC)
    of.on_notify()
    of.on_batch([2])
    assert waits_s(of, since) >= TIMER_S


def test_more_batches_do_not_put_the_timer_off() -> None:
    of = logic(Echo())
    of.on_batch([1])
    at = of.notify_at()
    of.on_batch([2])
    assert of.notify_at() == at


def test_a_clock_that_was_set_back_stops_no_timer() -> None:
    of = logic(Echo(rests=False))
    of.on_notify()
    of._rested_at += timedelta(days=1)  # as if the clock had been a day ahead then
    of._at += timedelta(days=1)
    since = datetime.now(UTC)
    of.on_batch([1])
    assert waits_s(of, since) < 10 * TIMER_S


def test_a_busy_step_is_called_every_second() -> None:
    of = logic(Echo(rests=False))
    since = datetime.now(UTC)
    of.on_notify()
    assert TIMER_S <= waits_s(of, since) < 10 * TIMER_S


def test_timers_of_all_steps_together_take_a_third_of_the_time_at_most() -> None:
    share = TimerShare()
    some = [logic(Echo(works_s=0.1, rests=False), share=share) for _ in range(5)]
    since = datetime.now(UTC)
    for of in some:
        of.on_notify()
    assert waits_s(some[-1], since) >= 0.1 * len(some) * TIMER_SHARE


def test_steps_that_are_gone_take_no_time() -> None:
    share = TimerShare()
    logic(Echo(works_s=0.5, rests=False), share=share).on_notify()
    of = logic(Echo(rests=False), share=share)
    of.on_notify()
    assert waits_s(of, datetime.now(UTC)) <= TIMER_S


def test_steps_of_another_flow_do_not_share() -> None:
    busy, of = logic(Echo(works_s=0.5, rests=False)), logic(Echo(rests=False))
    busy.on_notify()
    of.on_notify()
    assert waits_s(of, datetime.now(UTC)) <= TIMER_S


def test_the_end_of_the_input_is_a_stop_and_not_an_end() -> None:
    of = logic(Echo())
    of.on_batch([1])
    assert of.on_eof() == ([1], False), "emits what is due and keeps the state"


@pytest.mark.parametrize("held", [[], [3, 4]])
def test_a_step_resumes_from_its_snapshot(held: list[int]) -> None:
    first = logic(Echo())
    first.on_batch(held)
    second = logic(Echo(), first.snapshot())
    assert second.on_notify() == (held, False)
