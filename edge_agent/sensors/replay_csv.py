"""Tables of stored readings: what a CSV file's columns mean, and its rows as readings.

No files and no clock: text in, values out, one row at a time.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from math import isfinite
from statistics import mode
from typing import Final
from zoneinfo import ZoneInfo

from wattline.errors import DecodeError, WattlineError
from wattline.quantities import Kind, quantity
from wattline.reading import Reading

DELIMITERS: Final = (",", ";", "\t", "|")
SAMPLE_ROWS: Final = 200
"""Rows that the meaning of a file is told from."""

_HOUR_MS: Final = 3_600_000
_PER_INTERVAL: Final = {"hh": 1_800_000, "half hour": 1_800_000, "30min": 1_800_000, "h": _HOUR_MS, "hour": _HOUR_MS}
_UNITS: Final = {"kwh": "energy_kwh", "w": "power_w", "m3": "gas_m3", "v": "voltage_v", "a": "current_a"}
_UNIT: Final = re.compile(r"[(\[]\s*([a-z0-9]+)\s*(?:/\s*([a-z0-9 ]+?)\s*)?[)\]]", re.IGNORECASE)
_EARLIEST_SECONDS: Final = 946_684_800
_EARLIEST_MS: Final = _EARLIEST_SECONDS * 1000


class TableError(WattlineError):
    """The file's columns cannot be understood; the message says which option helps."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the options say of the columns; empty where the file shall tell.

    Attributes:
        columns: Column name to quantity name.
        value_column: The only column to take.
        quantity: What it measures.
    """

    time_column: str = ""
    value_column: str = ""
    quantity: str = ""
    columns: Mapping[str, str] | None = None
    delimiter: str = ""
    time_format: str = "auto"
    zone: str = "UTC"
    interval_ms: int = 0


@dataclass(frozen=True, slots=True)
class Layout:
    """What the columns mean.

    Attributes:
        time: Index of the time column.
        values: Index of a column and the quantity it measures.
        interval_ms: The length of an amount's interval; 0 for gauges and counters.
    """

    delimiter: str
    time: int
    values: tuple[tuple[int, str], ...]
    interval_ms: int


class TimeReader:
    """Reads times; with a zone they may be naive.

    Times that a clock change skips are refused; of those that it repeats, the
    first is taken unless it does not come after the row before.
    """

    def __init__(self, time_format: str, zone: str) -> None:
        self._format = time_format
        self._zone: tzinfo = UTC if zone == "UTC" else ZoneInfo(zone)

    def t_ms(self, text: str, after_ms: int = 0) -> int:
        """Milliseconds UTC.

        Args:
            text: As in the file, trimmed.
            after_ms: The time of the row before.

        Raises:
            ValueError: It is no time, or one that never was in the zone.
        """
        if self._format == "epoch_s":
            return round(float(text) * 1000)
        if self._format == "epoch_ms":
            return round(float(text))
        auto = self._format == "auto"
        moment = datetime.fromisoformat(text) if auto else datetime.strptime(text, self._format)  # noqa: DTZ007 (placed in its zone below)
        if moment.tzinfo is None:
            moment = self._placed(moment, after_ms)
        return round(moment.timestamp() * 1000)

    def _placed(self, naive: datetime, after_ms: int) -> datetime:
        moment = naive.replace(tzinfo=self._zone)
        if self._zone is UTC:
            return moment
        if moment.astimezone(UTC).astimezone(self._zone).replace(tzinfo=None) != naive:
            raise ValueError(f"{naive} was skipped by a change of the clock")
        later = moment.replace(fold=1)
        if moment.timestamp() * 1000 <= after_ms < later.timestamp() * 1000:
            return later
        return moment


def understand(sample: Sequence[str], wanted: Wanted) -> Layout:
    """Tell the meaning of the columns from the first lines and the options.

    Args:
        sample: The header line and some rows.
        wanted: What is known already.

    Raises:
        TableError: The time column, the value column or its quantity is not clear.
    """
    if not sample:
        raise TableError("the file is empty")
    delimiter = wanted.delimiter or max(DELIMITERS, key=sample[0].count)
    header, *rows = ([cell.strip() for cell in row] for row in csv.reader(sample, delimiter=delimiter))
    reader = TimeReader(wanted.time_format, wanted.zone)
    time = _index(header, wanted.time_column) if wanted.time_column else _time_column(rows, reader, len(header))
    values = _value_columns(header, rows, time, wanted)
    interval_ms = 0
    if any(quantity(name).kind is Kind.AMOUNT for _, name in values):
        interval_ms = wanted.interval_ms or _spacing_ms(rows, time, reader) or _named_interval_ms(header, values)
    return Layout(delimiter, time, values, interval_ms)


class RowReader:
    """Rows into readings.

    Attributes:
        bad: Rows left out, by reason: `time`, `value`, `repeated`, `short`.
    """

    def __init__(self, meter: str, layout: Layout, times: TimeReader) -> None:
        self.bad: Counter[str] = Counter()
        self._meter = meter
        self._layout = layout
        self._times = times
        self._width = max(layout.time, *(index for index, _ in layout.values)) + 1

    def readings(self, lines: Iterable[str]) -> Iterator[Reading]:
        """Readings in the order of the file, their times rising; everything else is counted."""
        last_ms = 0
        for row in csv.reader(lines, delimiter=self._layout.delimiter):
            reading = self._reading(row, last_ms)
            if reading is not None:
                last_ms = reading.t_ms
                yield reading

    def _reading(self, row: list[str], last_ms: int) -> Reading | None:
        if len(row) < self._width:
            self.bad["short"] += bool(row)
            return None
        try:
            t_ms = self._times.t_ms(row[self._layout.time].strip(), last_ms)
        except (ValueError, OverflowError):
            self.bad["time"] += 1
            return None
        if t_ms <= last_ms:
            self.bad["repeated"] += 1
            return None
        values = {name: value for index, name in self._layout.values if isfinite(value := _number(row[index]))}
        if not values:
            self.bad["value"] += 1
            return None
        return Reading(self._meter, t_ms, values, self._layout.interval_ms)


def _number(text: str) -> float:
    """The value; NaN for "Null", blanks and the like."""
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _index(header: Sequence[str], name: str) -> int:
    if name not in header:
        raise TableError(f"there is no column {name!r}; there are {', '.join(header)}")
    return header.index(name)


def _time_column(rows: Sequence[Sequence[str]], reader: TimeReader, width: int) -> int:
    for index in range(width):
        if any(_is_time(row[index], reader) for row in rows if len(row) > index):
            return index
    raise TableError("no column holds times: set options.time_column and options.time_format")


def _is_time(text: str, reader: TimeReader) -> bool:
    try:
        return reader.t_ms(text) >= _EARLIEST_MS
    except (ValueError, OverflowError):
        return False


def _value_columns(
    header: Sequence[str], rows: Sequence[Sequence[str]], time: int, wanted: Wanted
) -> tuple[tuple[int, str], ...]:
    if wanted.columns:
        return tuple((_index(header, column), _checked(name)) for column, name in wanted.columns.items())
    if wanted.value_column:
        index = _index(header, wanted.value_column)
        return ((index, _checked(wanted.quantity or _meaning(header[index]))),)
    numeric = [i for i in range(len(header)) if i != time and _is_numeric(rows, i)]
    if wanted.quantity and numeric:
        return ((numeric[-1], _checked(wanted.quantity)),)
    known = tuple((i, name) for i in numeric if (name := _meaning(header[i])))
    if known:
        return known
    raise TableError("no column's quantity is clear: set options.value_column and options.quantity")


def _is_numeric(rows: Sequence[Sequence[str]], index: int) -> bool:
    return any(len(row) > index and isfinite(_number(row[index])) for row in rows)


def _checked(name: str) -> str:
    try:
        return quantity(name).name
    except DecodeError:
        raise TableError(f"{name!r} is no quantity: names end in a unit, such as power_w or energy_kwh") from None


def _meaning(header: str) -> str:
    """The quantity that a column's name tells: our own names, or a unit in brackets."""
    try:
        return quantity(header).name
    except DecodeError:
        unit = _UNIT.search(header)
    return _UNITS.get(unit[1].lower(), "") if unit else ""


