"""From readings to what they add to each window: one pure, vectorised fold.

The same function serves the windows in memory and their rebuilding from the
store, so that both agree. Definitions, per series (one quantity of one meter)
in the order of time:

* a reading counts in the window that holds its time: n, sum, min, max, last
  (of which only a gauge's are shown);
* a power is also integrated between neighbours (mean of the two, negative
  parts as zero) when they are at most `MAX_HOLD_MS` apart;
* a counter's difference between neighbours is consumption, spread evenly over
  the time between them, unless it is a reset, a swapped meter or a glitch
  (see `counter_steps`) or they are more than `MAX_SPREAD_MS` apart;
* an amount is spread evenly over its interval.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from cloud_stream.records import Floats, Int64s
from wattline.quantities import Kind, Quantity

HOUR_MS: Final = 3_600_000
MAX_HOLD_MS: Final = HOUR_MS
"""A power is not assumed to have gone on for longer than this unseen."""
MAX_SPREAD_MS: Final = 31 * 24 * HOUR_MS
"""A register that was silent for longer starts anew: bounds what one row can cost."""
NO_TIME: Final = -(2**62)
"""Stands for "no reading before" where a time is expected."""
WINDOW_BITS: Final = 32
_ROLL_OVER_FROM: Final = 0.9
_ROLL_OVER_TO: Final = 0.1


class Rule(IntEnum):
    """How a series' values become usage."""

    GAUGE = 0
    POWER = 1
    COUNTER = 2
    AMOUNT = 3


def rule_of(quantity: Quantity) -> Rule:
    """The rule that a quantity follows."""
    if quantity.kind is Kind.COUNTER:
        return Rule.COUNTER
    if quantity.kind is Kind.AMOUNT:
        return Rule.AMOUNT
    return Rule.POWER if quantity.usage else Rule.GAUGE


@dataclass(frozen=True, slots=True)
class Rows:
    """Readings of many series, sorted by series, then strictly by time.

    Attributes:
        series: Number of the series.
        t_ms: Time.
        value: Never NaN.
        interval_ms: Of amounts; 0 for others.
        before_ms: The time of the reading before this one in its series, or
            `NO_TIME`. before: its value.
    """

    series: Int64s
    t_ms: Int64s
    value: Floats
    interval_ms: Int64s
    before_ms: Int64s
    before: Floats

    def where(self, keep: npt.NDArray[np.bool_]) -> "Rows":
        """The rows chosen by a mask."""
        return Rows(*(getattr(self, name)[keep] for name in _ROW_FIELDS))


_ROW_FIELDS: Final = tuple(Rows.__dataclass_fields__)


def joined(one: Rows, other: Rows) -> Rows:
    """The rows of both, sorted as rows are."""
    rows = Rows(*(np.concatenate([getattr(one, name), getattr(other, name)]) for name in _ROW_FIELDS))
    order = np.lexsort((rows.t_ms, rows.series))
    return Rows(*(getattr(rows, name)[order] for name in _ROW_FIELDS))


@dataclass(frozen=True, slots=True)
class Rules:
    """What `Rows` mean, by the number of the series."""

    rule: npt.NDArray[np.int8]
    integral_per_hour: Floats
    max_per_hour: Floats


@dataclass(frozen=True, slots=True)
class Cells:
    """What one window of one series holds; sorted by `code`, each once.

    Attributes:
        code: (series << 32) | window number.
        n: Readings. total: their sum. low, high: their extremes.
        last: The newest value; 0 where `n` is 0.
        amount: Consumption. covered_ms: the time that it speaks for.
    """

    code: Int64s
    n: Int64s
    total: Floats
    low: Floats
    high: Floats
    last: Floats
    amount: Floats
    covered_ms: Int64s

    def __len__(self) -> int:
        """How many cells there are."""
        return len(self.code)

    @property
    def series(self) -> Int64s:
        """Of each cell, its series."""
        return self.code >> WINDOW_BITS

    @property
    def window(self) -> Int64s:
        """Of each cell, its window number: start / width."""
        return self.code & ((1 << WINDOW_BITS) - 1)

    def where(self, keep: npt.NDArray[np.bool_]) -> "Cells":
        """The cells chosen by a mask."""
        return Cells(*(getattr(self, name)[keep] for name in _CELL_FIELDS))

    def take(self, places: Int64s) -> "Cells":
        """The cells at these places, in their order."""
        return Cells(*(getattr(self, name)[places] for name in _CELL_FIELDS))


_CELL_FIELDS: Final = tuple(Cells.__dataclass_fields__)


def no_cells() -> Cells:
    """An empty set of cells."""
    whole, real = np.empty(0, np.int64), np.empty(0, np.float64)
    return Cells(whole, whole, real, real, real, real, real, whole)


def fold(rows: Rows, rules: Rules, width_ms: int) -> Cells:
    """What rows add to the windows of `width_ms` that they touch."""
    kind = rules.rule[rows.series]
    return merge([_reading_cells(rows, width_ms), _spread(*_segments(rows, rules, kind), width_ms)])


def merge(parts: "list[Cells]") -> Cells:
    """One set of cells from several; where both have a last, a later part's wins."""
    parts = [part for part in parts if len(part)]
    if len(parts) <= 1:
        return parts[0] if parts else no_cells()
    joined = Cells(*(np.concatenate([getattr(p, name) for p in parts]) for name in _CELL_FIELDS))
    return _grouped(joined, joined.code)


