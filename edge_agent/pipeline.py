"""The way of a reading through the agent, in order.

```
sensors -> intake +-> judge   -> events -> outbox of events   -+-> publisher
                  |   loads   -> events --^                    |
                  +-> batcher -> frames -> outbox of readings -+
```

The stages know nothing of each other; this module only passes values on.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from edge_agent.batcher import Batcher, FlushTimer, encode_events
from edge_agent.intake import Intake
from edge_agent.outbox import OverflowingWriter
from edge_agent.ports import Loads
from wattline.reading import Reading
from wattline.wire import Event


class Judge(Protocol):
    """Turns readings into anomalies."""

    def add(self, readings: Sequence[Reading]) -> None:
        """Take readings, in any order."""

    def events(self, now_ms: int) -> list[Event]:
        """What was found since the last call: anomalies of intervals that closed, and events of meters."""

    def clock_set(self, by_ms: int) -> None:
        """The wall clock was set by so much."""


class Pipeline:
    """From the intake to the outboxes, one tick at a time.

    Args:
        intake: Where the sensors leave readings.
        judge: Looks at every reading.
        loads: Switch and answer.
        batcher: Makes frames.
        timer: Says when to flush.
        readings: Writes to the outbox of readings.
        events: Writes to the outbox of events.
        on_durable: Called with the intake's marks once everything taken is on disk.
        on_news: Called when an outbox has something new.
    """

    def __init__(  # noqa: PLR0913 (the stages, each once)
        self,
        *,
        intake: Intake,
        judge: Judge,
        loads: Loads,
        batcher: Batcher,
        timer: FlushTimer,
        readings: OverflowingWriter,
        events: OverflowingWriter,
        on_durable: Callable[[Mapping[str, int]], None],
        on_news: Callable[[], None],
    ) -> None:
        self._intake = intake
        self._judge = judge
        self._loads = loads
        self._batcher = batcher
        self._timer = timer
        self._readings = readings
        self._events = events
        self._on_durable = on_durable
        self._on_news = on_news
        self._marks: Mapping[str, int] = {}

    def tick(self, now_ms: int, *, flush: bool = False) -> None:
        """Take what the sensors left; judge it, batch it, and keep it when it is time.

        Args:
            now_ms: The wall clock, ms UTC.
            flush: Keep everything now, as at the end.
        """
        taken = self._intake.take()
        self._judge.add(taken.readings)
        self._batcher.add(taken.readings)
        self._marks = taken.marks
        self.keep_events([*self._judge.events(now_ms), *self._loads.events(now_ms)], now_ms)
        if flush or self._timer.due(now_ms, self._batcher.values + self._readings.held):
            self._keep_readings(now_ms)

    def clock_set(self, by_ms: int) -> None:
        """Tell that the wall clock was set: what waits got no older by it, and no meter was silent for it."""
        self._judge.clock_set(by_ms)
        self._loads.clock_set(by_ms)
        self._readings.clock_set(by_ms)
        self._events.clock_set(by_ms)

    def keep_events(self, events: list[Event], now_ms: int) -> None:
        """Keep events, and those that the disk did not take before."""
        if events or self._events.held:
            self._events.write(encode_events(events), now_ms)
            self._on_news()

    def _keep_readings(self, now_ms: int) -> None:
        durable = self._readings.write(self._batcher.flush(), now_ms)
        self._timer.flushed(now_ms)
        if durable:
            self._on_durable(self._marks)
        self._on_news()
