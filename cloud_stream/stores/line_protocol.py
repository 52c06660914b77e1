r"""InfluxDB's line protocol, by the column.

```
reading,site=house\ 1,gateway=gw-0001,meter=M2 power_w=512.0,energy_import_kwh=1034.5 1700000000000
```

Source: InfluxData, "InfluxDB line protocol reference" for 1.x; what the server
really takes was tried out (tests/cloud_stream/stores). Times are milliseconds:
requests must say so (`precision=ms`). Numbers are written with as many digits
as it takes to read the same 64-bit float again.
"""

import re
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import orjson

from cloud_stream.measurements import INTERVAL_FIELD, MEASUREMENTS, READING, FieldValue, is_tag_value
from cloud_stream.records import Floats, Int64s, Point, PointColumns
from cloud_stream.stores.blocks import Block, SeriesKey

MAX_BODY_POINTS: Final = 20_000
"""Larger bodies were not faster, and very large ones are dropped whole."""
MAX_BODY_VALUES: Final = 200_000
"""About 4 MB: a server may refuse 25 MB."""

_TAG_ESCAPES: Final = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ "})
_TEXT_ESCAPES: Final = str.maketrans({'"': r"\"", "\\": r"\\"})
_LINE: Final = re.compile(rb'(?:[^ \\\n]|\\.)+ (?:"(?:[^"\\]|\\.)*"|[^"\n])*', re.DOTALL)
"""Tags up to the first bare blank, where a quote is a letter; then fields, where it opens a text."""


class Body(NamedTuple):
    """Lines without a final line feed, and how many points they are."""

    data: bytes
    points: int


