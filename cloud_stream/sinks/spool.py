"""What could not be written yet, in order and on disk: a bounded first-in, first-out log of writes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np

from cloud_stream.records import Columns, Point, Write
from cloud_stream.sinks.backlog import points_in
from wattline.durable_log import DurableLog, WhenFull

MAX_ROWS: Final = 1000
MAX_BYTES: Final = 8 << 20
"""Of one reading of the spool."""


class _Columns(msgspec.Struct, array_like=True, tag="columns"):
    """`Columns` with its arrays as little-endian bytes; the places of messages have done their work."""

    quantities: tuple[str, ...]
    interval_ms: int
    site: list[str]
    gateway: list[str]
    meter: list[str]
    length: bytes
    t_ms: bytes
    values: bytes


class _Points(msgspec.Struct, array_like=True, tag="points"):
    points: list[Point]


class Spooled(NamedTuple):
    """One row of the spool: its number and what it holds; None when it cannot be read any more."""

    seq: int
    write: Write | None
    raw: bytes


class Spool:
    """A durable log of writes; for one thread.

    Attributes:
        rows: How many it holds.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        """Open or make the spool.

        Raises:
            LogBrokenError: The file can neither be opened nor made.
        """
        self._log = DurableLog(path, max_bytes=max_bytes, when_full=WhenFull.REFUSE)
        self.rows = len(self._log)

    def append(self, writes: Sequence[Write], now_ms: int) -> None:
        """Keep writes, all or none; they are on disk on return.

        Raises:
            LogFullError: They do not fit.
            LogBrokenError: The file or disk failed.
        """
        self._log.append_many([encode(write) for write in writes], now_ms)
        self.rows += len(writes)

    def head(self, max_points: int) -> list[Spooled]:
        """The oldest rows: as many as fit, and at least one if there is any.

        Raises:
            LogBrokenError: The file cannot be read now.
        """
        found: list[Spooled] = []
        points = 0
        for row in self._log.read_after(0, max_rows=MAX_ROWS, max_bytes=MAX_BYTES):
            write = decode(row.payload)
            points += points_in(write) if write is not None else 0
            if found and points > max_points:
                break
            found.append(Spooled(row.seq, write, row.payload))
        if not found:
            self.rows = 0
        return found

    def forget_through(self, seq: int) -> None:
        """Drop the rows up to and with `seq`.

        Raises:
            LogBrokenError: The file cannot be changed now; some may be gone.
        """
        self.rows -= self._log.truncate_through(seq)

    def held_bytes(self) -> int:
        """What it takes on disk.

        Raises:
            LogBrokenError: The file cannot be read now.
        """
        return self._log.held_bytes()

    def close(self) -> None:
        """Close the file."""
        self._log.close()


def encode(write: Write) -> bytes:
    """The bytes that `decode` reads."""
    if not isinstance(write, Columns):
        return _ENCODER.encode(_Points([_plain(point) for point in write]))
    return _ENCODER.encode(
        _Columns(
            write.quantities,
            write.interval_ms,
            list(write.site),
            list(write.gateway),
            list(write.meter),
            write.length.astype("<i8").tobytes(),
            write.t_ms.astype("<i8").tobytes(),
            write.values.astype("<f8").tobytes(),
        )
    )


def decode(raw: bytes) -> Write | None:
    """What `encode` was given; None when the bytes are something else."""
    try:
        stored = _DECODER.decode(raw)
        return stored.points if isinstance(stored, _Points) else _columns(stored)
    except (msgspec.DecodeError, ValueError):
        return None


def _columns(stored: _Columns) -> Columns:
    length = np.frombuffer(stored.length, dtype="<i8")
    t_ms = np.frombuffer(stored.t_ms, dtype="<i8")
    values = np.frombuffer(stored.values, dtype="<f8").reshape(len(stored.quantities), len(t_ms))
    return Columns(
        stored.quantities,
        stored.interval_ms,
        np.zeros(len(length), dtype=np.int64),
        stored.site,
        stored.gateway,
        stored.meter,
        length,
        t_ms,
        values,
    )


def _plain(point: Point) -> Point:
    """The point with Python's own numbers in place of numpy's."""
    fields = {name: value.item() if isinstance(value, np.generic) else value for name, value in point.fields.items()}
    return Point(point.measurement, dict(point.tags), int(point.t_ms), fields)


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(_Columns | _Points)
