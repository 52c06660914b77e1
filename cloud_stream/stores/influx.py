"""InfluxDB as a store, whichever of its write APIs a `Backend` speaks."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

import msgspec

from cloud_stream import measurements, ports
from cloud_stream.errors import StoreUnavailableError
from cloud_stream.measurements import FLOW_MARK, READING
from cloud_stream.ports import Rejected, Series
from cloud_stream.records import Columns, Point, PointColumns
from cloud_stream.stores import influxql
from cloud_stream.stores.blocks import is_storable, sort_out
from cloud_stream.stores.http import Answer
from cloud_stream.stores.influxql import Document, Table
from cloud_stream.stores.line_protocol import (
    Body,
    encode_block,
    encode_columns,
    encode_points,
    lines_of,
    pack,
    split_lines,
)
from cloud_stream.stores.series import merge

_log: Final = logging.getLogger("cloud_stream.stores")
_DOCUMENT: Final = msgspec.json.Decoder(Document)
_REASONS: Final = (
    ("beyond retention policy", "outside_retention"),
    ("field type conflict", "type_conflict"),
    ("max-values-per-tag", "tag_limit"),
    ("max-series-per-database", "series_limit"),
    ("unable to parse", "unparsable"),
    ("invalid", "unparsable"),
    ("too large", "too_large"),
)
OK: Final = 200
NO_CONTENT: Final = 204
BAD_REQUEST: Final = 400
UNAUTHORIZED: Final = 401
FORBIDDEN: Final = 403
NOT_FOUND: Final = 404
TOO_LARGE: Final = 413
UNPROCESSABLE: Final = 422
_ABOUT_CONTENT: Final = (BAD_REQUEST, TOO_LARGE, UNPROCESSABLE)


class Backend(Protocol):
    """One server's dialect. Calls come from one thread."""

    def prepare(self) -> None:
        """Make the database where it is missing; as `Store.prepare`."""

    def write(self, body: bytes) -> Answer:
        """Send lines with times in milliseconds.

        Returns:
            The server's answer, whatever its status.

        Raises:
            StoreUnavailableError: There is none.
        """

    def query(self, statements: str) -> Iterator[Answer]:
        """Ask in InfluxQL; the answer as lines of JSON.

        Raises:
            StoreUnavailableError: There is no answer, or it breaks off.
        """

    def close(self) -> None:
        """Let go of the connection; never raises."""


class Refusal(NamedTuple):
    """Some lines of a body were refused for good.

    Attributes:
        dropped: How many, where the server says so; 0 otherwise.
    """

    reason: str
    dropped: int


