"""What the demo's store holds, asked of its file: counted, not assumed."""

import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from wattline.wire import Frame

Place = tuple[str, int]
"""A reading: its meter and time."""


@dataclass(frozen=True, slots=True)
class GatewayRow:
    """One gateway as the live table shows it."""

    readings: int
    newest_ms: int
    outbox_rows: float
    state: str


class Ledger:
    """Reads the store's file while the flow writes to it.

    Attributes:
        latencies_ms: From a live power reading's time to its being seen in the store. An amount's time is the
            start of its interval and a gas meter's is minutes old when it is read: they would tell nothing.
    """

    def __init__(self, store: Path) -> None:
        """Nothing is opened yet."""
        self.latencies_ms: list[int] = []
        self._store = store
        self._seen: dict[str, int] = {}
        self._db: sqlite3.Connection | None = None

    def look(self) -> None:
        """Note the live readings that became visible since the last look; call it often."""
        now_ms = time.time_ns() // 1_000_000
        for meter, newest_ms in self._rows(
            "SELECT meter, max(t_ms) FROM reading WHERE power_w IS NOT NULL GROUP BY site, meter"
        ):
            since_ms = self._seen.get(meter, newest_ms)
            if newest_ms > since_ms:
                new = self._rows(
                    "SELECT t_ms FROM reading WHERE meter = ? AND t_ms > ? AND power_w IS NOT NULL", meter, since_ms
                )
                self.latencies_ms += [now_ms - t_ms for (t_ms,) in new]
            self._seen[meter] = newest_ms

    def stored(self) -> dict[str, set[Place]]:
        """Gateway to the (meter, time) of every stored reading."""
        found: dict[str, set[Place]] = {}
        for gateway, meter, t_ms in self._rows("SELECT gateway, meter, t_ms FROM reading"):
            found.setdefault(gateway, set()).add((meter, t_ms))
        return found

    def stored_count(self) -> int:
        """How many readings are stored."""
        return self._number("SELECT count(*) FROM reading")

    def gateways(self) -> Mapping[str, GatewayRow]:
        """The live table's rows."""
        counts = {g: (n, t) for g, n, t in self._rows("SELECT gateway, count(*), max(t_ms) FROM reading GROUP BY 1")}
        query = "SELECT gateway, status, outbox_rows, max(t_ms) FROM gateway GROUP BY gateway"
        states = {g: (state, rows or 0.0) for g, state, rows, _ in self._rows(query)}
        return {
            gateway: GatewayRow(*counts.get(gateway, (0, 0)), states[gateway][1], states[gateway][0])
            for gateway in sorted(states)
        }

    def windows(self) -> dict[str, int]:
        """Usage rows by level."""
        return dict(self._rows("SELECT level, count(*) FROM usage GROUP BY level"))

    def gauge_readings(self, quantity: str, window: str) -> int:
        """Readings of a gauge that the meters' windows say they are made of."""
        field = f"{quantity}_n"
        query = f"SELECT sum({field}) FROM usage WHERE level = 'meter' AND \"window\" = ?"  # noqa: S608 (our own names)
        return self._number(query, window)

    def raw_values(self, quantity: str) -> int:
        """Stored values of a quantity."""
        return self._number(f"SELECT count({quantity}) FROM reading")  # noqa: S608 (our own names)

    def anomalies(self) -> list[tuple[str, int, int, str]]:
        """(meter, start, interval, reason) of each anomaly, newest first."""
        query = "SELECT meter, t_ms, interval_ms, reason FROM anomaly WHERE kind = 'anomaly' ORDER BY t_ms DESC"
        return [(meter, t_ms, int(length or 0), reason) for meter, t_ms, length, reason in self._rows(query)]

    def alerts(self) -> list[tuple[int, str, str, str]]:
        """(time, rule, state, message) of each alert, newest first."""
        return self._rows("SELECT t_ms, rule, state, message FROM alert ORDER BY t_ms DESC")

    def close(self) -> None:
        """Close the file."""
        if self._db is not None:
            self._db.close()

    def _number(self, query: str, *values: object) -> int:
        rows = self._rows(query, *values)
        return int(rows[0][0] or 0) if rows else 0

    def _rows(self, query: str, *values: object) -> list[Any]:
        """The rows, or none while the table or its column has yet to be made."""
        if self._db is None:
            if not self._store.exists():
                return []
            self._db = sqlite3.connect(_read_only(self._store), uri=True, timeout=10, check_same_thread=False)
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.OperationalError as error:
            if "no such" in str(error):
                return []
            raise


def dead_letter_count(file: Path) -> int:
    """How many dead letters a file holds."""
    if not file.exists():
        return 0
    with sqlite3.connect(_read_only(file), uri=True, timeout=10) as db:
        return int(db.execute("SELECT count(*) FROM letters").fetchone()[0])


def outbox_places(state_dir: Path) -> set[Place]:
    """The readings in an agent's outbox."""
    frames = (
        frame
        for (payload,) in _outbox(state_dir, "SELECT payload FROM rows")
        for frame in msgspec.json.decode(payload, type=list[Frame])
    )
    return {(frame.meter, t_ms) for frame in frames for t_ms in frame.t}


def _outbox(state_dir: Path, query: str) -> list[Any]:
    file = state_dir / "readings.db"
    if not file.exists():
        return []
    try:
        with sqlite3.connect(_read_only(file), uri=True, timeout=5) as db:
            return db.execute(query).fetchall()
    except sqlite3.OperationalError:  # it is being made
        return []


def _read_only(file: Path) -> str:
    """A URI, in which a path's question marks and number signs do not end it."""
    return f"{file.absolute().as_uri()}?mode=ro"
