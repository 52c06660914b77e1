"""Small made-up homes, for tests that need data but no simulator."""

from collections.abc import Iterator

import numpy as np

from model_export.dataset import MeterSeries
from wattline.intervals import from_amounts

HALF_HOUR = 1_800_000
T0 = 1_700_006_400_000 // 86_400_000 * 86_400_000


def small_homes(homes: int = 6, days: int = 15, seed: int = 1) -> Iterator[MeterSeries]:
    """Half-hourly amounts with a daily rhythm, of homes of very different sizes."""
    for home in range(homes):
        rng = np.random.default_rng((seed, home))
        n = days * 48
        hours = np.arange(n) % 48 / 2
        shape = 1.2 + np.sin((hours - 14) / 24 * 2 * np.pi) + rng.gamma(1.0, 0.4, n)
        t_ms = T0 + HALF_HOUR * np.arange(n, dtype=np.int64)
        kept = rng.random(n) > 0.01
        cut = from_amounts(0, t_ms[kept], (shape * 10.0 ** rng.uniform(-2, 3))[kept], HALF_HOUR)
        yield MeterSeries(f"home-{home}", cut)