class InfluxStore:
    """The `Store` port over an InfluxDB; for one thread.

    Args:
        backend: The server's dialect.
        retention_ms: Older rows are refused before they are sent.
        now_ms: The clock that retention goes by, ms UTC.
    """

    def __init__(
        self, backend: Backend, retention_ms: int, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    ) -> None:
        self._backend = backend
        self._retention_ms = retention_ms
        self._now_ms = now_ms

    def prepare(self) -> None:
        """See `Store.prepare`."""
        self._backend.prepare()

    def write(self, columns: Sequence[Columns | PointColumns], points: Sequence[Point]) -> list[Rejected]:
        """See `Store.write`.

        Marks go in a request of their own after all others: the server writes the parts of one request that lie in
        different shards of time side by side, and a mark must not be seen before what it vouches for.
        """
        marks = [point for point in points if point.measurement == FLOW_MARK]
        others = [point for point in points if point.measurement != FLOW_MARK]
        return self._write(columns, others) + (self._write((), marks) if marks else [])

    def _write(self, columns: Sequence[Columns | PointColumns], points: Sequence[Point]) -> list[Rejected]:
        rejected: list[Rejected] = []
        for body in pack(self._bodies(columns, points, rejected)):
            if refusal := self._send(body.data):
                rejected += self._narrow(split_lines(body.data), refusal)
        return rejected

    def readings(self, site: str, meter: str, start_ms: int, end_ms: int) -> Mapping[str, Series]:
        """See `Store.readings`."""
        names = [row[0] for table in self._ask(f'SHOW FIELD KEYS FROM "{READING}"') for row in table.values]
        quantities = [name for name in names if name != measurements.INTERVAL_FIELD]
        if not quantities:
            return {}
        borders = influxql.select_borders(site, meter, quantities, start_ms, end_ms)
        rows = influxql.select_readings(site, meter, start_ms, end_ms)
        return merge(influxql.rows_of(self._ask(f"{rows}; {borders}")))

    def points(self, measurement: str, tags: Mapping[str, str], start_ms: int, end_ms: int) -> Sequence[Point]:
        """See `Store.points`."""
        question = influxql.select_points(measurement, tags, start_ms, end_ms)
        return influxql.points_of(measurement, self._ask(question))

    def mark(self, shard: str) -> tuple[str, int]:
        """See `Store.mark`."""
        question = influxql.select_newest(FLOW_MARK, {"shard": shard}, ("incarnation", "number"))
        for point in influxql.points_of(FLOW_MARK, self._ask(question)):
            return str(point.fields.get("incarnation", "")), int(point.fields.get("number", 0))
        return "", 0

    def field_names(self, measurement: str) -> Sequence[str]:
        """See `Tables.field_names`."""
        answer = self._ask(influxql.show_field_names(measurement))
        return sorted({str(row[0]) for table in answer for row in table.values})

    def tag_values(self, measurement: str, tag: str) -> Sequence[str]:
        """See `Tables.tag_values`."""
        answer = self._ask(influxql.show_tag_values(measurement, tag))
        return sorted({str(row[1]) for table in answer for row in table.values})

    def time_range(self, measurement: str, tags: Mapping[str, str]) -> tuple[int, int] | None:
        """See `Tables.time_range`."""
        ends = []
        for order in ("ASC", "DESC"):
            answer = self._ask(influxql.select_end(measurement, tags, order))
            ends += [int(row[0]) for table in answer for row in table.values]
        return (ends[0], ends[-1]) if ends else None

    def table(
        self, measurement: str, tags: Mapping[str, str], fields: Sequence[str], start_ms: int, end_ms: int
    ) -> Iterator[ports.Table]:
        """See `Tables.table`."""
        if fields:
            question = influxql.select_table(measurement, tags, fields, start_ms, end_ms)
            yield from influxql.tables_of(measurement, self._ask(question))

    def close(self) -> None:
        """See `Store.close`."""
        self._backend.close()

    def _bodies(
        self, columns: Iterable[Columns | PointColumns], points: Iterable[Point], rejected: list[Rejected]
    ) -> Iterator[Body]:
        """Encode what can be stored, and put what cannot into `rejected`."""
        oldest_ms = self._now_ms() - self._retention_ms
        for some in columns:
            if isinstance(some, PointColumns):
                whole = is_storable(some, oldest_ms)
                yield from encode_columns(some) if whole else _encoded(some, oldest_ms, rejected)
                continue
            found = sort_out(some, oldest_ms)
            for block in found.good:
                yield from encode_block(block)
            for reason, block in found.refused:
                rejected += [Rejected(row, reason) for row in lines_of(block)]
        yield from _encoded(points, oldest_ms, rejected)

    def _narrow(self, lines: list[bytes], refusal: Refusal) -> list[Rejected]:
        """Find out by halving which lines the server refused; it keeps the others, also when they come twice."""
        if len(lines) == 1 or refusal.dropped == len(lines):
            return [Rejected(line, refusal.reason) for line in lines]
        found = []
        middle = len(lines) // 2
        for half in (lines[:middle], lines[middle:]):
            if again := self._send(b"\n".join(half)):
                found += self._narrow(half, again)
        return found

    def _send(self, body: bytes) -> Refusal | None:
        answer = self._backend.write(body)
        if answer.status in (OK, NO_CONTENT):
            return None
        if answer.status == NOT_FOUND:
            _log.warning("database_missing problem=%r", answer.problem)
            self._backend.prepare()
            answer = self._backend.write(body)
            if answer.status in (OK, NO_CONTENT):
                return None
        if answer.status in _ABOUT_CONTENT:
            return understand(answer.problem)
        raise StoreUnavailableError(f"write: {answer.status} {answer.problem}", answer.retry_after_s)

    def _ask(self, statements: str) -> Iterator[Table]:
        for answer in self._backend.query(statements):
            yield from read_tables(answer)


def _encoded(points: Iterable[Point], oldest_ms: int, rejected: list[Rejected]) -> list[Body]:
    good = []
    for point in points:
        reason = measurements.problem(point) or ("outside_retention" if point.t_ms < oldest_ms else "")
        if reason:
            rejected.append(Rejected(repr(point).encode(errors="replace"), reason))
        else:
            good.append(point)
    return encode_points(good)


def understand(problem: str) -> Refusal:
    """Understand why lines were refused.

    Args:
        problem: Such as `partial write: field type conflict: ... dropped=3`.
    """
    words = problem.lower()
    reason = next((ours for theirs, ours in _REASONS if theirs in words), "refused")
    _, _, number = problem.rpartition("dropped=")
    return Refusal(reason, int(number) if number.isascii() and number.isdigit() else 0)


def read_tables(answer: Answer) -> Iterator[Table]:
    """The tables in one line of a query's answer.

    Raises:
        StoreUnavailableError: The server does not answer, or not now: our questions are well-formed, so that a
            refusal is about credentials or limits, which somebody will put right.
    """
    if answer.status != OK:
        raise StoreUnavailableError(f"query: {answer.status} {answer.problem}", answer.retry_after_s)
    try:
        document = _DOCUMENT.decode(answer.body)
    except msgspec.DecodeError as error:
        raise StoreUnavailableError(f"query: unreadable answer: {error}") from error
    problem = document.error or next((result.error for result in document.results if result.error), "")
    if problem:
        raise StoreUnavailableError(f"query: {problem}")
    for result in document.results:
        yield from result.series