def _spacing_ms(rows: Sequence[Sequence[str]], time: int, reader: TimeReader) -> int:
    """The most frequent distance of neighbouring rows; 0 when there is none."""
    times = [reader.t_ms(row[time]) for row in rows if len(row) > time and _is_time(row[time], reader)]
    steps = [later - earlier for earlier, later in pairwise(times) if later > earlier]
    return mode(steps) if steps else 0


def _named_interval_ms(header: Sequence[str], values: Sequence[tuple[int, str]]) -> int:
    for index, _ in values:
        unit = _UNIT.search(header[index])
        if unit and unit[2]:
            return _PER_INTERVAL.get(unit[2].lower(), 0)
    raise TableError("the interval of the amounts is not clear: set options.interval")


WEEK_MS: Final = int(timedelta(weeks=1).total_seconds() * 1000)


def shift_ms(first_ms: int, last_ms: int, now_ms: int, history_ms: int) -> int:
    """By how much to move old data so that it meets the present; whole weeks, so weekdays stay.

    Args:
        first_ms: The first reading's time.
        last_ms: The last reading's time.
        now_ms: The present.
        history_ms: How much must lie in the past, the rest being played live;
            0 moves everything into the past.
    """
    end = last_ms if history_ms <= 0 else min(last_ms, first_ms + history_ms)
    return (now_ms - end) // WEEK_MS * WEEK_MS
