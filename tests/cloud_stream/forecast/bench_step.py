"""Times the forecasts of a shard; a program: `python -m tests.cloud_stream.forecast.bench_step [SERIES [MODEL]]`."""

import pickle
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from cloud_stream.config_sections import ForecastConfig
from cloud_stream.forecast.models import forecasters_for
from cloud_stream.forecast.step import ForecastSettings, ForecastStep
from cloud_stream.forecast.turn import Turn
from cloud_stream.forecast.weather import NoWeather
from cloud_stream.records import ClosedUsage, Point, PointColumns
from cloud_stream.sites import Sites
from cloud_stream.stores.line_protocol import encode_columns
from cloud_stream.stores.sqlite import SqliteStore
from wattline.forecasting.naive import SeasonalNaive
from wattline.forecasting.port import Forecaster

HALF_HOUR_MS = 1_800_000
PAST = 1344
FIRST = 960_000
T = TypeVar("T")


def timed(what: str, work: Callable[[], T], per: int = 1) -> T:
    """Run it once and print how much of a core it took, in all and for each of `per`."""
    began = time.process_time()
    found = work()
    took_ms = (time.process_time() - began) * 1e3
    print(f"{what}: {took_ms:.1f} ms, {took_ms / per * 1e3:.0f} us each")  # noqa: T201
    return found


def closed(half_hour: int, series: int) -> ClosedUsage:
    """One half hour of every series."""
    sites = [f"site-{i}" for i in range(series)]
    energy = np.random.default_rng(half_hour).random(series) + np.sin(half_hour / 48 * 6.28)
    start_ms, one = np.full(series, half_hour * HALF_HOUR_MS), np.ones(series)
    return ClosedUsage(HALF_HOUR_MS, start_ms, ["meter"] * series, sites, ["main"] * series, energy, one * np.nan, one)


def shard(forecaster: Forecaster, series: int) -> ForecastStep:
    """A shard with four weeks behind it."""
    models = dict.fromkeys(("meter", "site", "fleet"), forecaster)
    step = ForecastStep(ForecastSettings(HALF_HOUR_MS), models, Sites(), NoWeather(), Turn(series))
    for half_hour in range(FIRST, FIRST + PAST):
        step.on_batch([closed(half_hour, series)], 0)
    return step


def store_kinds(points: list[Sequence[Point]]) -> None:
    """How long stores need to take a shard's forecasts."""
    columns = [some for some in points if isinstance(some, PointColumns)]
    number = sum(map(len, columns))
    timed("  as lines", lambda: [encode_columns(some) for some in columns], number)
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder) / "store.db", 10**15)
        timed("  into SQLite", lambda: store.write(columns, []), number)
        timed("  into SQLite again", lambda: store.write(columns, []), number)
        store.close()


def main(series: int, model: Path | None) -> None:
    """Print the figures."""
    now_ms = (FIRST + PAST + 1) * HALF_HOUR_MS + 10_000
    models = {
        "naive": SeasonalNaive(),
        "meter": forecasters_for(ForecastConfig(meter_model=model), HALF_HOUR_MS)["meter"],
    }
    for name, forecaster in models.items():
        step = shard(forecaster, series)
        newest = closed(FIRST + PAST, series)
        timed("  learning", lambda step=step, newest=newest: step.on_batch([newest], now_ms), series)  # type: ignore[misc]
        points = timed(f"{name} ({forecaster.name})", lambda step=step: step.on_timer(now_ms), series)  # type: ignore[misc]
        print(f"  {sum(map(len, points))} points, settled={step.settled}")  # noqa: T201
        store_kinds(points)
        state = timed("  snapshot", lambda step=step: step.snapshot(now_ms), series)  # type: ignore[misc]
        data = timed("  pickling it", lambda state=state: pickle.dumps(state), series)  # type: ignore[misc]
        print(f"  {len(data)} bytes, {len(data) / series:.0f} a series")  # noqa: T201


if __name__ == "__main__":
    arguments = sys.argv[1:]
    main(int(arguments[0]) if arguments else 3_000, Path(arguments[1]) if len(arguments) > 1 else None)
