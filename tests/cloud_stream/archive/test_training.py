"""What the flow has archived is what models are trained on."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cloud_stream.archive.local_target import LocalTarget
from cloud_stream.archive.process import Archive
from cloud_stream.records import Columns
from simulators.household import Household, HouseholdOptions
from tests.cloud_stream.archive.reading import by_duckdb, by_polars
from tests.cloud_stream.archive.samples import DAY_MS, MIDNIGHT_MS, readings
from tests.cloud_stream.archive.test_process import FAR_MS, SPOOL_BYTES, deliver

HALF_HOUR_MS = 1_800_000
HOMES = 12
DAYS = 30


def half_hours(number: int) -> Columns:
    """What a simulated home used in each half-hour, as its gateway sends it."""
    start_ms = MIDNIGHT_MS - DAYS * DAY_MS
    t_ms = np.arange(start_ms, MIDNIGHT_MS + 1, HALF_HOUR_MS, dtype=np.int64)
    home = Household(HouseholdOptions(seed=number, origin_ms=start_ms))
    used = np.diff(home.electricity(t_ms)["energy_import_kwh"])
    return readings(
        {"energy_kwh": used.tolist()},
        t_ms[:-1].tolist(),
        site=f"house-{number}",
        gateway=f"gw-{number}",
        meter="main",
        interval_ms=HALF_HOUR_MS,
    )


@pytest.mark.timeout(300)
def test_a_model_is_trained_on_the_archive(tmp_path: Path) -> None:
    root = tmp_path / "archive"
    batches = [half_hours(number) for number in range(HOMES)]
    deliver(tmp_path, [*batches, *batches[:3]])
    archive = Archive(LocalTarget(root), tmp_path / "spool", SPOOL_BYTES, 0)
    archive.flush(FAR_MS)
    total = sum(float(batch.values.sum()) for batch in batches)
    assert by_polars(root) == pytest.approx((HOMES * DAYS * 48, total))
    assert by_duckdb(root) == pytest.approx((HOMES * DAYS * 48, total))
    intervals = pl.scan_parquet(f"{root}/date=*/*.parquet").select(pl.col("interval_ms").unique()).collect()
    assert intervals["interval_ms"].to_list() == [HALF_HOUR_MS]

    command = [sys.executable, "-m", "wattline", "models", "train", "--dataset", "archive", "--data", str(root)]
    options = ["--interval", "30m", "--family", "kmeans", "--out", str(tmp_path / "home.onnx"), "--json"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["training_meters"] == str(HOMES)
    assert told["cleaning"] == {"rows": HOMES * DAYS * 48, "kept": HOMES * DAYS * 48}
    assert (tmp_path / "home.onnx").stat().st_size == told["bytes"]
