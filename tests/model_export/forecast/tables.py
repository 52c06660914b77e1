"""Tables of series for tests."""

from dataclasses import replace

import numpy as np

from model_export.forecast.table import DAY_MS, Place, SeriesTable, Shape
from wattline.forecasting.port import Floats32

START_MS = 1_772_323_200_000
"""2026-03-01T00:00Z; the clocks in London change four weeks later."""
HOUR_MS = 3_600_000


def random_table(series: int = 4, days: int = 50, seed: int = 1, interval_ms: int = HOUR_MS) -> SeriesTable:
    """Homes with a day of their own, much chance, some gaps, and the weather of one town."""
    rng = np.random.default_rng(seed)
    shape = Shape(START_MS, days * DAY_MS // interval_ms, interval_ms)
    per_day = DAY_MS // interval_ms
    usual = np.tile(rng.lognormal(-1, 0.7, (series, per_day)), -(-shape.length // per_day))[:, : shape.length]
    used = usual * rng.lognormal(0, 0.4, usual.shape)
    used[rng.random(used.shape) < 0.01] = np.nan
    return table_from(used.astype(np.float32), shape, rng.normal(9, 4, (1, shape.width)).astype(np.float32))


def table_from(used: Floats32, shape: Shape, temperature_c: Floats32) -> SeriesTable:
    """A table of these values in London."""
    energy = np.full((len(used), shape.width), np.nan, np.float32)
    begin = int(shape.columns(np.array([shape.start_ms]))[0])
    energy[:, begin : begin + shape.length] = used
    return SeriesTable(
        tuple(f"home-{row}" for row in range(len(used))),
        shape.start_ms,
        shape.interval_ms,
        energy,
        temperature_c,
        np.zeros(len(used), np.int64),
        np.full(len(used), 80, np.float32),
        np.ones(len(used), np.float32),
        shape.calendar(Place("Europe/London", "GB")),
    )


def with_garbage_from(table: SeriesTable, at: int) -> SeriesTable:
    """The table with everything that came after interval `at` began replaced by nonsense, weather included."""
    rng = np.random.default_rng(99)
    energy, warmth = table.energy_kwh.copy(), table.temperature_c.copy()
    for values in (energy, warmth):
        later = values[:, table.history + at :]
        later[:] = rng.choice([-1e6, 0.0, 1e6, np.nan], later.shape)
    return replace(table, energy_kwh=energy, temperature_c=warmth)
