"""From readings to intervals, reading by reading, in bounded memory.

The hot path of the agent: one dictionary look-up and a few additions a
reading, in plain floats; arrays are made only when intervals close. The
numbers are those of `wattline.intervals.aggregate`, bit for bit.
"""

import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import starmap
from typing import Any, ClassVar, Final, Protocol

import numpy as np
import numpy.typing as npt

from wattline.intervals import HOUR_MS, Intervals, judged_quantity
from wattline.quantities import Kind, quantity
from wattline.reading import Reading
from wattline.wire import MAX_AHEAD_MS, MIN_TIME_MS

MAX_METERS: Final = 4096
MAX_CLOSED: Final = 200_000
"""Closed intervals kept until they are asked for; then the oldest go, counted."""
MAX_VALUE: Final = 1e12
"""No meter measures more of anything; NaN and Inf fail the comparison too."""

_Row = tuple[int, int, int, float, float, float, float, int]
"""The columns of `Intervals`."""
_TYPES: Final = (np.int64, np.int64, np.int64, np.float64, np.float64, np.float64, np.float64, np.int64)


class _Accumulator(Protocol):
    """Collects the judged quantity of one meter."""

    quantity: str
    last_ms: int

    def take(self, reading: Reading, value: float) -> _Row | None:
        """Take a newer value in; the interval that it closes, if any."""

    def close(self, before_ms: int) -> _Row | None:
        """The open interval, if it ends at or before `before_ms`."""

    def forget(self) -> None:
        """Drop what is open: its time cannot be believed."""

    def numbers(self) -> list[float]:
        """What `restored` needs after a restart."""

    def restored(self, numbers: Sequence[float]) -> None:
        """Go on where `numbers` were taken."""


class _Sampled:
    """A rate that is sampled: mean, extremes and spread of the samples."""

    __slots__ = (
        "_count",
        "_first",
        "_high",
        "_length",
        "_low",
        "_offset",
        "_row",
        "_square",
        "_start",
        "last_ms",
        "quantity",
    )

    def __init__(self, row: int, name: str, length_ms: int) -> None:
        self.quantity, self.last_ms = name, 0
        self._row, self._length, self._start = row, length_ms, 0
        self.forget()

    def take(self, reading: Reading, value: float) -> _Row | None:
        t_ms = reading.t_ms
        closed = self.close(t_ms)
        self.last_ms = t_ms
        if self._count == 0:
            self._start = t_ms - t_ms % self._length
            self._first = self._low = self._high = value
        offset = value - self._first
        self._count += 1
        self._offset += offset
        self._square += offset * offset
        if value < self._low:
            self._low = value
        elif value > self._high:
            self._high = value
        return closed

    def close(self, before_ms: int) -> _Row | None:
        n = self._count
        if n == 0 or self._start + self._length > before_ms:
            return None
        offset = self._offset / n
        spread = math.sqrt(max(self._square / n - offset * offset, 0.0))
        row = (self._row, self._start, self._length, self._first + offset, self._low, self._high, spread, n)
        self.forget()
        return row

    def forget(self) -> None:
        self._count: int = 0
        self._first = self._low = self._high = self._offset = self._square = 0.0

    def numbers(self) -> list[float]:
        return [self._start, self._count, self._first, self._low, self._high, self._offset, self._square]

    def restored(self, numbers: Sequence[float]) -> None:
        start, count, self._first, self._low, self._high, self._offset, self._square = numbers[:7]
        self._start, self._count = int(start), int(count)


