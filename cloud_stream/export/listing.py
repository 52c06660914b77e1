"""`wattline export --list`: which measurements there are, and from when to when."""

from collections.abc import Iterator, Sequence
from datetime import tzinfo
from typing import NamedTuple

import orjson

from cloud_stream.export.formats import time_texts
from cloud_stream.measurements import FLOW_MARK, MEASUREMENTS
from cloud_stream.ports import Tables


class Listed(NamedTuple):
    """One measurement that has rows.

    Attributes:
        first: Time of its first row, ISO 8601. last: of its last one.
    """

    measurement: str
    first: str
    last: str
    tags: Sequence[str]
    fields: Sequence[str]


def measurements(store: Tables, zone: tzinfo) -> Iterator[Listed]:
    """The measurements that have rows; the flow's own marks left out.

    Raises:
        StoreUnavailableError: The store does not answer.
    """
    for name, measurement in MEASUREMENTS.items():
        span = None if name == FLOW_MARK else store.time_range(name, {})
        if span is not None:
            first, last = time_texts(zone)(span)
            yield Listed(name, first, last, measurement.tags, store.field_names(name))


def as_json(listed: Sequence[Listed]) -> bytes:
    """One JSON document."""
    return orjson.dumps([one._asdict() for one in listed]) + b"\n"


def as_text(listed: Sequence[Listed]) -> bytes:
    """A line each, and what its columns are."""
    lines = []
    for one in listed:
        lines += [
            f"{one.measurement:18} {one.first}  {one.last}",
            f"    tags   {', '.join(one.tags)}",
            f"    fields {', '.join(one.fields)}",
        ]
    return "".join(f"{line}\n" for line in lines).encode()
