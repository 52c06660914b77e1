"""A store's file as the cloud writes it, with a few rows."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cloud_stream.records import Columns, Point
from cloud_stream.stores.sqlite import SqliteStore

DAY_MS = 86_400_000


class StoreFile:
    """The cloud's SQLite store, written through its own adapter."""

    def __init__(self, path: Path, now_ms: int) -> None:
        self._store = SqliteStore(path, 400 * DAY_MS, lambda: now_ms)
        self._store.prepare()

    def put(
        self, meter: str, times: Sequence[int], quantity: str = "power_w", *, gateway: str = "gw", site: str = "house"
    ) -> None:
        """Readings of 1.0."""
        columns = Columns(
            (quantity,),
            0,
            np.zeros(1, np.int64),
            [site],
            [gateway],
            [meter],
            np.array([len(times)], np.int64),
            np.array(times, np.int64),
            np.ones((1, len(times))),
        )
        assert self._store.write([columns], []) == []

    def put_points(self, *points: Point) -> None:
        """Rows of other measurements."""
        assert self._store.write([], points) == []

    def close(self) -> None:
        """Let go of the file."""
        self._store.close()


def usage(level: str, meter: str, t_ms: int, **fields: float) -> Point:
    """A window of five minutes."""
    return Point("usage", {"level": level, "site": "house", "meter": meter, "window": "5m"}, t_ms, fields)


def anomaly(meter: str, t_ms: int, kind: str = "anomaly") -> Point:
    """A quarter of an hour that a detector reported."""
    fields: dict[str, float | int | str | bool] = {
        "kind": kind,
        "score": 0.9,
        "threshold": 0.8,
        "reason": "jump",
        "interval_ms": 900_000,
    }
    return Point("anomaly", {"site": "house", "gateway": "gw", "meter": meter, "detector": "d"}, t_ms, fields)


def alert(t_ms: int, state: str) -> Point:
    """A word of a rule."""
    tags = {"rule": "high-power", "severity": "warning", "level": "meter", "site": "house", "meter": "m-1"}
    fields: dict[str, float | int | str | bool] = {
        "state": state,
        "value": 2.0,
        "limit": 1.0,
        "message": f"[m-1] is {state}",
    }
    return Point("alert", tags, t_ms, fields)


def status(gateway: str, t_ms: int, state: str, **fields: float) -> Point:
    """What a gateway said about itself."""
    return Point("gateway", {"gateway": gateway}, t_ms, {"status": state, **fields})
