"""The past of consumption from the store."""

from collections.abc import Sequence

import numpy as np

from cloud_stream.intents.ports import Past
from cloud_stream.measurements import USAGE
from cloud_stream.ports import Store
from cloud_stream.records import Point


class StoreHistory:
    """`History` from the `usage` of a store.

    Args:
        store: Prepared; used from the caller's thread.
        window: The utility interval as the store writes it, "30m".
    """

    def __init__(self, store: Store, window: str) -> None:
        self._store = store
        self._window = window

    def past(self, level: str, site: str, meter: str, start_ms: int, end_ms: int) -> Past:
        """See `History`; a meter has the temperature of its site."""
        rows = self._rows(level, site, meter, start_ms, end_ms)
        outdoors = self._rows("site", site, "", start_ms, end_ms) if level == "meter" else rows
        used = {row.t_ms: _number(row, "energy_kwh") for row in rows}
        degrees = {row.t_ms: _number(row, "temperature_c_mean") for row in outdoors}
        starts = sorted(t_ms for t_ms, value in used.items() if not np.isnan(value))
        return Past(
            np.array(starts, np.int64),
            np.array([used[t_ms] for t_ms in starts], np.float64),
            np.array([degrees.get(t_ms, np.nan) for t_ms in starts], np.float64),
        )

    def _rows(self, level: str, site: str, meter: str, start_ms: int, end_ms: int) -> Sequence[Point]:
        tags = {"level": level, "site": site, "meter": meter, "window": self._window}
        return self._store.points(USAGE, tags, start_ms, end_ms)


def _number(row: Point, field: str) -> float:
    value = row.fields.get(field)
    return float(value) if isinstance(value, int | float) else float("nan")
