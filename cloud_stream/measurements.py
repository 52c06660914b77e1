"""The measurements of the store: their tags, and what a point must be like.

The rules are the narrowest that every store can keep, so that a point that one
store takes is taken by all.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from cloud_stream.records import Point, PointColumns


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measurement: what its points are told apart by, besides their time.

    Attributes:
        tags: In the order in which stores write them.
        integers: Fields kept as 64-bit integers. Every other number is a
            float, whatever Python type a point has it in: stores tie a field
            to the type that it had first.
    """

    name: str
    tags: tuple[str, ...]
    integers: frozenset[str] = frozenset()


FieldValue = float | int | str | bool

READING: Final = "reading"
USAGE: Final = "usage"
FORECAST: Final = "forecast"
ALERT: Final = "alert"
FLOW_MARK: Final = "flow_mark"
INTERVAL_FIELD: Final = "interval_ms"
"""The field of `reading` that holds the interval of the row's amounts."""

MEASUREMENTS: Final[Mapping[str, Measurement]] = {
    measurement.name: measurement
    for measurement in (
        Measurement(READING, ("site", "gateway", "meter"), frozenset({INTERVAL_FIELD})),
        Measurement(USAGE, ("level", "site", "meter", "window")),
        Measurement(FORECAST, ("level", "site", "meter", "lead"), frozenset({"issued_at"})),
        Measurement("forecast_quality", ("level", "site", "meter", "lead")),
        Measurement("weather", ("site", "source"), frozenset({"issued_at"})),
        Measurement("anomaly", ("site", "gateway", "meter", "detector")),
        Measurement(ALERT, ("rule", "severity", "level", "site", "meter"), frozenset({"since_ms"})),
        Measurement("notification", ("channel",)),
        Measurement("intent", ("intent", "site", "meter")),
        Measurement("recommendation", ("intent", "site", "meter", "advice")),
        Measurement("correlation", ("level", "site", "meter", "driver")),
        Measurement("gateway", ("gateway",)),
        Measurement("load", ("gateway", "site", "load")),
        Measurement("command", ("gateway", "site", "load"), frozenset({"expires_at"})),
        Measurement(FLOW_MARK, ("shard",), frozenset({"number"})),
    )
}

MAX_TAG_LENGTH: Final = 256
MAX_TEXT_LENGTH: Final = 4096
MAX_INTEGER: Final = 2**63 - 1
MAX_TIME_MS: Final = MAX_INTEGER // 10**6 - 1
"""In the year 2262, where nanoseconds since 1970 leave 64 bits."""
_FORBIDDEN_IN_TAG: Final = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]")
_FORBIDDEN_IN_TEXT: Final = re.compile(r"[\x00\ud800-\udfff]")
_FIELD_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,127}")
_RESERVED: Final = frozenset({"time", "t_ms"})


@lru_cache(maxsize=1 << 17)
def is_tag_value(value: str) -> bool:
    """Whether every store can keep `value` as a tag.

    A backslash is forbidden because the line protocol cannot write one at the
    end of a tag, a control character because it cannot write a line feed.
    """
    return len(value) <= MAX_TAG_LENGTH and _FORBIDDEN_IN_TAG.search(value) is None


def problem(point: Point) -> str:
    """Why no store can keep a point: a reason, or "" when it can be kept."""
    if point.measurement not in MEASUREMENTS:
        return "unknown_measurement"
    if not _are_tags(point.measurement, tuple(point.tags.items())):
        return "bad_tag"
    if not _are_fields(point.measurement, tuple(point.fields)):
        return "bad_field"
    if not -MAX_TIME_MS <= point.t_ms <= MAX_TIME_MS:
        return "bad_time"
    return "" if all(map(_is_value, point.fields.values())) else "bad_value"


def is_sound(columns: PointColumns) -> bool:
    """Whether every store can keep all points of the columns, and their numbers are floats to all of them."""
    known = MEASUREMENTS.get(columns.measurement)
    if known is None or known.integers.intersection(columns.numbers):
        return False
    # What may be wrong is the same at all times of a series, but for the times themselves.
    numbers = dict.fromkeys(columns.numbers, 0.0)
    ends = (int(columns.t_ms.min(initial=0)), int(columns.t_ms.max(initial=0)))
    for series, tags in enumerate(columns.tags):
        fields = numbers | {name: values[series] for name, values in columns.facts.items()}
        if any(problem(Point(columns.measurement, tags, t_ms, fields)) for t_ms in ends):
            return False
    return True


def _is_value(value: FieldValue) -> bool:
    if isinstance(value, str):
        return len(value) <= MAX_TEXT_LENGTH and _FORBIDDEN_IN_TEXT.search(value) is None
    if isinstance(value, int):
        return -MAX_INTEGER <= value <= MAX_INTEGER
    return math.isfinite(value)


# A million points have a few thousand tags and a few sets of fields.
@lru_cache(maxsize=1 << 17)
def _are_tags(measurement: str, tags: tuple[tuple[str, str], ...]) -> bool:
    known = MEASUREMENTS[measurement].tags
    return all(name in known and is_tag_value(value) for name, value in tags)


@lru_cache(maxsize=1 << 12)
def _are_fields(measurement: str, names: tuple[str, ...]) -> bool:
    return bool(names) and all(_is_field_name(measurement, name) for name in names)


def _is_field_name(measurement: str, name: str) -> bool:
    taken = name in _RESERVED or name in MEASUREMENTS[measurement].tags
    return not taken and _FIELD_NAME.fullmatch(name) is not None


@lru_cache(maxsize=64)
def width_label(width_ms: int) -> str:
    """The `window` tag of a width: "1h", "30m", "5m", "15s"."""
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if width_ms % size == 0:
            return f"{width_ms // size}{unit}"
    return f"{width_ms}ms"
