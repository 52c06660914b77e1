"""TOML files into typed values, with errors that point into the file.

Durations are written "5s", "1m", "14d", sizes "512MiB"; the fields that hold
them are `DurationMs` and `SizeBytes`: plain integers with a marker.
"""

import re
import tomllib
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from wattline.errors import ConfigError

T = TypeVar("T")
_UNITS_MS: Final = {
    "ms": 1,
    "s": 1000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
}
_SIZES: Final = {
    "B": 1,
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
    "TiB": 1 << 40,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
}
_PLACED: Final = re.compile(r"(.*) - at `(\$[^`]*)`", re.DOTALL)
_NUMBER_UNIT: Final = re.compile(r"\s*([0-9]{1,15}(?:\.[0-9]{1,15})?)\s*([A-Za-z]+)\s*")


class DurationMs(int):
    """A span of time in integer milliseconds, written "5s" in a file."""

    __slots__ = ()

    @property
    def seconds(self) -> float:
        """The same span in seconds."""
        return self / 1000


class SizeBytes(int):
    """A number of bytes, written "512MiB" in a file."""

    __slots__ = ()


def parse_duration(text: str) -> DurationMs:
    """Read "250ms", "5s", "1.5h", "14d".

    Raises:
        ValueError: It is not a number and one of ms, s, m, h, d, w.
    """
    value, unit = _split(text, _UNITS_MS, 'a duration such as "5s" or "14d"')
    return DurationMs(round(value * _UNITS_MS[unit]))


def parse_size(text: str) -> SizeBytes:
    """Read "64KiB", "512MiB", "20GiB", "1MB".

    Raises:
        ValueError: It is not a number and a unit of bytes.
    """
    value, unit = _split(text, _SIZES, 'a size such as "512MiB"')
    return SizeBytes(round(value * _SIZES[unit]))


def load(path: Path, schema: type[T]) -> T:
    """Read a TOML file into a msgspec Struct.

    Args:
        path: The file.
        schema: A Struct, best with `forbid_unknown_fields`.

    Raises:
        ConfigError: The file is missing, is no TOML, or a value does not fit;
            `where` is the path inside the file.
    """
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(str(path), error.strerror or str(error)) from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(str(path), f"is not TOML: {error}") from None
    try:
        return convert(table, schema)
    except ConfigError as error:
        where = f"{path}: {error.where}" if error.where else str(path)
        raise ConfigError(where, error.problem) from None


def convert(table: dict[str, Any], schema: type[T], where: str = "") -> T:
    """Turn a parsed table into `schema`.

    Args:
        table: What the TOML parser returned.
        schema: A msgspec Struct.
        where: Where the table stands in its file, put before the path.

    Raises:
        ConfigError: A key is unknown or missing, or a value does not fit.
    """
    try:
        return msgspec.convert(table, schema, dec_hook=_decode_unit)
    except msgspec.ValidationError as error:
        problem, path = _split_path(str(error))
        inner = path.removeprefix("$").removeprefix(".")
        joined = ".".join(part for part in (where, inner) if part)
        raise ConfigError(joined.replace(".[", "["), _plain(problem)) from None


def _split_path(message: str) -> tuple[str, str]:
    """The problem and its place; the problem may quote anything that the file holds."""
    found = _PLACED.fullmatch(message)
    return (found[1], found[2]) if found else (message, "")


def _decode_unit(kind: type, value: object) -> object:
    if kind is DurationMs and isinstance(value, str):
        return parse_duration(value)
    if kind is SizeBytes and isinstance(value, str):
        return parse_size(value)
    if kind is Path and isinstance(value, str) and "\0" not in value:
        return Path(value).expanduser()
    examples = {DurationMs: '"5s"', SizeBytes: '"512MiB"', Path: '"var/data"'}
    expected = examples.get(kind, kind.__name__)
    message = f"expected text such as {expected}, got {value!r}"
    raise ValueError(message)


def _split(text: str, units: dict[str, int], expected: str) -> tuple[float, str]:
    match = _NUMBER_UNIT.fullmatch(text)
    if match is None or match[2] not in units:
        message = f"expected {expected}, got {text!r}"
        raise ValueError(message)
    return float(match[1]), match[2]


def _plain(problem: str) -> str:
    found = re.fullmatch(r"Object contains unknown field `(.*)`", problem, re.DOTALL)
    if found:
        return f"unknown key {found[1]!r}"
    found = re.fullmatch(r"Object missing required field `(.*)`", problem)
    if found:
        return f"the key {found[1]!r} is missing"
    return problem[:1].lower() + problem[1:]