def encode_block(block: Block) -> list[Body]:
    """Write raw readings as lines.

    Args:
        block: Rows without NaN.

    Returns:
        Bodies of at most `MAX_BODY_POINTS` lines, in the order of the rows.
    """
    step = max(1, min(MAX_BODY_POINTS, MAX_BODY_VALUES // len(block.quantities)))
    width = 2 * len(block.quantities) + 2
    pieces = _pieces(block, width)
    bodies = []
    for first in range(0, len(block.t_ms), step):
        some = pieces[first * width : (first + step) * width]
        # Each row's first piece begins with the line feed that ends the row before.
        bodies.append(Body(b"".join(some)[1:], len(some) // width))
    return bodies


def lines_of(block: Block) -> list[bytes]:
    """Write raw readings line by line, for a person to look at what was refused."""
    keys = tuple((_shown(site), _shown(gateway), _shown(meter)) for site, gateway, meter in block.keys)
    return [line for body in encode_block(replace(block, keys=keys)) for line in body.data.split(b"\n")]


def _shown(tag: str) -> str:
    return tag if is_tag_value(tag) else tag.encode("unicode_escape").decode()


def _pieces(block: Block, width: int) -> list[bytes]:
    """The bytes of all rows, `width` to a row, filled in column by column."""
    pieces = [b""] * (len(block.t_ms) * width)
    heads = np.empty(len(block.keys), dtype=np.object_)
    heads[:] = [_head(key, block.quantities[0]) for key in block.keys]
    pieces[::width] = heads[block.key_of_row].tolist()
    for place, (name, column) in enumerate(zip(block.quantities, block.values, strict=True)):
        if place:
            pieces[2 * place :: width] = [f",{name}=".encode()] * len(column)
        pieces[2 * place + 1 :: width] = _numbers(column)
    interval = f",{INTERVAL_FIELD}={block.interval_ms}i " if block.interval_ms else " "
    pieces[width - 2 :: width] = [interval.encode()] * len(block.t_ms)
    pieces[width - 1 :: width] = _numbers(block.t_ms)
    return pieces


def _numbers(column: Floats | Int64s) -> list[bytes]:
    return orjson.dumps(column, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")


@lru_cache(maxsize=1 << 16)
def _head(key: SeriesKey, quantity: str) -> bytes:
    tags = zip(MEASUREMENTS[READING].tags, key, strict=True)
    return f"\n{READING}{_tags(tags)} {quantity}=".encode()


def encode_point(point: Point) -> bytes:
    """Write one point as a line; `measurements.problem` must have found none in it."""
    integers = MEASUREMENTS[point.measurement].integers
    # Most fields are floats: this line is most of the time that points take.
    fields = ",".join(
        [
            f"{name}={value!r}" if type(value) is float and name not in integers else _field(name, value, integers)
            for name, value in point.fields.items()
        ]
    )
    return f"{_point_head(point.measurement, tuple(point.tags.items()))} {fields} {point.t_ms}".encode()


@lru_cache(maxsize=1 << 16)
def _point_head(measurement: str, tags: tuple[tuple[str, str], ...]) -> str:
    given = dict(tags)
    return measurement + _tags((name, given.get(name, "")) for name in MEASUREMENTS[measurement].tags)


def encode_points(points: Iterable[Point]) -> list[Body]:
    """Write points as bodies of at most `MAX_BODY_POINTS` lines, in order."""
    lines = [encode_point(point) for point in points]
    steps = range(0, len(lines), MAX_BODY_POINTS)
    return [_body(lines[first : first + MAX_BODY_POINTS]) for first in steps]


def encode_columns(columns: PointColumns) -> list[Body]:
    """Write the points of columns as bodies of at most `MAX_BODY_POINTS` lines, in order.

    Args:
        columns: `measurements.is_sound` must hold of them.
    """
    series, place = np.nonzero(columns.present())
    if not len(series):
        return []
    of_row, rows, width = series.tolist(), len(series), 2 * len(columns.numbers) + 2
    pieces = [b""] * (rows * width)
    name, *others = columns.numbers
    heads = [f"\n{_point_head(columns.measurement, tuple(tags.items()))} {name}=".encode() for tags in columns.tags]
    pieces[::width] = map(heads.__getitem__, of_row)
    for number, other in enumerate(others, 1):
        pieces[2 * number :: width] = [f",{other}=".encode()] * rows
    for number, values in enumerate(columns.numbers.values()):
        pieces[2 * number + 1 :: width] = _numbers(values[series, place])
    pieces[width - 2 :: width] = map(_tails(columns).__getitem__, of_row)
    pieces[width - 1 :: width] = _numbers(columns.t_ms[place])
    step = MAX_BODY_POINTS * width
    return [
        Body(b"".join(pieces[first : first + step])[1:], min(step, len(pieces) - first) // width)
        for first in range(0, len(pieces), step)
    ]


def _tails(columns: PointColumns) -> list[bytes]:
    """What stands between the last number and the time, of each series."""
    integers = MEASUREMENTS[columns.measurement].integers
    return [
        "".join([*(f",{_field(name, values[i], integers)}" for name, values in columns.facts.items()), " "]).encode()
        for i in range(len(columns.tags))
    ]


def _body(lines: Sequence[bytes]) -> Body:
    return Body(b"\n".join(lines), len(lines))


def pack(bodies: Iterable[Body]) -> Iterator[Body]:
    """Join small neighbours into bodies of at most `MAX_BODY_POINTS` lines."""
    held: list[Body] = []
    points = 0
    for body in bodies:
        if held and points + body.points > MAX_BODY_POINTS:
            yield Body(b"\n".join(part.data for part in held), points)
            held, points = [], 0
        held.append(body)
        points += body.points
    if held:
        yield Body(b"\n".join(part.data for part in held), points)


def split_lines(data: bytes) -> list[bytes]:
    """The lines of a body; a line feed inside a text ends none."""
    return _LINE.findall(data)


def _tags(tags: Iterable[tuple[str, str]]) -> str:
    return "".join(f",{name}={value.translate(_TAG_ESCAPES)}" for name, value in tags if value)


def _field(name: str, value: FieldValue, integers: Container[str]) -> str:
    if isinstance(value, str):
        return f'{name}="{value.translate(_TEXT_ESCAPES)}"'
    if isinstance(value, bool):
        return f"{name}=true" if value else f"{name}=false"
    return f"{name}={int(value)}i" if name in integers else f"{name}={float(value)!r}"