class _Register:
    """A counter: its growth per hour from the last reading of one interval to that of the next.

    A reading at the very end of an interval belongs to it: it tells what was
    used before.
    """

    __slots__ = (
        "_anchor",
        "_anchor_ms",
        "_count",
        "_last",
        "_length",
        "_most",
        "_row",
        "_skipped",
        "_start",
        "last_ms",
        "quantity",
    )
    _anchor: float
    _anchor_ms: int
    _count: int
    _last: float
    _start: int

    def __init__(self, row: int, name: str, length_ms: int, skipped: Counter[str]) -> None:
        self.quantity, self.last_ms = name, 0
        self._row, self._length, self._skipped = row, length_ms, skipped
        self._most = quantity(name).max_per_hour or MAX_VALUE
        self.forget()

    def take(self, reading: Reading, value: float) -> _Row | None:
        t_ms = reading.t_ms
        closed = self.close(t_ms - 1)
        if self._anchor_ms == 0:
            self._anchor, self._anchor_ms = value, t_ms
        elif self._count == 0:
            self._start = t_ms - 1 - (t_ms - 1) % self._length
            self._count = 1
        else:
            self._count += 1
        self._last, self.last_ms = value, t_ms
        return closed

    def close(self, before_ms: int) -> _Row | None:
        if self._count == 0 or self._start + self._length > before_ms:
            return None
        rate = (self._last - self._anchor) * (HOUR_MS / (self.last_ms - self._anchor_ms))
        n, self._count = self._count, 0
        self._anchor, self._anchor_ms = self._last, self.last_ms
        if not 0.0 <= rate <= self._most:
            self._skipped["register_jumped"] += 1
            return None
        return (self._row, self._start, self._length, rate, rate, rate, 0.0, n)

    def forget(self) -> None:
        self._anchor = self._last = 0.0
        self._start = 0
        self._count = self._anchor_ms = 0

    def numbers(self) -> list[float]:
        return [self._start, self._count, self._anchor, self._anchor_ms, self._last, 0.0, 0.0]

    def restored(self, numbers: Sequence[float]) -> None:
        start, count, self._anchor, anchor_ms, self._last = numbers[:5]
        self._start, self._count, self._anchor_ms = int(start), int(count), int(anchor_ms)


class _Amount:
    """An amount: every reading is an interval of its own."""

    __slots__ = ("_length", "_row", "last_ms", "quantity")

    def __init__(self, row: int, name: str, length_ms: int) -> None:
        self.quantity, self.last_ms = name, 0
        self._row, self._length = row, length_ms

    def take(self, reading: Reading, value: float) -> _Row:
        self.last_ms = reading.t_ms
        length = reading.interval_ms or self._length
        rate = value * (HOUR_MS / length)
        return (self._row, reading.t_ms, length, rate, rate, rate, 0.0, 1)

    def close(self, before_ms: int) -> None:
        """Nothing is ever open."""

    def forget(self) -> None:
        """Nothing is ever open."""

    def numbers(self) -> list[float]:
        return [0.0] * 7

    def restored(self, numbers: Sequence[float]) -> None:
        """Nothing is ever open."""


