"""A disk that is full: nothing is lost, no half file is seen, and with room again all goes on."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cloud_stream.archive.local_target import LocalTarget
from cloud_stream.archive.process import Archive
from tests.cloud_stream.archive.reading import by_duckdb, by_polars
from tests.cloud_stream.archive.samples import DAY_MS, MIDNIGHT_MS, power, readings
from tests.cloud_stream.archive.test_process import FAR_MS, SPOOL_BYTES, deliver, waiting
from tests.e2e.small_disk import SmallDisk, can_mount

COUNT = 86_400
LATER_MS = FAR_MS + 1_000_000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    if not can_mount(tmp_path / "probe"):
        pytest.skip("this machine lets nobody mount a small disk")
    with SmallDisk(tmp_path / "disk", "256k") as disk:
        yield disk


def test_a_full_archive_disk(disk: SmallDisk, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    root = disk.folder / "archive"
    archive = Archive(LocalTarget(root), tmp_path / "spool", SPOOL_BYTES, 0)
    deliver(tmp_path, [power(MIDNIGHT_MS)])
    archive.flush(FAR_MS)
    values = np.random.default_rng(1).random(COUNT).tolist()
    day = readings({"power_w": values}, range(MIDNIGHT_MS, MIDNIGHT_MS + DAY_MS, 1000))
    deliver(tmp_path, [day])
    archive.flush(FAR_MS)
    assert (archive.failures, waiting(tmp_path)) == (1, 1)
    assert by_polars(root) == (1, 1.0)
    assert [path.name for path in root.rglob("*") if path.is_file()] == ["day.parquet"]
    assert "No space left on device" in caplog.text
    disk.grow("16m")
    archive.flush(LATER_MS)
    assert (archive.failures, waiting(tmp_path)) == (0, 0)
    assert by_duckdb(root).rows == by_polars(root).rows == COUNT
    assert by_polars(root).value == pytest.approx(sum(values))
