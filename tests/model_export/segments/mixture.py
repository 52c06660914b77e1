"""Made-up homes that plainly live differently, and where each belongs."""

from collections.abc import Iterator

import numpy as np

from model_export.dataset import MeterSeries
from wattline.intervals import Floats, from_amounts

HALF_HOUR = 1_800_000
DAY = 86_400_000
MONDAY = 1_699_833_600_000
"""2023-11-13T00:00Z."""


def hump(hour: float, width_h: float) -> Floats:
    """One hump in a day of half-hours, over midnight too."""
    away = (np.arange(48) / 2 - hour + 12) % 24 - 12
    shape: Floats = np.exp(-away * away / (2 * width_h * width_h))
    return shape


SHAPES = {
    "flat": np.ones(48),
    "night load": 0.2 + 4 * hump(2, 1.5),
    "daytime": 0.4 + 1.5 * hump(13, 2.5),
    "evening peak": 0.3 + 3 * hump(19.5, 1.5),
}


def meter(name: str, days: Floats, start_ms: int = MONDAY) -> MeterSeries:
    """A meter from its half-hours, float64[D, 48]; NaN is a missing one."""
    amounts = days.ravel()
    t_ms = start_ms + HALF_HOUR * np.arange(len(amounts), dtype=np.int64)
    known = np.isfinite(amounts)
    return MeterSeries(name, from_amounts(0, t_ms[known], amounts[known], HALF_HOUR))


def mixture(homes: int = 40, days: int = 35, seed: int = 1) -> Iterator[MeterSeries]:
    """Homes of all shapes by turns, of very different sizes; "home-0007 evening peak" says where one belongs."""
    for number in range(homes):
        rng = np.random.default_rng((seed, number))
        kind = tuple(SHAPES)[number % len(SHAPES)]
        hours = np.arange(48) / 2
        shape = np.interp(hours - rng.uniform(-0.5, 0.5), hours, SHAPES[kind], period=24)
        days_of_home = shape * rng.gamma(4.0, 0.25, (days, 48))
        yield meter(f"home-{number:04d} {kind}", days_of_home * 10 ** rng.uniform(-2, 3))


def kind_of(name: str) -> str:
    """Where a home of the mixture belongs."""
    return name.split(" ", 1)[1]
