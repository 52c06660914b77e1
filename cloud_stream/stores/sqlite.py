"""One SQLite file as a store: what the demo and a single Raspberry Pi use.

A measurement is a table, a tag or field a column; fields get their column when
they first come. Rows are kept in the order in which they are asked for.

Durability: write-ahead log with `synchronous=FULL`. What `write` returned as
stored may be forgotten upstream at once, so it must be on the disk by then;
`NORMAL` would lose the last transactions in a power cut. One `write` is one
transaction and one fsync, which is why callers write thousands of rows at once.
"""

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from cloud_stream import measurements
from cloud_stream.errors import StoreUnavailableError
from cloud_stream.measurements import INTERVAL_FIELD, MEASUREMENTS, READING, FieldValue
from cloud_stream.ports import Rejected, Series, Table
from cloud_stream.records import Columns, Point, PointColumns
from cloud_stream.stores import sqlite_sql as sql
from cloud_stream.stores.blocks import Block, is_storable, sort_out
from cloud_stream.stores.line_protocol import lines_of
from cloud_stream.stores.series import Rows, merge
from wattline.quantities import Kind, quantity
from wattline.sqlite_file import transaction, use_write_ahead_log

BUSY_TIMEOUT_S: Final = 10.0
"""Several writers share a file; each transaction takes a fraction of a second."""
PRUNE_INTERVAL_MS: Final = 3_600_000
PRUNE_CHUNK: Final = 20_000
MAX_FIELDS: Final = 500
"""Columns of a table; SQLite's own bound is 2000. Field names come from gateways."""
MAX_WAL_BYTES: Final = 64 << 20
TABLE_ROWS: Final = 20_000


