"""What is asked for: a measurement, tags, fields and a span of time, checked against what there is."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from cloud_stream.measurements import MEASUREMENTS
from cloud_stream.ports import Tables
from wattline.errors import ConfigError

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
_FEW: Final = 12
"""So many names an error lists."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What is exported.

    Attributes:
        tags: The values asked for; others are free.
        fields: In the order of columns.
        start_ms: Inclusive, ms UTC. end_ms: exclusive; both lie within what there is.
    """

    measurement: str
    tags: Mapping[str, str]
    fields: tuple[str, ...]
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Wish:
    """The same as a person wrote it.

    Attributes:
        fields: None for all.
        start_ms: None for the beginning. end_ms: None for the end.
    """

    measurement: str
    tags: Mapping[str, str]
    fields: Sequence[str] | None = None
    start_ms: int | None = None
    end_ms: int | None = None


def parse_time(text: str, zone: tzinfo, option: str) -> int | None:
    """A date or time in ms UTC; None for "".

    Args:
        text: As ISO 8601 has it: 2026-11-01, or 2026-11-01T06:30, or with Z or an offset.
        zone: Of a time that names none.
        option: That it is of, for the error.

    Raises:
        ConfigError: It is no time.
    """
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(option, f"{text!r} is no time such as 2026-11-01 or 2026-11-01T06:30:00Z") from None
    try:
        aware = found if found.tzinfo else found.replace(tzinfo=zone)
        return (aware - EPOCH) // _MS
    except OverflowError:
        raise ConfigError(option, f"{text!r} is out of range") from None


def parse_zone(name: str) -> tzinfo:
    """A time zone by its name.

    Raises:
        ConfigError: There is none of that name.
    """
    try:
        return UTC if name.upper() in {"UTC", "Z"} else ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ConfigError("--time-zone", f"{name!r} is no time zone such as Europe/London") from None


def parse_tags(measurement: str, named: Mapping[str, str | None], pairs: Iterable[str]) -> dict[str, str]:
    """The tags asked for, by options of their own or as NAME=VALUE.

    Raises:
        ConfigError: The measurement is unknown or has no such tag, or a pair is none.
    """
    check_measurement(measurement)
    found = {name: value for name, value in named.items() if value is not None}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign:
            raise ConfigError("--tag", f"{pair!r} is not NAME=VALUE")
        if found.setdefault(name, value) != value:
            raise ConfigError("--tag", f"{name} is asked for as {found[name]!r} and as {value!r}")
    known = MEASUREMENTS[measurement].tags
    for name in found:
        if name not in known:
            option = f"--{name}" if name in named else "--tag"
            raise ConfigError(option, f"{measurement} has no tag {name!r}; there are {', '.join(known)}")
    return found


def check_measurement(name: str) -> None:
    """Refuse what is no measurement.

    Raises:
        ConfigError: It is none.
    """
    if name not in MEASUREMENTS:
        raise ConfigError("MEASUREMENT", f"{name!r} is none; there are {', '.join(sorted(MEASUREMENTS))}")


def select(store: Tables, wish: Wish) -> Selection:
    """What of a wish there is.

    Raises:
        ConfigError: A field or a tag's value is asked for that no row has.
        StoreUnavailableError: The store does not answer.
    """
    fields = _fields(wish, store.field_names(wish.measurement))
    span = store.time_range(wish.measurement, wish.tags)
    if span is None:
        for name, value in wish.tags.items():
            _check_value(wish.measurement, name, value, store.tag_values(wish.measurement, name))
        return Selection(wish.measurement, wish.tags, fields, 0, 0)
    start_ms = span[0] if wish.start_ms is None else max(span[0], wish.start_ms)
    end_ms = span[1] + 1 if wish.end_ms is None else min(span[1] + 1, wish.end_ms)
    return Selection(wish.measurement, wish.tags, fields, start_ms, max(start_ms, end_ms))


def _fields(wish: Wish, known: Sequence[str]) -> tuple[str, ...]:
    if wish.fields is None:
        return tuple(known)
    for name in wish.fields:
        if name not in known:
            raise ConfigError("--field", f"{wish.measurement} has no field {name!r}; there are {_some(known)}")
    return tuple(dict.fromkeys(wish.fields))


def _check_value(measurement: str, name: str, value: str, known: Sequence[str]) -> None:
    if value and value not in known:
        raise ConfigError(f"--{name}", f"{measurement} has no {name} {value!r}; there are {_some(known)}")


def _some(names: Sequence[str]) -> str:
    if not names:
        return "none"
    rest = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
    return ", ".join(names[:_FEW]) + rest
