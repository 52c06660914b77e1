"""Short ways to write readings in tests."""

import time
from collections.abc import Mapping, Sequence

import numpy as np

from cloud_stream.records import Columns, PointColumns

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


def forecasts(
    energy_kwh: Sequence[Sequence[float]],
    t_ms: Sequence[int],
    *,
    meters: Sequence[str] = ("m1", "m2"),
    **facts: int | str,
) -> PointColumns:
    """Forecasts of some meters at the same times: (meter, time) to energy; the band is one to each side."""
    middle = np.array(energy_kwh, np.float64).reshape(len(meters), len(t_ms))
    said: dict[str, int | str] = {"issued_at": 7, "model": "a b"}
    tags = [{"level": "meter", "site": "house-1", "meter": meter, "lead": "latest"} for meter in meters]
    return PointColumns(
        "forecast",
        tags,
        np.array(t_ms, np.int64),
        {"energy_kwh": middle, "lower": middle - 1, "upper": middle + 1},
        {name: [value] * len(tags) for name, value in (said | facts).items()},
    )
