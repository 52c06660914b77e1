"""Short ways to write readings in tests."""

import time
from collections.abc import Mapping, Sequence

import numpy as np

from cloud_stream.records import Columns

NOW_MS = time.time_ns() // 1_000_000 // 60_000 * 60_000
"""A minute's start not long ago, so that rows lie within the retention of servers."""
NAN = float("nan")


def readings(
    values: Mapping[str, Sequence[float]],
    t_ms: Sequence[int],
    *,
    meter: str = "m1",
    site: str = "house-1",
    gateway: str = "gw-1",
    interval_ms: int = 0,
) -> Columns:
    """One frame of a meter."""
    return frames(values, t_ms, [(site, gateway, meter, len(t_ms))], interval_ms)


def frames(
    values: Mapping[str, Sequence[float]],
    t_ms: Sequence[int],
    heads: Sequence[tuple[str, str, str, int]],
    interval_ms: int = 0,
) -> Columns:
    """Several frames: (site, gateway, meter, rows) of each."""
    sites, gateways, meters, lengths = zip(*heads, strict=True)
    return Columns(
        tuple(values),
        interval_ms,
        np.zeros(len(heads), dtype=np.int64),
        sites,
        gateways,
        meters,
        np.array(lengths, dtype=np.int64),
        np.array(t_ms, dtype=np.int64),
        np.array(list(values.values()), dtype=np.float64).reshape(len(values), len(t_ms)),
    )
