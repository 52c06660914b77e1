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
    NEW_DAY,
    PLAN,
    WHOLE_DAY,
    day_name,
    day_number,
    hours_of,
    is_closed,
    place_of,
)
from cloud_stream.archive.rows import DAY_MS, HOUR_MS, SCHEMA
from cloud_stream.archive.target import ArchiveTarget

_log: Final = logging.getLogger("cloud_stream.archive")
DAMAGED: Final = ".damaged"


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a compaction takes away once its result is written.

    Attributes:
        hours: The files whose rows the result has.
    """

    hours: list[str]


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
        placed = rows.with_columns(_day=pl.col("t").floordiv(DAY_MS), _hour=pl.col("t") % DAY_MS // HOUR_MS)
        for part in placed.partition_by("_day", maintain_order=True):
            self._add_day(int(part["_day"][0]), part, now_ms)
        self.counts["rows"] += len(rows)

    def compact(self, now_ms: int) -> None:
        """Make one file of every closed day that has several.

        Raises:
            ArchiveError: Some days are left as they were, or half done; the next call goes on.
        """
        for day in self._target.days():
            number = day_number(day)
            if number is not None and is_closed(number, now_ms):
                self._compact_day(day)

    def _add_day(self, number: int, rows: pl.DataFrame, now_ms: int) -> None:
        day = day_name(number)
        names = self._settled(day)
        closed = is_closed(number, now_ms)
        hours = rows["_hour"].unique().to_list()
        places = {hour: place_of(hour, names, closed=closed) for hour in hours}
        for place in sorted(set(places.values())):
            mine = [hour for hour in hours if places[hour] == place]
            some = rows.filter(pl.col("_hour").is_in(mine)).select(SCHEMA.names())
            self._merge(day, [place] if place in names else [], some, place)

    def _compact_day(self, day: str) -> None:
        names = self._settled(day)
        hours = hours_of(names)
        if not hours:
            return
        files = [name for name in (WHOLE_DAY, *hours) if name in names]
        self._merge(day, files, SCHEMA.to_frame(), NEW_DAY)
        plan = msgspec.json.encode(Plan(hours))
        self._target.put(day, PLAN, lambda path: _write(path, plan))
        self._settled(day)
        self.counts["compactions"] += 1
        _log.info("archive_compacted day=%s files=%d", day, len(files))

    def _settled(self, day: str) -> frozenset[str]:
        """The day's files, after what a compaction has left to do."""
        names = self._target.names(day)
        if PLAN in names:
            with self._target.reading(day, PLAN) as path:
                hours = _plan(path)
            self._target.remove(day, hours)
            self._target.move(day, NEW_DAY, WHOLE_DAY)
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


def _plan(path: Path) -> list[str]:
    try:
        plan = msgspec.json.decode(path.read_bytes(), type=Plan)
    except (OSError, msgspec.DecodeError) as error:
        raise ArchiveError(f"{path}: {error}") from error
    return hours_of(plan.hours)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
