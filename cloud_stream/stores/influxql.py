"""InfluxQL: the one language that InfluxDB 1.x, 2.x and 3 share, as text and as answers.

Source: InfluxData, "InfluxQL reference" for 1.x. Answers are asked for in chunks
(`chunked=true`), one JSON document a line, with times in milliseconds
(`epoch=ms`): measured against influxd 1.6.7, 1.0 M rows/s of two values, against
0.36 M/s for one document and 0.7 M/s for CSV.
"""

# ruff: noqa: S608 - text becomes part of a statement only through `identifier` and `text`

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from cloud_stream import ports
from cloud_stream.measurements import INTERVAL_FIELD, MEASUREMENTS, READING, FieldValue
from cloud_stream.records import Point
from cloud_stream.stores.series import Rows
from wattline.quantities import Kind, quantity

PARAMETERS: Final[Mapping[str, str]] = {"epoch": "ms", "chunked": "true", "chunk_size": "20000"}


class Table(msgspec.Struct):
    """A piece of one series in an answer."""

    columns: list[str]
    values: list[list[Any]] = []
    name: str = ""
    tags: dict[str, str] = {}


class Result(msgspec.Struct):
    """A piece of one statement's answer."""

    statement_id: int = 0
    series: list[Table] = []
    error: str = ""


class Document(msgspec.Struct):
    """One line of a chunked answer."""

    results: list[Result] = []
    error: str = ""


def identifier(name: str) -> str:
    """Quote a name."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def text(value: str) -> str:
    """Quote a string."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"


def where(tags: Mapping[str, str], *, start_ms: int | None = None, end_ms: int | None = None) -> str:
    """A condition on tags and on times in [start, end)."""
    terms = [f"{identifier(name)} = {text(value)}" for name, value in tags.items()]
    if start_ms is not None:
        terms.append(f"time >= {start_ms}ms")
    if end_ms is not None:
        terms.append(f"time < {end_ms}ms")
    return " AND ".join(terms)


def select_readings(site: str, meter: str, start_ms: int, end_ms: int) -> str:
    """The rows of a meter in [start, end), gateway by gateway."""
    condition = where({"site": site, "meter": meter}, start_ms=start_ms, end_ms=end_ms)
    return f'SELECT *::field FROM "{READING}" WHERE {condition} GROUP BY "gateway"'


def select_borders(site: str, meter: str, quantities: Iterable[str], start_ms: int, end_ms: int) -> str:
    """Statements, two a quantity: its last row before `start_ms` and its first from `end_ms` on."""
    before = where({"site": site, "meter": meter}, end_ms=start_ms)
    after = where({"site": site, "meter": meter}, start_ms=end_ms)
    return "; ".join(
        f'SELECT {choose}({identifier(name)}) AS {identifier(name)}{_interval(name)} FROM "{READING}" '
        f'WHERE {condition} GROUP BY "gateway"'
        for name in quantities
        for choose, condition in (("last", before), ("first", after))
    )


def _interval(name: str) -> str:
    """What an amount's row says about its interval comes along with it."""
    return f", {identifier(INTERVAL_FIELD)}" if quantity(name).kind is Kind.AMOUNT else ""


def select_points(measurement: str, tags: Mapping[str, str], start_ms: int, end_ms: int) -> str:
    """The points of a measurement that carry `tags`, with times in [start, end)."""
    condition = where(tags, start_ms=start_ms, end_ms=end_ms)
    return f"SELECT *::field FROM {identifier(measurement)} WHERE {condition} GROUP BY *"


def select_table(measurement: str, tags: Mapping[str, str], fields: Iterable[str], start_ms: int, end_ms: int) -> str:
    """Some fields of the points that carry `tags`, with times in [start, end), series by series."""
    names = ", ".join(map(identifier, fields))
    condition = where(tags, start_ms=start_ms, end_ms=end_ms)
    return f"SELECT {names} FROM {identifier(measurement)} WHERE {condition} GROUP BY *"


def select_end(measurement: str, tags: Mapping[str, str], order: str) -> str:
    """The first point that carries `tags` (order `ASC`) or the last (`DESC`)."""
    condition = f"WHERE {where(tags)} " if tags else ""
    return f"SELECT *::field FROM {identifier(measurement)} {condition}ORDER BY time {order} LIMIT 1"


def show_field_names(measurement: str) -> str:
    """The fields of a measurement."""
    return f"SHOW FIELD KEYS FROM {identifier(measurement)}"


def show_tag_values(measurement: str, tag: str) -> str:
    """The values of a tag."""
    return f"SHOW TAG VALUES FROM {identifier(measurement)} WITH KEY = {identifier(tag)}"


def select_newest(measurement: str, tags: Mapping[str, str], fields: Iterable[str]) -> str:
    """The newest point that carries `tags`."""
    names = ", ".join(map(identifier, fields))
    return f"SELECT {names} FROM {identifier(measurement)} WHERE {where(tags)} ORDER BY time DESC LIMIT 1"


def rows_of(tables: Iterable[Table]) -> list[Rows]:
    """Answers about `reading` as columns."""
    return [_rows(table) for table in tables if table.values]


def _rows(table: Table) -> Rows:
    columns: Sequence[Sequence[Any]] = list(zip(*table.values, strict=True))
    named = dict(zip(table.columns, columns, strict=True))
    t_ms = np.array(named.pop("time"), dtype=np.int64)
    # None becomes NaN here.
    floats = {name: np.array(column, dtype=np.float64) for name, column in named.items()}
    return Rows(table.tags.get("gateway", ""), t_ms, floats.pop(INTERVAL_FIELD, None), floats)


def points_of(measurement: str, tables: Iterable[Table]) -> list[Point]:
    """Answers about any other measurement as points, by time."""
    found = MEASUREMENTS[measurement]
    points = [
        Point(
            measurement,
            {name: table.tags.get(name, "") for name in found.tags},
            row[0],
            {
                name: _value(value, integer=name in found.integers)
                for name, value in zip(table.columns[1:], row[1:], strict=True)
                if value is not None
            },
        )
        for table in tables
        for row in table.values
    ]
    return sorted(points, key=lambda point: point.t_ms)


def tables_of(measurement: str, answer: Iterable[Table]) -> Iterator[ports.Table]:
    """Answers about any measurement as they are, with a column for each tag."""
    found = MEASUREMENTS[measurement]
    for table in answer:
        tags = [table.tags.get(name, "") for name in found.tags]
        names = table.columns[1:]
        whole = [name in found.integers for name in names]
        rows = [
            [
                *tags,
                row[0],
                *[
                    float(value) if type(value) is int and not is_whole else value
                    for value, is_whole in zip(row[1:], whole, strict=True)
                ],
            ]
            for row in table.values
        ]
        yield ports.Table((*found.tags, "t_ms", *names), rows)


def _value(value: FieldValue, *, integer: bool) -> FieldValue:
    """JSON writes the float 5.0 as 5."""
    return value if isinstance(value, str | bool) or integer else float(value)
