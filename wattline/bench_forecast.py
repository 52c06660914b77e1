"""Measures how long forecasts of a whole fleet take: every meter's next 48 hours, on one core, shard after shard."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np

from wattline.errors import WattlineError
from wattline.forecasting.calendar import calendar_of
from wattline.forecasting.naive import SeasonalNaive
from wattline.forecasting.port import HISTORY_MS, HORIZON_MS, Forecaster, Scene
from wattline.process_usage import TreeUsage

INTERVAL_MS: Final = 1_800_000
SHARDS: Final = 32
"""The flow forecasts a shard's meters together; the fleet is never in memory at once."""
FACTORY: Final = "forecasters/meter-30m.onnx"
"""Where the cloud keeps the model that comes with it."""
_ISSUED_MS: Final = 1_763_683_200_000
_PLACES: Final = 4
_MISSING: Final = 0.002

Progress = Callable[[str], None]


class ForecastBenchError(WattlineError):
    """The measurement could not be made; the message says why."""


def run_forecast_bench(
    meters: int = 100_000, *, model: Path | None = None, naive: bool = False, progress: Progress = lambda _: None
) -> dict[str, Any]:
    """Forecast every meter's next 48 hours of half-hours on one core.

    Args:
        meters: How many, shared out over 32 shards.
        model: An ONNX forecaster; None for the one that comes with the cloud.
        naive: Measure the same time a week before instead.
        progress: Told what is going on.

    Returns:
        `seconds` of forecasting alone, `meters_per_s`, `seconds_for_100000` at that pace and the
        `cpu_seconds_for_100000` that it takes where others want the core too, `model`, `by_model`: the
        share of meters that it forecast itself, `told`: the share of the half-hours for which anything was said, and
        `peak_mb` of the process.

    Raises:
        ForecastBenchError: There is no model.
        ConfigError: The file is no model that can be used.
    """
    forecaster = SeasonalNaive() if naive else _forecaster(model)
    progress(f"{meters} meters with {forecaster.name}")
    spent_s, cpu_s, by_model, told = 0.0, 0.0, 0, 0
    with _one_core(), TreeUsage(os.getpid()) as usage:
        for shard in range(min(SHARDS, meters)):
            scene = shard_scene(len(range(shard, meters, SHARDS)), shard)
            began_s, began_cpu_s = time.perf_counter(), time.process_time()
            forecast = forecaster.forecast(scene)
            spent_s += time.perf_counter() - began_s
            cpu_s += time.process_time() - began_cpu_s
            by_model += int(forecast.by_model.sum())
            told += int(np.isfinite(forecast.energy_kwh).sum())
    return {
        "meters": meters,
        "intervals": HORIZON_MS // INTERVAL_MS,
        "model": forecaster.name,
        "seconds": round(spent_s, 2),
        "meters_per_s": round(meters / spent_s),
        "seconds_for_100000": round(spent_s / meters * 100_000, 1),
        "cpu_seconds_for_100000": round(cpu_s / meters * 100_000, 1),
        "by_model": round(by_model / meters, 3),
        "told": round(told / (meters * (HORIZON_MS // INTERVAL_MS)), 3),
        "peak_mb": round(usage.peak_mb),
    }


def shard_scene(meters: int, seed: int) -> Scene:
    """A made-up shard: four weeks of daily and weekly courses with noise and a few gaps.

    Args:
        meters: How many.
        seed: Decides every value.
    """
    random = np.random.default_rng(seed)
    before, after = HISTORY_MS // INTERVAL_MS, HORIZON_MS // INTERVAL_MS
    calendar = calendar_of("Europe/London", "GB", _ISSUED_MS, INTERVAL_MS)
    hour = calendar.minute_of_day[:before] / 60
    course = 0.2 + 0.15 * np.cos((hour - 19) * np.pi / 12) + 0.05 * (calendar.day_of_week[:before] >= 5)  # noqa: PLR2004 (Saturday)
    energy = (course * random.uniform(0.3, 3, (meters, 1))).astype(np.float32)
    energy *= random.gamma(4, 0.25, (meters, before)).astype(np.float32)
    energy[random.random((meters, before), np.float32) < _MISSING] = np.nan
    return Scene(
        issued_ms=_ISSUED_MS,
        interval_ms=INTERVAL_MS,
        energy_kwh=energy,
        calendar=calendar,
        temperature_c=random.normal(8, 4, (_PLACES, before + after)).astype(np.float32),
        place=random.integers(-1, _PLACES, meters),
        floor_m2=np.where(random.random(meters) < 0.5, random.uniform(40, 200, meters), np.nan).astype(np.float32),  # noqa: PLR2004 (every other building)
        members=np.ones(meters, np.float32),
    )


def _forecaster(model: Path | None) -> Forecaster:
    from wattline.forecasting.onnx_forecaster import load_forecaster

    return load_forecaster(model or _factory())


def _factory() -> Path:
    cloud = find_spec("cloud_stream")
    folders = list(cloud.submodule_search_locations or ()) if cloud is not None else []
    for folder in folders:
        if (Path(folder) / FACTORY).is_file():
            return Path(folder) / FACTORY
    raise ForecastBenchError(f"the cloud brings no {FACTORY}: name a model, or measure the naive forecast")


@contextmanager
def _one_core() -> Iterator[None]:
    """Let this process have one of its cores only, whatever the libraries would like."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
