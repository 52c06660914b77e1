"""Short ways to write readings for the archive in tests."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from cloud_stream.records import Columns

NAN: Final = float("nan")
DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000
MIDNIGHT_MS: Final = 1_793_577_600_000
"""2026-11-02T00:00:00Z."""


def readings(
    values: Mapping[str, Sequence[float]],
    t_ms: Sequence[int],
    *,
    site: str = "house-1",
    gateway: str = "gw-1",
    meter: str = "m1",
    interval_ms: int = 0,
) -> Columns:
    """One frame of a meter."""
    return Columns(
        tuple(values),
        interval_ms,
        np.zeros(1, dtype=np.int64),
        [site],
        [gateway],
        [meter],
        np.array([len(t_ms)], dtype=np.int64),
        np.array(t_ms, dtype=np.int64),
        np.array(list(values.values()), dtype=np.float64).reshape(len(values), len(t_ms)),
    )


def power(t_ms: int, value: float = 1.0, *, site: str = "house-1", gateway: str = "gw-1", meter: str = "m1") -> Columns:
    """One reading of power."""
    return readings({"power_w": [value]}, [t_ms], site=site, gateway=gateway, meter=meter)
