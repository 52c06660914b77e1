"""Readings into frames: the JSON text that the outbox keeps.

Pure: no clock, no files. Values are never touched one by one; a reading's
values stay one tuple until the flush turns rows into columns.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from wattline.errors import DecodeError
from wattline.quantities import quantity
from wattline.reading import Reading
from wattline.wire import Event, Frame

TARGET_BYTES: Final = 64_000
"""What a payload is filled up to: large enough to be cheap, half of the wire's limit."""

EVENTS_PER_BATCH: Final = 200
"""An event is a few hundred bytes."""

_ENCODE: Final = msgspec.json.Encoder().encode
_Key = tuple[str, int, tuple[str, ...]]


class _Rows:
    """The readings of one meter with the same quantities and interval."""

    __slots__ = ("picked", "t", "values")

    def __init__(self, picked: tuple[int, ...] | None) -> None:
        self.picked = picked
        """Positions of the quantities that the wire knows; None when all are."""
        self.t: list[int] = []
        self.values: list[Iterable[float]] = []


class Batcher:
    """Collects readings and hands them out as the JSON of `frames` arrays.

    Attributes:
        values: How many values wait for the next flush.
        refused: Values dropped since their quantity has no unit we know.
    """

    def __init__(self, target_bytes: int = TARGET_BYTES) -> None:
        self._target_bytes = target_bytes
        self._rows: dict[_Key, _Rows] = {}
        self.values = 0
        self.refused = 0

    def add(self, readings: Iterable[Reading]) -> None:
        """Take readings; their values must not change afterwards."""
        for reading in readings:
            values = reading.values
            key = (reading.meter, reading.interval_ms, tuple(values))
            rows = self._rows.get(key)
            if rows is None:
                rows = self._rows[key] = _Rows(_known(key[2]))
            rows.t.append(reading.t_ms)
            rows.values.append(values.values())
            self.values += len(values)

    def flush(self) -> list[bytes]:
        """The JSON texts of everything added since, each near the target or smaller."""
        frames = [piece for key, rows in self._rows.items() for piece in self._pieces(key, rows)]
        self._rows = {}
        self.values = 0
        return _packed(frames, self._target_bytes)

    def _pieces(self, key: _Key, rows: _Rows) -> list[bytes]:
        meter, interval_ms, names = key
        columns: Sequence[Sequence[float]] = list(zip(*rows.values, strict=True))
        if rows.picked is not None:
            self.refused += (len(names) - len(rows.picked)) * len(rows.t)
            names = tuple(names[i] for i in rows.picked)
            columns = [columns[i] for i in rows.picked]
        if not names:
            return []
        return self._encoded(_frame(meter, interval_ms, rows.t, names, columns))

    def _encoded(self, frame: Frame) -> list[bytes]:
        """One frame, or as many pieces of it as it takes to stay near the target."""
        text = _ENCODE(frame)
        if len(text) <= self._target_bytes or (len(frame.t) == 1 and len(frame.q) == 1):
            return [text]
        return [piece for half in _halves(frame) for piece in self._encoded(half)]


def encode_events(events: Sequence[Event]) -> list[bytes]:
    """The JSON texts of `events` arrays, each below the wire's limit."""
    return [_ENCODE(events[i : i + EVENTS_PER_BATCH]) for i in range(0, len(events), EVENTS_PER_BATCH)]


def _known(names: tuple[str, ...]) -> tuple[int, ...] | None:
    picked = tuple(i for i, name in enumerate(names) if _is_quantity(name))
    return None if len(picked) == len(names) else picked


def _is_quantity(name: str) -> bool:
    try:
        quantity(name)
    except DecodeError:
        return False
    return True


def _frame(
    meter: str, interval_ms: int, t: list[int], names: tuple[str, ...], columns: Sequence[Sequence[float]]
) -> Frame:
    # The encoder writes a tuple as it writes a list, and NaN as null; a copy into lists would cost as much as both.
    q: dict[str, list[float | None]] = dict(zip(names, columns, strict=True))  # type: ignore[arg-type]
    return Frame(meter=meter, t=t, q=q, interval_ms=interval_ms)


def _halves(frame: Frame) -> tuple[Frame, Frame]:
    """By rows while there are several, else by quantities."""
    if len(frame.t) > 1:
        cut = len(frame.t) // 2
        return tuple(  # type: ignore[return-value]
            Frame(frame.meter, frame.t[part], {k: v[part] for k, v in frame.q.items()}, frame.interval_ms)
            for part in (slice(cut), slice(cut, None))
        )
    items = list(frame.q.items())
    cut = len(items) // 2
    first, second = dict(items[:cut]), dict(items[cut:])
    return Frame(frame.meter, frame.t, first, frame.interval_ms), Frame(frame.meter, frame.t, second, frame.interval_ms)


def _packed(frames: Iterable[bytes], target_bytes: int) -> list[bytes]:
    """JSON arrays of whole frames, filled up to the target."""
    arrays: list[bytes] = []
    chosen: list[bytes] = []
    size = 0
    for frame in frames:
        if chosen and size + len(frame) > target_bytes:
            arrays.append(b"[" + b",".join(chosen) + b"]")
            chosen, size = [], 0
        chosen.append(frame)
        size += len(frame) + 1
    if chosen:
        arrays.append(b"[" + b",".join(chosen) + b"]")
    return arrays


MAX_WAITING_VALUES: Final = 200_000
"""Memory is flushed early when so many values wait, as while a long history is read."""

FIRST_FLUSH_MS: Final = 100
"""The very first flush comes soon, so that whoever starts an agent sees it work."""


class FlushTimer:
    """When the batcher's readings go to the outbox: at intervals, or earlier when many wait."""

    def __init__(self, interval_ms: int) -> None:
        self._interval_ms = interval_ms
        self._next_ms = 0

    def due(self, now_ms: int, waiting_values: int) -> bool:
        """Whether to flush now.

        Args:
            now_ms: The wall clock; it may jump.
            waiting_values: `Batcher.values`.
        """
        if waiting_values >= MAX_WAITING_VALUES:
            return True
        if not waiting_values:
            return False
        if not self._next_ms:
            self._next_ms = now_ms + min(FIRST_FLUSH_MS, self._interval_ms)
        jumped = self._next_ms - now_ms > self._interval_ms
        return now_ms >= self._next_ms or jumped

    def flushed(self, now_ms: int) -> None:
        """Start the next interval."""
        self._next_ms = now_ms + self._interval_ms