class SqliteStore:
    """The `Store` port over one SQLite file; for one thread at a time.

    Args:
        path: The file; `prepare` makes it and its folder.
        retention_ms: Older readings and marks are refused, and deleted now and then.
        now_ms: The clock that retention goes by, ms UTC.
    """

    def __init__(
        self, path: Path, retention_ms: int, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    ) -> None:
        self._path = path
        self._retention_ms = retention_ms
        self._now_ms = now_ms
        self._db: sqlite3.Connection | None = None
        self._fields: dict[str, set[str]] = {}
        self._known_series: set[tuple[str, str, str]] = set()
        self._pruned_ms = 0

    def prepare(self) -> None:
        """See `Store.prepare`."""
        with self._translated():
            self._prune(self._connection())

    def write(self, columns: Sequence[Columns | PointColumns], points: Sequence[Point]) -> list[Rejected]:
        """See `Store.write`."""
        rejected: list[Rejected] = []
        oldest_ms = self._now_ms() - self._retention_ms
        with self._translated():
            db = self._connection()
            with self._transaction(db):
                for some in columns:
                    if isinstance(some, PointColumns):
                        rejected += self._write_point_columns(db, some, oldest_ms)
                    else:
                        rejected += self._write_columns(db, some, oldest_ms)
                rejected += self._write_points(db, points, oldest_ms)
            if self._now_ms() - self._pruned_ms >= PRUNE_INTERVAL_MS:
                self._prune(db)
        return rejected

    def readings(self, site: str, meter: str, start_ms: int, end_ms: int) -> Mapping[str, Series]:
        """See `Store.readings`."""
        with self._translated():
            db = self._connection()
            names = [name for (name,) in db.execute(sql.SERIES_OF_METER, (site, meter))]
            if not names:
                return {}
            return merge(_read_rows(db, site, meter, names, (start_ms, end_ms)))

    def points(self, measurement: str, tags: Mapping[str, str], start_ms: int, end_ms: int) -> Sequence[Point]:
        """See `Store.points`."""
        with self._translated():
            db = self._connection()
            cursor = db.execute(sql.select_points(measurement, tags), {**tags, "start": start_ms, "end": end_ms})
            return list(_points(measurement, cursor))

    def mark(self, shard: str) -> tuple[str, int]:
        """See `Store.mark`."""
        with self._translated():
            row = self._connection().execute(sql.NEWEST_MARK, (shard,)).fetchone()
        return (str(row[0]), int(row[1])) if row else ("", 0)

    def field_names(self, measurement: str) -> Sequence[str]:
        """See `Tables.field_names`."""
        with self._translated():
            names = {row[1] for row in self._connection().execute(sql.columns(measurement))}
        names -= {"t_ms", *MEASUREMENTS[measurement].tags}
        # The table has this column from the beginning.
        others = names - {INTERVAL_FIELD}
        without_amounts = measurement == READING and not any(quantity(name).kind is Kind.AMOUNT for name in others)
        return sorted(others if without_amounts else names)

    def tag_values(self, measurement: str, tag: str) -> Sequence[str]:
        """See `Tables.tag_values`."""
        with self._translated():
            if tag not in sql.heads(measurement):
                return [value for (value,) in self._connection().execute(sql.distinct(measurement, tag))]
            place = sql.heads(measurement).index(tag)
            return sorted({head[place] for head in self._heads(measurement, {})} - {""})

    def time_range(self, measurement: str, tags: Mapping[str, str]) -> tuple[int, int] | None:
        """See `Tables.time_range`."""
        with self._translated():
            found = [
                self._connection().execute(sql.first_and_last(measurement, one), one).fetchone()
                for one in self._parts(measurement, tags)
            ]
        known = [(first, last) for first, last in found if first is not None]
        return (min(first for first, _ in known), max(last for _, last in known)) if known else None

    def table(
        self, measurement: str, tags: Mapping[str, str], fields: Sequence[str], start_ms: int, end_ms: int
    ) -> Iterator[Table]:
        """See `Tables.table`."""
        columns = (*MEASUREMENTS[measurement].tags, "t_ms", *fields)
        span = {"start": start_ms, "end": end_ms}
        with self._translated():
            for part in self._parts(measurement, tags):
                cursor = self._connection().execute(sql.select_table(measurement, part, fields), {**part, **span})
                while rows := cursor.fetchmany(TABLE_ROWS):
                    yield Table(columns, rows)

    def close(self) -> None:
        """See `Store.close`."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def _parts(self, measurement: str, tags: Mapping[str, str]) -> Iterator[dict[str, str]]:
        """`tags`, completed to each head that there is: only below a head are rows in the order of time."""
        names = sql.heads(measurement)
        for head in self._heads(measurement, tags):
            whole = dict(zip(names, head, strict=True))
            if all(whole.get(name, value) == value for name, value in tags.items()):
                yield {**whole, **tags}

    def _heads(self, measurement: str, tags: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
        """The heads that begin as `tags` do, one search each."""
        names = sql.heads(measurement)
        fixed = next((place for place, name in enumerate(names) if name not in tags), len(names))
        db = self._connection()
        begin = tuple(tags[name] for name in names[:fixed])
        head = db.execute(sql.first_head(measurement, fixed), begin).fetchone()
        while head is not None:
            yield head
            more = fixed < len(names)
            head = db.execute(sql.next_head(measurement, fixed), head).fetchone() if more else None

    def _connection(self) -> sqlite3.Connection:
        if self._db is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            db = sqlite3.connect(self._path, BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
            try:
                self._open(db)
            except sqlite3.Error:
                db.close()
                raise
            self._db = db
        return self._db

    def _open(self, db: sqlite3.Connection) -> None:
        use_write_ahead_log(db)
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA journal_size_limit = {MAX_WAL_BYTES}")
        with self._transaction(db):
            for statement in sql.SCHEMA:
                db.execute(statement)
        self._fields = {}
        self._known_series = set()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn what SQLite and the file system raise into our errors."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            # A handle that saw an error of the disk may keep it; the next call opens the file anew.
            self.close()
            raise StoreUnavailableError(f"{self._path}: {error}") from error

    @contextmanager
    def _transaction(self, db: sqlite3.Connection) -> Iterator[None]:
        try:
            with transaction(db):
                yield
        except BaseException:
            # What was learned in the transaction about columns and series is undone with it.
            self._fields.clear()
            self._known_series.clear()
            raise

    def _write_columns(self, db: sqlite3.Connection, columns: Columns, oldest_ms: int) -> list[Rejected]:
        found = sort_out(columns, oldest_ms)
        refused = list(found.refused)
        for block in found.good:
            if self._has_fields(db, READING, block.quantities):
                self._write_block(db, block)
            else:
                refused.append(("too_many_fields", block))
        return [Rejected(row, reason) for reason, block in refused for row in lines_of(block)]

    def _write_block(self, db: sqlite3.Connection, block: Block) -> None:
        sites, gateways, meters = zip(*block.keys, strict=True)
        keys = block.key_of_row.tolist()
        rows = zip(
            map(sites.__getitem__, keys),
            map(gateways.__getitem__, keys),
            map(meters.__getitem__, keys),
            block.t_ms.tolist(),
            *block.values.tolist(),
            *([[block.interval_ms] * len(keys)] if block.interval_ms else []),
            strict=True,
        )
        fields = (*block.quantities, INTERVAL_FIELD) if block.interval_ms else block.quantities
        db.executemany(sql.upsert(READING, fields), rows)
        present = {block.keys[number] for number in np.unique(block.key_of_row)}
        series = {(site, meter, name) for site, _, meter in present for name in block.quantities}
        db.executemany(sql.ADD_SERIES, series - self._known_series)
        self._known_series |= series

    def _write_point_columns(self, db: sqlite3.Connection, columns: PointColumns, oldest_ms: int) -> list[Rejected]:
        fields = (*columns.numbers, *columns.facts)
        if not (is_storable(columns, oldest_ms) and self._has_fields(db, columns.measurement, fields)):
            return self._write_points(db, columns, oldest_ms)
        measurement = MEASUREMENTS[columns.measurement]
        series, place = np.nonzero(columns.present())
        by_series = [[tags.get(name, "") for tags in columns.tags] for name in measurement.tags]
        facts = [
            [_value(value, integer=name in measurement.integers) for value in values]
            for name, values in columns.facts.items()
        ]
        of_row = series.tolist()
        rows = zip(
            *(map(values.__getitem__, of_row) for values in by_series),
            columns.t_ms[place].tolist(),
            *(values[series, place].tolist() for values in columns.numbers.values()),
            *(map(values.__getitem__, of_row) for values in facts),
            strict=True,
        )
        db.executemany(sql.upsert(columns.measurement, fields), rows)
        return []

    def _write_points(self, db: sqlite3.Connection, points: Iterable[Point], oldest_ms: int) -> list[Rejected]:
        rejected = []
        groups: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
        for point in points:
            reason = measurements.problem(point) or ("outside_retention" if point.t_ms < oldest_ms else "")
            if not reason and not self._has_fields(db, point.measurement, point.fields):
                reason = "too_many_fields"
            if reason:
                rejected.append(Rejected(repr(point).encode(errors="replace"), reason))
                continue
            groups.setdefault((point.measurement, *point.fields), []).append(_row(point))
        for (measurement, *fields), rows in groups.items():
            db.executemany(sql.upsert(measurement, tuple(fields)), rows)
        return rejected

    def _has_fields(self, db: sqlite3.Connection, measurement: str, names: Iterable[str]) -> bool:
        """Whether the table has all these columns, now that missing ones were added; False if it may not grow."""
        known = self._fields.get(measurement, set())
        if known.issuperset(names):
            return True
        # Another writer may have added columns.
        known = {row[1] for row in db.execute(f"PRAGMA table_info({measurement})")}
        missing = [name for name in names if name not in known]
        if len(known) + len(missing) > MAX_FIELDS:
            return False
        for name in missing:
            # Without a declared type SQLite keeps every value as it comes.
            db.execute(f'ALTER TABLE {measurement} ADD COLUMN "{name}"')
        self._fields[measurement] = known.union(missing)
        return True

    def _prune(self, db: sqlite3.Connection) -> None:
        """Delete what is older than the retention, in small transactions."""
        now_ms = self._now_ms()
        oldest_ms = now_ms - self._retention_ms
        for site, meter in db.execute(sql.METERS).fetchall():
            while db.execute(sql.PRUNE_READINGS, (site, meter, oldest_ms, PRUNE_CHUNK)).rowcount == PRUNE_CHUNK:
                pass
        db.execute(sql.PRUNE_MARKS, (oldest_ms,))
        self._pruned_ms = now_ms


def _row(point: Point) -> tuple[Any, ...]:
    """A point's tags, time and fields as SQLite takes them."""
    measurement = MEASUREMENTS[point.measurement]
    tags = (point.tags.get(name, "") for name in measurement.tags)
    fields = (_value(value, integer=name in measurement.integers) for name, value in point.fields.items())
    return (*tags, point.t_ms, *fields)


