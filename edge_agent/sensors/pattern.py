"""A meter that is not there: many quantities, exactly on time, from a small table.

For whoever develops a gateway or sizes a machine: it costs next to nothing, so
what is measured is the agent.
"""

import math
import random
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import Annotated, Final

import msgspec

from wattline.config import DurationMs
from wattline.reading import Reading

CYCLE: Final = 60
"""Readings after which the table starts again."""

_CATCH_UP: Final = 2_000
_CHUNK: Final = 500


class PatternOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The `[meter.options]` of a `pattern` meter.

    Attributes:
        quantities: Values in a reading; the first is `power_w`.
        interval: Between readings, which come at multiples of it.
        phase: Where in the table this meter starts.
        history: So much of the past comes at once, before the first live reading.
        history_interval: Between the readings of the history.
    """

    quantities: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 34
    interval: DurationMs = DurationMs(1_000)
    phase: Annotated[int, msgspec.Meta(ge=0)] = 0
    history: DurationMs = DurationMs(0)
    history_interval: DurationMs = DurationMs(60_000)

    def __post_init__(self) -> None:
        """Refuse an interval of nothing.

        Raises:
            ValueError: It is not positive.
        """
        if self.interval <= 0 or self.history_interval <= 0:
            raise ValueError("interval must be longer than 0")


class PatternSensor:
    """Yields a reading at every multiple of the interval."""

    def __init__(self, meter_id: str, options: PatternOptions) -> None:
        self._meter_id = meter_id
        self._options = options
        self._table: Sequence[dict[str, float]] = ()
        self._next_ms = 0
        self._past: Iterator[int] = iter(())
        self._closed = threading.Event()

    def open(self) -> None:
        """Make the table; nothing here can fail."""
        self._closed.clear()
        self._table = _table(self._options.quantities)
        self._next_ms = self._last(time.time_ns() // 1_000_000)
        step_ms = self._options.history_interval
        start_ms = (self._next_ms - self._options.history) // step_ms * step_ms
        self._past = iter(range(start_ms, self._next_ms, step_ms) if self._options.history else ())

    def read(self, timeout_s: float) -> Sequence[Reading]:
        """The readings whose time has come; the history first."""
        if past := list(islice(self._past, _CHUNK)):
            return self._readings(past)
        wait_s = min(self._next_ms / 1000 - time.time(), self._options.interval.seconds)
        if wait_s > 0 and (self._closed.wait(min(wait_s, timeout_s)) or wait_s > timeout_s):
            return ()
        now_ms = time.time_ns() // 1_000_000
        interval_ms = self._options.interval
        if not 0 <= now_ms - self._next_ms <= _CATCH_UP * interval_ms:  # the clock was set
            self._next_ms = self._last(now_ms)
        due = range(self._next_ms, now_ms + 1, interval_ms)
        self._next_ms += len(due) * interval_ms
        return self._readings(due)

    def close(self) -> None:
        """End a `read` that waits."""
        self._closed.set()

    def _readings(self, times_ms: Iterable[int]) -> list[Reading]:
        interval_ms, phase = self._options.interval, self._options.phase
        return [Reading(self._meter_id, t, self._table[(t // interval_ms + phase) % CYCLE]) for t in times_ms]

    def _last(self, now_ms: int) -> int:
        """The newest multiple of the interval: the first reading comes at once."""
        return now_ms // self._options.interval * self._options.interval


@lru_cache(maxsize=8)
def _table(quantities: int) -> tuple[dict[str, float], ...]:
    """Shared by all meters: what is measured shall be the agent's memory."""
    rng = random.Random(quantities)
    names = ["power_w", *(f"channel_{n:03d}_w" for n in range(1, quantities))]
    levels = [rng.uniform(50, 500) for _ in names]
    return tuple(
        {name: _value(level, step, rng) for name, level in zip(names, levels, strict=True)} for step in range(CYCLE)
    )


def _value(level: float, step: int, rng: random.Random) -> float:
    wave = 1 + 0.3 * math.sin(2 * math.pi * step / CYCLE)
    return round(level * wave + rng.gauss(0, 5), 1)


OPTIONS: Final = PatternOptions
SENSOR: Final = PatternSensor
