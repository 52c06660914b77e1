"""Scenes for tests."""

from dataclasses import replace

import numpy as np

from wattline.forecasting.calendar import calendar_of
from wattline.forecasting.port import HISTORY_MS, HORIZON_MS, Floats32, Scene

HALF_HOUR_MS = 1_800_000
ISSUED_MS = 1_772_323_200_000
"""2026-03-01T00:00Z, a Sunday, four weeks before clocks change in Europe."""
AFTER_CHANGE_MS = 1_774_915_200_000
"""2026-03-31T00:00Z, two days after they changed."""


def intervals(interval_ms: int = HALF_HOUR_MS) -> tuple[int, int]:
    """H and K."""
    return HISTORY_MS // interval_ms, HORIZON_MS // interval_ms


def scene_of(energy_kwh: Floats32, issued_ms: int = ISSUED_MS, interval_ms: int = HALF_HOUR_MS) -> Scene:
    """A scene without weather and floors, in London."""
    rows = len(energy_kwh)
    width = sum(intervals(interval_ms))
    return Scene(
        issued_ms,
        interval_ms,
        energy_kwh.astype(np.float32),
        calendar_of("Europe/London", "GB", issued_ms, interval_ms),
        np.empty((0, width), np.float32),
        np.full(rows, -1, np.int64),
        np.full(rows, np.nan, np.float32),
        np.ones(rows, np.float32),
    )


def home_like(rows: int, seed: int, interval_ms: int = HALF_HOUR_MS) -> Floats32:
    """Series with a day, a level and a good deal of chance, float32[rows, H]; some values are missing."""
    rng = np.random.default_rng(seed)
    known, _ = intervals(interval_ms)
    hour = np.arange(known) * interval_ms / 3_600_000 % 24
    shape = 0.2 + np.exp(-0.5 * ((hour - 19) / 2.5) ** 2)
    energy = shape * rng.lognormal(0, 0.5, (rows, known)) * rng.lognormal(-1.5, 1, (rows, 1))
    energy[rng.random(energy.shape) < 0.01] = np.nan
    return energy.astype(np.float32)


def mixed_scene(rows: int = 9, seed: int = 1, issued_ms: int = ISSUED_MS, interval_ms: int = HALF_HOUR_MS) -> Scene:
    """Homes at two places and one nowhere; the third is new, the fourth is never known, the fifth uses nothing."""
    energy = home_like(rows, seed, interval_ms)
    known, _ = intervals(interval_ms)
    per_day = known // 28
    energy[2] = np.nan_to_num(energy[2], nan=0.1)
    energy[2, : -3 * per_day] = np.nan
    energy[3] = np.nan
    energy[4] = 0
    rng = np.random.default_rng(seed)
    plain = scene_of(energy, issued_ms, interval_ms)
    return replace(
        plain,
        temperature_c=rng.normal(8, 4, (2, sum(intervals(interval_ms)))).astype(np.float32),
        place=rng.integers(-1, 2, rows),
        floor_m2=np.where(rng.random(rows) < 0.5, 90, np.nan).astype(np.float32),
    )


def part_of(scene: Scene, rows: list[int]) -> Scene:
    """The scene with only some of its series, in that order."""
    return replace(
        scene,
        energy_kwh=scene.energy_kwh[rows],
        place=scene.place[rows],
        floor_m2=scene.floor_m2[rows],
        members=scene.members[rows],
    )