def coarser(cells: Cells, factor: int) -> Cells:
    """The same in windows that are `factor` times as wide."""
    if not len(cells):
        return cells
    return _grouped(cells, (cells.series << WINDOW_BITS) | (cells.window // factor))


def counter_steps(before: Floats, value: Floats, elapsed_ms: Int64s, max_per_hour: Floats) -> Floats:
    """The consumption between neighbouring values of a register.

    A fall from the last tenth of a power of ten to its first tenth is a
    roll-over; every other fall is a reset or a swapped meter and counts 0, as
    does a rise faster than the quantity can flow: never a negative, never a
    spike. What was used around a swap is unknown and not guessed.
    """
    step = value - before
    with np.errstate(divide="ignore", invalid="ignore"):
        size = 10.0 ** np.ceil(np.log10(np.maximum(before, 1.0)))
    rolled = (before > _ROLL_OVER_FROM * size) & (value < _ROLL_OVER_TO * size)
    step = np.where((step < 0) & rolled & (value >= 0), step + size, step)
    believable = (step >= 0) & (step * HOUR_MS <= max_per_hour * elapsed_ms)
    return np.where(believable, step, 0.0)


def _reading_cells(rows: Rows, width_ms: int) -> Cells:
    if not len(rows.series):
        return no_cells()
    code = (rows.series << WINDOW_BITS) | (rows.t_ms // width_ms)
    first = _starts(code)
    last = np.append(first[1:], len(code)) - 1
    return Cells(
        code[first],
        last - first + 1,
        np.add.reduceat(rows.value, first),
        np.minimum.reduceat(rows.value, first),
        np.maximum.reduceat(rows.value, first),
        rows.value[last],
        np.zeros(len(first)),
        np.zeros(len(first), np.int64),
    )


def _segments(rows: Rows, rules: Rules, kind: npt.NDArray[np.int8]) -> tuple[Int64s, Int64s, Int64s, Floats]:
    """Series, start, end and amount of every stretch of consumption."""
    known = rows.before_ms != NO_TIME
    elapsed = np.where(known, rows.t_ms - rows.before_ms, 0)
    power = known & (kind == Rule.POWER) & (elapsed <= MAX_HOLD_MS)
    counter = known & (kind == Rule.COUNTER) & (elapsed <= MAX_SPREAD_MS)
    amount = (kind == Rule.AMOUNT) & (rows.interval_ms > 0)
    mean = (np.maximum(rows.value, 0.0) + np.maximum(rows.before, 0.0))[power] / 2
    energy = mean * elapsed[power] / HOUR_MS
    energy *= rules.integral_per_hour[rows.series[power]]
    steps = counter_steps(
        rows.before[counter],
        rows.value[counter],
        elapsed[counter],
        rules.max_per_hour[rows.series[counter]],
    )
    return (
        np.concatenate([rows.series[power], rows.series[counter], rows.series[amount]]),
        np.concatenate([rows.before_ms[power], rows.before_ms[counter], rows.t_ms[amount]]),
        np.concatenate(
            [
                rows.t_ms[power],
                rows.t_ms[counter],
                rows.t_ms[amount] + rows.interval_ms[amount],
            ]
        ),
        np.concatenate([energy, steps, rows.value[amount]]),
    )


def _spread(series: Int64s, start_ms: Int64s, end_ms: Int64s, amount: Floats, width_ms: int) -> Cells:
    """Split stretches evenly in time over the windows they touch."""
    if not len(series):
        return no_cells()
    first = start_ms // width_ms
    count = (end_ms - 1) // width_ms - first + 1
    stretch = np.repeat(np.arange(len(series)), count)
    nth = np.arange(len(stretch)) - np.repeat(np.cumsum(count) - count, count)
    window = first[stretch] + nth
    begin = np.maximum(start_ms[stretch], window * width_ms)
    covered = np.minimum(end_ms[stretch], (window + 1) * width_ms) - begin
    share = covered / (end_ms - start_ms)[stretch]
    zeros = np.zeros(len(stretch))
    cells = Cells(
        (series[stretch] << WINDOW_BITS) | window,
        np.zeros(len(stretch), np.int64),
        zeros,
        np.full(len(stretch), np.inf),
        np.full(len(stretch), -np.inf),
        zeros,
        amount[stretch] * share,
        covered,
    )
    return _grouped(cells, cells.code)


def _grouped(cells: Cells, code: Int64s) -> Cells:
    order = np.argsort(code, kind="stable")
    code = code[order]
    first = _starts(code)
    n = cells.n[order]
    return Cells(
        code[first],
        np.add.reduceat(n, first),
        np.add.reduceat(cells.total[order], first),
        np.minimum.reduceat(cells.low[order], first),
        np.maximum.reduceat(cells.high[order], first),
        _last_seen(cells.last[order], n, first),
        np.add.reduceat(cells.amount[order], first),
        np.add.reduceat(cells.covered_ms[order], first),
    )


def _last_seen(last: Floats, n: Int64s, first: Int64s) -> Floats:
    """Of each group, the last value that stands for readings; 0 without any."""
    place = np.where(n > 0, np.arange(len(n)), -1)
    newest = np.maximum.reduceat(place, first)
    return np.where(newest >= 0, last[newest], 0.0)


def _starts(code: Int64s) -> Int64s:
    """Where each run of equal codes begins."""
    return np.flatnonzero(np.concatenate(([True], code[1:] != code[:-1])))
