"""Rows as text: CSV after RFC 4180, or a JSON object a line."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, timedelta, tzinfo
from typing import Any, Final, Protocol

import numpy as np
import orjson

from cloud_stream.export.chunks import Rows
from cloud_stream.export.selection import EPOCH

TIME: Final = "time"
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")  # noqa: RUF001 (the wide signs are meant)
"""What makes a spreadsheet take a cell for a formula (OWASP, "CSV Injection")."""
_MAX_HELD: Final = 100_000


class Format(Protocol):
    """How rows are written."""

    def head(self) -> bytes:
        """What comes before all rows."""

    def block(self, rows: Rows) -> bytes:
        """Rows of tags, t_ms and fields."""


class Csv:
    """CSV after RFC 4180: UTF-8, comma, CRLF, quotes where they are needed.

    A column for the time, each tag and each field. A missing value is an empty cell, a truth value 1 or 0. Text that
    a spreadsheet would take for a formula gets an apostrophe before it; numbers stay as they are.

    Args:
        tags: Names of the tags. fields: of the fields.
        zone: Times are written in it.
        guarded: Whether text is kept from being a formula.
    """

    def __init__(self, tags: Sequence[str], fields: Sequence[str], zone: tzinfo, *, guarded: bool = True) -> None:
        self._names = (TIME, *tags, *fields)
        self._place = len(tags)
        self._times = time_texts(zone)
        self._text: Callable[[str], str] = _Guarded().__getitem__ if guarded else str

    def head(self) -> bytes:
        """See `Format`."""
        return _written([self._names])

    def block(self, rows: Rows) -> bytes:
        """See `Format`."""
        columns = list(zip(*rows, strict=True))
        place = self._place
        tags = [map(self._text, column) for column in columns[:place]]
        fields = [self._cells(column) for column in columns[place + 1 :]]
        return _written(zip(self._times(columns[place]), *tags, *fields, strict=True))

    def _cells(self, column: Sequence[Any]) -> Iterable[Any]:
        kinds = set(map(type, column))
        if str not in kinds and bool not in kinds:
            return column
        return map(self._cell, column)

    def _cell(self, value: Any) -> Any:  # noqa: ANN401 (whatever a field holds)
        if isinstance(value, str):
            return self._text(value)
        return int(value) if isinstance(value, bool) else value


class JsonLines:
    """A JSON object a line: the time, the tags and fields that the row has.

    Args:
        tags: Names of the tags. fields: of the fields.
        zone: Times are written in it.
    """

    def __init__(self, tags: Sequence[str], fields: Sequence[str], zone: tzinfo) -> None:
        self._names = (*tags, None, *fields)
        self._place = len(tags)
        self._times = time_texts(zone)

    def head(self) -> bytes:
        """See `Format`."""
        return b""

    def block(self, rows: Rows) -> bytes:
        """See `Format`."""
        out = bytearray()
        for time, row in zip(self._times([row[self._place] for row in rows]), rows, strict=True):
            named = zip(self._names, row, strict=True)
            has = {name: value for name, value in named if name is not None and value not in (None, "")}
            out += orjson.dumps({TIME: time, **has}, option=orjson.OPT_APPEND_NEWLINE)
        return bytes(out)


class _Guarded(dict[str, str]):
    """Texts as cells, each thought about once."""

    def __missing__(self, text: str) -> str:
        if len(self) >= _MAX_HELD:
            self.clear()
        self[text] = f"'{text}" if text.startswith(_FORMULA) else text
        return self[text]


def _written(rows: Iterable[Sequence[Any]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue().encode()


def time_texts(zone: tzinfo) -> Callable[[Sequence[int]], Sequence[str]]:
    """Writes times in ms UTC as ISO 8601 with milliseconds."""
    return _utc_texts if zone is UTC else _Local(zone).texts


def _utc_texts(t_ms: Sequence[int]) -> list[str]:
    times = np.array(t_ms, dtype="datetime64[ms]")
    texts: list[str] = np.char.add(np.datetime_as_string(times, unit="ms"), "Z").tolist()
    return texts


class _Local:
    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone

    def texts(self, t_ms: Sequence[int]) -> list[str]:
        known = {t: self._text(t) for t in set(t_ms)}
        return [known[t] for t in t_ms]

    def _text(self, t_ms: int) -> str:
        return (EPOCH + timedelta(milliseconds=t_ms)).astimezone(self._zone).isoformat(timespec="milliseconds")
