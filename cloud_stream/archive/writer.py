"""Readings into the files of their days, and the files of closed days into one.

```
add      read the file of a reading's hour, merge, replace it           one stroke
compact  day.parquet.new -> compaction.json -> no hours -> day.parquet  four strokes, taken up again after a crash
```

A reader never sees a reading twice. Between the last two strokes of a compaction
it may miss those of that day: a millisecond in a folder, a second in a bucket, and
after a crash until the writer runs again, which finishes it first.
"""

import logging
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import msgspec
import polars as pl

from cloud_stream.archive.errors import ArchiveError
from cloud_stream.archive.files import is_whole, merge
from cloud_stream.archive.layout import (
    NEW,
    PLAN,
    WHOLE_DAY,
    day_name,
    day_number,
    is_closed,
    minutes_of,
    parts_of,
    place_of,
)
from cloud_stream.archive.rows import DAY_MS, HOUR_MS, SCHEMA
from cloud_stream.archive.target import ArchiveTarget

_log: Final = logging.getLogger("cloud_stream.archive")
DAMAGED: Final = ".damaged"
MINUTE_MS: Final = 60_000
DENSE_ROWS: Final = 5_000_000
"""Rows an hour, at the rate of one call's rows, from which on an open hour has a file a minute: each call reads and
writes whole files."""


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a compaction does once its result is written.

    Attributes:
        out: The result's name. parts: the files whose rows it has, to be taken away.
    """

    out: str
    parts: list[str]


class ArchiveWriter:
    """Writes one archive; for one thread of one process.

    Args:
        target: Where.

    Attributes:
        counts: `rows` that were taken in, `files` written, `compactions`, `damaged_files` set aside.
    """

    def __init__(self, target: ArchiveTarget) -> None:
        self.counts: Counter[str] = Counter()
        self._target = target

    def add(self, rows: pl.DataFrame, now_ms: int) -> None:
        """Take rows in; doing it again changes nothing.

        Args:
            rows: As `rows_of` makes them, in the order of their arrival.
            now_ms: The wall clock, ms UTC.

        Raises:
            ArchiveError: Some are not in their files; adding the same again is right.
        """
        placed = rows.with_columns(_day=pl.col("t").floordiv(DAY_MS), _minute=pl.col("t") % DAY_MS // MINUTE_MS)
        for part in placed.partition_by("_day", maintain_order=True):
            self._add_day(int(part["_day"][0]), part, now_ms)
        self.counts["rows"] += len(rows)

    def compact(self, now_ms: int) -> None:
        """Make one file of every closed day that has several, and of every hour of minutes that is over.

        Raises:
            ArchiveError: Some days are left as they were, or half done; the next call goes on.
        """
        for day in self._target.days():
            number = day_number(day)
            if number is not None:
                self._compact_day(day, number, now_ms)

    def _add_day(self, number: int, rows: pl.DataFrame, now_ms: int) -> None:
        day = day_name(number)
        names = self._settled(day)
        closed, dense = is_closed(number, now_ms), _is_dense(rows)
        minutes = rows["_minute"].unique().to_list()
        places = {minute: place_of(minute, names, closed=closed, dense=dense) for minute in minutes}
        for place in sorted(set(places.values())):
            mine = [minute for minute in minutes if places[minute] == place]
            some = rows.filter(pl.col("_minute").is_in(mine)).select(SCHEMA.names())
            self._merge(day, [place] if place in names else [], some, place)

    def _compact_day(self, day: str, number: int, now_ms: int) -> None:
        names = self._settled(day)
        closed = is_closed(number, now_ms)
        for hour, minutes in minutes_of(names).items():
            if closed or _end_of(number, hour) + HOUR_MS <= now_ms:
                names = self._join(day, minutes, hour)
        parts = parts_of(names)
        if closed and parts:
            self._join(day, [WHOLE_DAY, *parts] if WHOLE_DAY in names else parts, WHOLE_DAY)

    def _join(self, day: str, parts: Sequence[str], out: str) -> frozenset[str]:
        """Put one file in the place of others; give the day's files then."""
        self._merge(day, parts, SCHEMA.to_frame(), out + NEW)
        plan = msgspec.json.encode(Plan(out, [name for name in parts if name != out]))
        self._target.put(day, PLAN, lambda path: path.write_bytes(plan))
        self.counts["compactions"] += 1
        _log.info("archive_compacted day=%s file=%s from=%d", day, out, len(parts))
        return self._settled(day)

    def _settled(self, day: str) -> frozenset[str]:
        """The day's files, after what a compaction has left to do."""
        names = self._target.names(day)
        if PLAN in names:
            with self._target.reading(day, PLAN) as path:
                plan = _plan(path)
            self._target.remove(day, plan.parts)
            self._target.move(day, plan.out + NEW, plan.out)
            self._target.remove(day, [PLAN])
            names = self._target.names(day)
        return names

    def _merge(self, day: str, names: Sequence[str], rows: pl.DataFrame, out: str) -> None:
        """Write a file from others and new rows; damaged ones are set aside."""
        try:
            self._write(day, names, rows, out)
        except ArchiveError:
            damaged = [name for name in names if not self._is_whole(day, name)]
            if not damaged:
                raise
            for name in damaged:
                self._set_aside(day, name)
            self._write(day, [name for name in names if name not in damaged], rows, out)
        self.counts["files"] += 1

    def _write(self, day: str, names: Collection[str], rows: pl.DataFrame, out: str) -> None:
        with ExitStack() as stack:
            files = [stack.enter_context(self._target.reading(day, name)) for name in names]
            self._target.put(day, out, lambda path: merge(files, rows, path))

    def _is_whole(self, day: str, name: str) -> bool:
        with self._target.reading(day, name) as path:
            return is_whole(path)

    def _set_aside(self, day: str, name: str) -> None:
        self.counts["damaged_files"] += 1
        _log.error("archive_file_damaged day=%s file=%s kept_as=%s", day, name, name + DAMAGED)
        self._target.move(day, name, name + DAMAGED)


def _plan(path: Path) -> Plan:
    try:
        plan = msgspec.json.decode(path.read_bytes(), type=Plan)
    except (OSError, msgspec.DecodeError) as error:
        raise ArchiveError(f"{path}: {error}") from error
    return Plan(plan.out, parts_of(plan.parts))


def _is_dense(rows: pl.DataFrame) -> bool:
    """Whether rows come at a rate that makes an hour very large."""
    span_ms = int(rows["t"].max()) - int(rows["t"].min()) + MINUTE_MS  # type: ignore[arg-type]  # a column of integers
    return len(rows) * HOUR_MS > DENSE_ROWS * span_ms


def _end_of(day: int, hour: str) -> int:
    """When an hour ends, by the name of its file."""
    return day * DAY_MS + (int(hour[5:7]) + 1) * HOUR_MS
