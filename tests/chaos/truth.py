"""What was sent, what is stored, and where the two differ."""

import csv
import json
import math
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from tests.cloud_stream.windows.plain import Value, usage
from wattline.local_servers import InfluxServer

WIDTHS = {"5m": 300_000, "30m": 1_800_000}
LEVELS = ("meter", "site", "fleet")
_SHOWN = 5

ReadingKey = tuple[str, str, str, int]
"""Site, meter, quantity, time in ms."""
UsageKey = tuple[str, str, str, int]
"""Level, site, meter, start of the window in ms."""
Fields = Mapping[str, float]


class Stored(Protocol):
    """Looks at a store from outside, without the code that wrote it."""

    def rows(self, measurement: str, level: str = "") -> Iterator[dict[str, Any]]:
        """Tags, `t_ms` and the fields that are set; with a level, only its rows."""


class StoredInSqlite:
    """A file of the SQLite store."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def rows(self, measurement: str, level: str = "") -> Iterator[dict[str, Any]]:
        """See `Stored`."""
        with closing(sqlite3.connect(f"file:{self._file}?mode=ro", uri=True)) as db:
            db.row_factory = sqlite3.Row
            for row in db.execute(_select(measurement, level)):
                yield {name: row[name] for name in row.keys() if row[name] is not None}  # noqa: SIM118 (a Row is no dict)


class StoredInInflux:
    """A database of InfluxDB 1.x."""

    def __init__(self, server: InfluxServer, database: str) -> None:
        self._server = server
        self._database = database

    def rows(self, measurement: str, level: str = "") -> Iterator[dict[str, Any]]:
        """See `Stored`."""
        asked = {"q": _select(measurement, level), "db": self._database, "epoch": "ms"}
        for series in json.loads(self._server.post("/query", b"", asked))["results"][0].get("series", []):
            names = ["t_ms" if name == "time" else name for name in series["columns"]]
            for row in series["values"]:
                yield {name: value for name, value in zip(names, row, strict=True) if value is not None}


def _select(measurement: str, level: str) -> str:
    where = f" WHERE \"level\" = '{level}'" if level else ""
    return f'SELECT * FROM "{measurement}"{where}'  # noqa: S608 (constants of the test)


class Truth(NamedTuple):
    """What a store must hold when everything has arrived.

    Attributes:
        readings: Every value that was sent.
        usage: By the label of the width, all windows computed from the readings.
    """

    readings: Mapping[ReadingKey, float]
    usage: Mapping[str, Mapping[UsageKey, Fields]]


def truth_of(values: Sequence[Value]) -> Truth:
    """Compute what must be stored.

    Raises:
        AssertionError: The values contradict each other: that would be a mistake of the test.
    """
    readings: dict[ReadingKey, float] = {}
    for one in values:
        key = (one.site, one.meter, one.quantity, one.t_ms)
        assert readings.setdefault(key, one.value) == one.value, f"two values for {key}"
    return Truth(readings, {label: usage(values, width_ms) for label, width_ms in WIDTHS.items()})


def sent_by_fleet(file: Path) -> Iterator[Value]:
    """Every value that a fleet says it has sent."""
    with file.open(newline="") as lines:
        for row in csv.DictReader(lines):
            t_ms = int(row["t_ms"])
            for quantity in ("power_w", "energy_import_kwh"):
                yield Value(row["site"], row["meter"], quantity, t_ms, float(row[quantity]))


def differences(stored: Stored, truth: Truth) -> list[str]:
    """What is missing, too much or different, a few examples of each; empty when all is well."""
    return [*_reading_differences(stored, truth.readings), *_usage_differences(stored, truth, LEVELS)]


def fleet_differences(stored: Stored, truth: Truth) -> list[str]:
    """The same of the windows of the fleet alone: quickly looked at."""
    return list(_usage_differences(stored, truth, ("fleet",)))


def _reading_differences(stored: Stored, sent: Mapping[ReadingKey, float]) -> Iterator[str]:
    found: dict[ReadingKey, float] = {}
    repeated = []
    for row in stored.rows("reading"):
        for name, value in row.items():
            if name not in ("site", "gateway", "meter", "t_ms", "interval_ms"):
                key = (row["site"], row["meter"], name, row["t_ms"])
                if key in found:
                    repeated.append(key)
                found[key] = value
    yield from _shown("readings stored twice", repeated)
    yield from _shown("readings missing", sent.keys() - found.keys())
    yield from _shown("readings that nobody sent", found.keys() - sent.keys())
    wrong = [(key, sent[key], found[key]) for key in sent.keys() & found.keys() if sent[key] != found[key]]
    yield from _shown("readings with another value (sent, stored)", wrong)


def _usage_differences(stored: Stored, truth: Truth, levels: Sequence[str]) -> Iterator[str]:
    for level in levels:
        found: dict[str, dict[UsageKey, dict[str, float]]] = {label: {} for label in WIDTHS}
        for row in stored.rows("usage", level):
            tags = {name: row.pop(name, "") for name in ("level", "site", "meter", "window")}
            found[tags["window"]][level, tags["site"], tags["meter"], row.pop("t_ms")] = row
        for label, theirs in found.items():
            mine = {key: fields for key, fields in truth.usage[label].items() if key[0] == level}
            yield from _window_differences(f"{label} windows of level {level}", mine, theirs)


def _window_differences(
    what: str, wanted: Mapping[UsageKey, Fields], found: Mapping[UsageKey, Fields]
) -> Iterator[str]:
    yield from _shown(f"{what} missing", wanted.keys() - found.keys())
    yield from _shown(f"{what} too many", found.keys() - wanted.keys())
    pairs = ((key, _unequal(wanted[key], found[key])) for key in wanted.keys() & found.keys())
    yield from _shown(f"{what} wrong (sent, stored)", [pair for pair in pairs if pair[1]])


def _unequal(wanted: Fields, found: Fields) -> dict[str, tuple[float | None, float | None]]:
    return {
        name: (wanted.get(name), found.get(name))
        for name in sorted(wanted.keys() | found.keys())
        if not _close(wanted.get(name), found.get(name))
    }


def _close(wanted: float | None, found: float | None) -> bool:
    return wanted is not None and found is not None and math.isclose(wanted, found, rel_tol=1e-9, abs_tol=1e-12)


def _shown(what: str, examples: Iterable[object]) -> Iterator[str]:
    every = sorted(map(str, examples))
    if every:
        yield f"{len(every)} {what}: {'; '.join(every[:_SHOWN])}"