def _value(value: FieldValue, *, integer: bool) -> FieldValue:
    if isinstance(value, str | bool):
        return value
    return int(value) if integer else float(value)


def _points(measurement: str, cursor: sqlite3.Cursor) -> Iterator[Point]:
    names = [column[0] for column in cursor.description]
    tags = MEASUREMENTS[measurement].tags
    for row in cursor:
        values = dict(zip(names, row, strict=True))
        t_ms = values.pop("t_ms")
        found = {name: values.pop(name) for name in tags}
        yield Point(measurement, found, t_ms, {name: value for name, value in values.items() if value is not None})


def _read_rows(
    db: sqlite3.Connection, site: str, meter: str, names: Sequence[str], range_ms: tuple[int, int]
) -> Iterator[Rows]:
    start_ms, end_ms = range_ms
    yield from _rows(db.execute(sql.select_readings(names), (site, meter, start_ms, end_ms)), names)
    for name in names:
        for query, border_ms in ((sql.before(name), start_ms), (sql.after(name), end_ms)):
            at = {"site": site, "meter": meter, "border": border_ms}
            yield from _rows(db.execute(query, at), (name,))


def _rows(cursor: sqlite3.Cursor, names: Sequence[str]) -> Iterator[Rows]:
    """One `Rows` for each gateway among rows of (gateway, time, interval, values...)."""
    found = cursor.fetchall()
    if not found:
        return
    gateway, t_ms, interval_ms, *values = zip(*found, strict=True)
    gateways = np.array(gateway, dtype=np.object_)
    times = np.array(t_ms, dtype=np.int64)
    intervals = np.array(interval_ms, dtype=np.float64)
    columns = np.array(values, dtype=np.float64)
    for name in set(gateway):
        some = gateways == name
        yield Rows(name, times[some], intervals[some], dict(zip(names, columns[:, some], strict=True)))
