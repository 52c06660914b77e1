"""The bench of forecasts forecasts every meter, on one core, and says so."""

import os
from pathlib import Path

import numpy as np
import pytest

from wattline.bench_forecast import INTERVAL_MS, SHARDS, run_forecast_bench, shard_scene
from wattline.errors import WattlineError
from wattline.forecasting.port import HISTORY_MS, HORIZON_MS


def test_every_meter_is_forecast_and_the_cores_are_given_back() -> None:
    cores, steps = os.sched_getaffinity(0), list[str]()
    figures = run_forecast_bench(100, naive=True, progress=steps.append)
    assert steps == ["100 meters with seasonal-naive-1"]
    assert (figures["meters"], figures["intervals"]) == (100, 96)
    assert figures["told"] == 1.0
    assert figures["by_model"] == 0.0
    assert figures["seconds_for_100000"] > 0
    assert figures["peak_mb"] > 10
    assert os.sched_getaffinity(0) == cores


def test_a_made_up_shard_looks_like_one() -> None:
    scene = shard_scene(5, 1)
    before, after = HISTORY_MS // INTERVAL_MS, HORIZON_MS // INTERVAL_MS
    assert scene.energy_kwh.shape == (5, before)
    assert scene.temperature_c.shape[1] == len(scene.calendar.minute_of_day) == before + after
    assert 0 < np.isnan(scene.energy_kwh).mean() < 0.01
    assert np.nanmin(scene.energy_kwh) >= 0
    again = shard_scene(5, 1)
    assert np.array_equal(scene.energy_kwh, again.energy_kwh, equal_nan=True)
    assert not np.array_equal(scene.energy_kwh, shard_scene(5, 2).energy_kwh, equal_nan=True)
    assert SHARDS * 3125 == 100_000


def test_a_model_that_is_none_is_one_readable_error(tmp_path: Path) -> None:
    with pytest.raises(WattlineError, match=r"missing\.onnx"):
        run_forecast_bench(100, model=tmp_path / "missing.onnx")
