"""The only place where step classes meet Bytewax's stateful operator.

Steps are plain classes that take batches and times and return lists; this
adapter gives them a clock and a timer. The engine scans all keys at every
activation, so there is one timer per shard, not one per window.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol, TypeVar
from weakref import WeakKeyDictionary

from bytewax.operators import StatefulBatchLogic

V = TypeVar("V")
W = TypeVar("W")
TIMER_S: Final = 1.0
SOON_S: Final = 0.2
"""The timer of a step that rested for `TIMER_S` before its batch: where little goes on, what goes on need not wait.
Timers are no more frequent for it."""
TIMER_SHARE: Final = 3.0
"""Timers of all steps together take at most a third of the time: what arrives goes first."""


class Step(Protocol[V, W]):
    """What a stateful stage of the flow is to the engine."""

    @property
    def settled(self) -> bool:
        """Whether a timer would find nothing to do."""

    def on_batch(self, batch: list[V], now_ms: int) -> list[W]:
        """Take items; return what goes on at once."""

    def on_timer(self, now_ms: int) -> list[W]:
        """Return what has become due."""

    def snapshot(self, now_ms: int) -> Any:  # noqa: ANN401 (each step's own)
        """A picklable copy of the whole state, never changed afterwards."""

    def restore(self, state: Any) -> None:  # noqa: ANN401 (each step's own)
        """Take a snapshot back, before anything else."""


class TimerShare:
    """How long timers take together: all steps of a process share its one worker."""

    def __init__(self) -> None:
        """No step yet."""
        self._took_s: WeakKeyDictionary[StepLogic[Any, Any], float] = WeakKeyDictionary()

    def pause_s(self, logic: "StepLogic[Any, Any]", took_s: float) -> float:
        """How long a step waits for its next timer.

        Args:
            logic: The step's; once it is gone, it takes no time any more.
            took_s: How long its last timer took, 0 when it need not come again soon.
        """
        self._took_s[logic] = took_s
        return max(TIMER_S, TIMER_SHARE * sum(self._took_s.values()))


class StepLogic(StatefulBatchLogic[V, W, Any]):
    """Runs one step under Bytewax.

    Args:
        step: The step of one key.
        state: Its snapshot to resume from, or None.
        after: Called after every call of the step, for counters.
        share: Of all steps of this process.
        settle_every_s: The timer of a settled step, which only lets state go.
        rest_s: Told how long a step that is not settled had better not be woken, when it waits for others.
    """

    def __init__(
        self,
        step: Step[V, W],
        state: Any,  # noqa: ANN401 (each step's own)
        after: Callable[[Step[V, W]], None],
        share: TimerShare,
        settle_every_s: float = 30.0,
        rest_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._step = step
        self._after = after
        self._share = share
        self._settle_every_s = settle_every_s
        self._rest_s = rest_s
        if state is not None:
            step.restore(state)
        self._pause_s = TIMER_S
        self._rested_at = self._at = _now() + timedelta(seconds=TIMER_S)

    def on_batch(self, values: list[V]) -> tuple[list[W], bool]:
        """See `StatefulBatchLogic`."""
        was_settled = self._step.settled
        output = self._step.on_batch(values, now_ms())
        now = _now()
        if self._at > now + timedelta(seconds=self._pause_s):  # the clock was set back: the timer would come that late
            self._rested_at = self._at = now + timedelta(seconds=TIMER_S)
        if was_settled:
            self._at = min(self._at, max(self._rested_at, now + timedelta(seconds=SOON_S)))
        self._after(self._step)
        return output, False

    def on_notify(self) -> tuple[list[W], bool]:
        """See `StatefulBatchLogic`."""
        began = time.perf_counter()
        output = self._step.on_timer(now_ms())
        settled = self._step.settled
        pause_s = self._share.pause_s(self, 0.0 if settled else time.perf_counter() - began)
        now = _now()
        self._rested_at = now + timedelta(seconds=pause_s)
        self._pause_s = self._settle_every_s if settled else max(self._rest_s(), pause_s)
        self._at = now + timedelta(seconds=self._pause_s)
        self._after(self._step)
        return output, False

    def on_eof(self) -> tuple[list[W], bool]:
        """A stop, not an end: emit what is due and keep the state."""
        return self._step.on_timer(now_ms()), False

    def notify_at(self) -> datetime | None:
        """See `StatefulBatchLogic`."""
        return self._at

    def snapshot(self) -> Any:  # noqa: ANN401 (each step's own)
        """See `StatefulBatchLogic`."""
        return self._step.snapshot(now_ms())


def now_ms() -> int:
    """The wall clock, ms UTC."""
    return time.time_ns() // 1_000_000


def _now() -> datetime:
    return datetime.now(UTC)
