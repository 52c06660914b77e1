"""The seams of the cloud: what the flow expects of the world."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from cloud_stream.records import Columns, DeadLetter, Floats, Int64s, Point, PointColumns


@dataclass(frozen=True, slots=True)
class Series:
    """One quantity of one meter: times ascending and distinct, no NaN."""

    t_ms: Int64s
    values: Floats
    interval_ms: int = 0


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row the store will never take, and what it said."""

    row: bytes
    reason: str


class Store(Protocol):
    """Where results live. Every write is an upsert by (measurement, tags, time).

    Call order: `prepare` once, then any other, from any one thread per object
    (each sink opens its own), `close` at the end.
    """

    def prepare(self) -> None:
        """Make the database, tables and retention where they are missing.

        Raises:
            StoreUnavailableError: It does not answer.
            StoreRejectedError: It answers and refuses (credentials, name).
        """

    def write(self, columns: Sequence[Columns | PointColumns], points: Sequence[Point]) -> list[Rejected]:
        """Write raw readings, points by the column, and points; they are visible on return.

        Returns:
            Rows that the store refuses for good; all others are stored.

        Raises:
            StoreUnavailableError: Nothing or only a part was written; writing
                the same again is right.
        """

    def readings(self, site: str, meter: str, start_ms: int, end_ms: int) -> Mapping[str, Series]:
        """The stored readings of a meter in [start, end), one row beyond each border.

        Args:
            site: The meter's site.
            meter: The meter.
            start_ms: Inclusive, ms UTC.
            end_ms: Exclusive, ms UTC.

        Returns:
            Quantity to its series. Each begins with the last reading before
            `start_ms` and ends with the first at or after `end_ms`, however far
            away, where there are any.

        Raises:
            StoreUnavailableError: It does not answer now.
        """

    def points(self, measurement: str, tags: Mapping[str, str], start_ms: int, end_ms: int) -> Sequence[Point]:
        """The points of a measurement that carry all of `tags`, with times in [start, end), in the order of time.

        Args:
            measurement: Any but `reading`, which `readings` reads by the column.
            tags: A subset of the measurement's tags with the values asked for.
            start_ms: Inclusive, ms UTC.
            end_ms: Exclusive, ms UTC.

        Raises:
            StoreUnavailableError: It does not answer now.
        """

    def mark(self, shard: str) -> tuple[str, int]:
        """The newest stored mark of a shard: (incarnation, number), or ("", 0).

        A mark is a `flow_mark` point; seeing it proves that everything the
        shard's sink wrote before it is visible.

        Raises:
            StoreUnavailableError: It does not answer now.
        """

    def close(self) -> None:
        """Let go of connections and files; never raises."""


@dataclass(frozen=True, slots=True)
class Table:
    """Some rows of a measurement, as they are stored.

    Attributes:
        columns: The measurement's tags in their order, `t_ms`, and the fields asked for.
        rows: A value for each column; None is a missing field, "" an absent tag.
    """

    columns: tuple[str, ...]
    rows: Sequence[Sequence[float | int | str | bool | None]]


class Tables(Protocol):
    """A store whose measurements, `reading` among them, can be read as they are. Every store is one.

    Call order: as for `Store`, and from one thread.
    """

    def field_names(self, measurement: str) -> Sequence[str]:
        """The fields that rows of a measurement have, in order.

        Raises:
            StoreUnavailableError: It does not answer now.
        """

    def tag_values(self, measurement: str, tag: str) -> Sequence[str]:
        """The values of a tag, in order, "" left out. It may take as long as reading the whole measurement.

        Raises:
            StoreUnavailableError: It does not answer now.
        """

    def time_range(self, measurement: str, tags: Mapping[str, str]) -> tuple[int, int] | None:
        """The first and the last time of the rows that carry all of `tags`, ms UTC; None without such rows.

        Raises:
            StoreUnavailableError: It does not answer now.
        """

    def table(
        self, measurement: str, tags: Mapping[str, str], fields: Sequence[str], start_ms: int, end_ms: int
    ) -> Iterator[Table]:
        """The rows that carry all of `tags`, with times in [start, end), in pieces of some ten thousand.

        Args:
            measurement: Any.
            tags: A subset of its tags with the values asked for.
            fields: Some of `field_names`. Rows without any of them may come or not.
            start_ms: Inclusive, ms UTC.
            end_ms: Exclusive, ms UTC.

        Raises:
            StoreUnavailableError: It does not answer, or not to the end.
        """


class DeadLetters(Protocol):
    """Keeps what could not be used, once per journal position, bounded."""

    def put(self, letters: Sequence[DeadLetter]) -> None:
        """Keep letters; one with a position that is held already changes nothing.

        Raises:
            StoreUnavailableError: The disk is full or failed.
        """

    def count(self) -> Mapping[str, int]:
        """How many were ever kept, by reason."""