class IntervalAccumulator:
    """Cuts the judged quantity of all meters of a gateway into intervals.

    Attributes:
        skipped: Readings and intervals left out, by reason: `late` (not newer
            than the meter's last), `no_number`, `time` (before 2000 or over a
            day ahead), `register_jumped`, `too_many_meters`, `overflow`.
        choices: How often a quantity was chosen to speak for a meter; while it
            stays, `names` and `quantities` do too.
    """

    _STATE: ClassVar = ("meters", "quantities", "numbers")

    def __init__(self, interval_ms: int = 60_000, *, grace_ms: int = 5_000) -> None:
        """Start without meters.

        Args:
            interval_ms: Length of a detection interval; amounts keep their own.
            grace_ms: How long after its end an interval waits for readings.
        """
        self.skipped: Counter[str] = Counter()
        self.choices = 0
        self._interval_ms, self._grace_ms = interval_ms, grace_ms
        self._meters: dict[str, _Accumulator | None] = {}
        self._rows: dict[str, int] = {}
        self._closed: deque[_Row] = deque(maxlen=MAX_CLOSED)

    @property
    def names(self) -> list[str]:
        """Meter ids by the row that `Intervals.meter` speaks of."""
        return list(self._rows)

    @property
    def quantities(self) -> list[str]:
        """What speaks for each meter, by the same row."""
        return [self.quantity_of(meter) for meter in self._rows]

    def quantity_of(self, meter: str) -> str:
        """The quantity that speaks for a meter; "" for none."""
        found = self._meters.get(meter)
        return found.quantity if found is not None else ""

    def add(self, readings: Iterable[Reading]) -> None:
        """Take readings of any meters in, each meter's in the order of time."""
        meters = self._meters
        for reading in readings:
            meter = meters.get(reading.meter)
            value = reading.values.get(meter.quantity) if meter is not None else None
            if meter is None or value is None:
                meter = self._chosen(reading, meter)
                if meter is None:
                    continue
                value = reading.values[meter.quantity]
            self._take(meter, reading, value)

    def _take(self, meter: _Accumulator, reading: Reading, value: float) -> None:
        if reading.t_ms <= meter.last_ms:
            self.skipped["late"] += 1
        elif not -MAX_VALUE < value < MAX_VALUE:
            self.skipped["no_number"] += 1
        elif reading.t_ms < MIN_TIME_MS:
            self.skipped["time"] += 1
        else:
            row = meter.take(reading, value)
            if row is not None:
                self._keep(row)

    def _keep(self, row: _Row) -> None:
        if len(self._closed) == MAX_CLOSED:
            self.skipped["overflow"] += 1
        self._closed.append(row)

    def _chosen(self, reading: Reading, meter: _Accumulator | None) -> _Accumulator | None:
        """The accumulator for a reading without the quantity followed so far."""
        names = reading.values if meter is None else [*reading.values, meter.quantity]
        name = judged_quantity(names)
        if not name or (meter is not None and name == meter.quantity):
            return None
        if reading.meter not in self._rows and len(self._rows) >= MAX_METERS:
            self.skipped["too_many_meters"] += 1
            return None
        return self._follow(reading.meter, name)

    def _follow(self, meter: str, name: str) -> _Accumulator:
        row = self._rows.setdefault(meter, len(self._rows))
        kind = quantity(name).kind
        made: _Accumulator
        if kind is Kind.COUNTER:
            made = _Register(row, name, self._interval_ms, self.skipped)
        elif kind is Kind.AMOUNT:
            made = _Amount(row, name, self._interval_ms)
        else:
            made = _Sampled(row, name, self._interval_ms)
        self._meters[meter] = made
        self.choices += 1
        return made

    def close_due(self, now_ms: int) -> Intervals:
        """The intervals that closed since the last call.

        An interval closes when a newer reading of its meter comes, or when
        `now_ms` is past its end and the grace.

        Args:
            now_ms: The wall clock, ms UTC.

        Returns:
            Rows of any number of intervals per meter, a meter's in order.
        """
        for meter in self._meters.values():
            if meter is None:
                continue
            if meter.last_ms > now_ms + MAX_AHEAD_MS:
                self.skipped["time"] += 1
                meter.forget()
                meter.last_ms = 0
            row = meter.close(now_ms - self._grace_ms)
            if row is not None:
                self._keep(row)
        rows = [row for row in self._closed if row[1] <= now_ms + MAX_AHEAD_MS]
        self._closed.clear()
        return _columns(rows)

    def export(self) -> dict[str, npt.NDArray[Any]]:
        """What is open, as arrays, for `restore` after a restart."""
        followed = [self._meters[meter] for meter in self._rows]
        return {
            "meters": np.array(self.names, dtype=np.str_),
            "quantities": np.array([meter.quantity for meter in followed if meter], dtype=np.str_),
            "numbers": np.array([[meter.last_ms, *meter.numbers()] for meter in followed if meter], np.float64),
        }

    def restore(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go on from what `export` gave.

        Raises:
            ValueError: The arrays are not such a state.
        """
        meters, quantities, numbers = (arrays[name] for name in self._STATE)
        if not len(meters) == len(quantities) == len(numbers) <= MAX_METERS or not np.isfinite(numbers).all():
            raise ValueError("no state of open intervals")
        for meter, name, row in zip(meters.tolist(), quantities.tolist(), numbers.tolist(), strict=True):
            followed = self._follow(meter, name)
            followed.last_ms = int(row[0])
            followed.restored(row[1:])


def _columns(rows: Sequence[_Row]) -> Intervals:
    columns = zip(*rows, strict=True) if rows else [()] * len(_TYPES)
    return Intervals(*starmap(np.array, zip(columns, _TYPES, strict=True)))
