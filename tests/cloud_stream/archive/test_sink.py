"""The sink in a real dataflow that is killed: what comes again is in the archive once."""

import signal
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main

from cloud_stream.archive.local_target import LocalTarget
from cloud_stream.archive.process import Archive
from cloud_stream.archive.sink import HELD_BYTES, ArchivePartition, ArchiveSink
from cloud_stream.archive.spool import PARTITIONS, open_spool
from cloud_stream.config import MIN_ARCHIVE_SPOOL_BYTES
from cloud_stream.sharding import SHARDS
from tests.cloud_stream.archive import flow_scene
from tests.cloud_stream.archive.reading import rows
from tests.cloud_stream.archive.samples import DAY_MS, MIDNIGHT_MS, readings
from tests.cloud_stream.archive.test_process import FAR_MS, SPOOL_BYTES, waiting

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("end", [1, 30, 99, 150])
def test_a_flow_that_is_killed_and_resumed(end: int, tmp_path: Path) -> None:
    recovery = tmp_path / "recovery"
    recovery.mkdir()
    init_db_dir(recovery, 1)  # type: ignore[no-untyped-call]  # as below
    command = [sys.executable, "-m", "tests.cloud_stream.archive.flow_scene", str(tmp_path), str(end)]
    done = subprocess.run(command, cwd=ROOT, timeout=60, check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    archive = Archive(LocalTarget(tmp_path / "archive"), tmp_path / "spool", SPOOL_BYTES, 0)
    archive.flush(FAR_MS)
    cli_main(  # type: ignore[no-untyped-call]  # Bytewax leaves its engine untyped
        flow_scene.build(tmp_path, 0),
        epoch_interval=flow_scene.EPOCH,
        recovery_config=RecoveryConfig(str(recovery)),  # type: ignore[no-untyped-call]
    )
    archive.flush(FAR_MS)
    assert [(row.site, row.t, row.value) for row in rows(tmp_path / "archive")] == sorted(flow_scene.EXPECTED)


def test_every_shard_has_its_partition_for_ever() -> None:
    sink = ArchiveSink(Path("unused"), SPOOL_BYTES)
    places = [sink.part_fn(f"shard-{number:02d}") % len(sink.list_parts()) for number in range(SHARDS)]
    assert sink.list_parts() == ["archive-0", "archive-1", "archive-2", "archive-3"]
    assert places[:8] == [zlib.crc32(f"shard-{number:02d}".encode()) % 4 for number in range(8)]
    assert set(places) == {0, 1, 2, 3}


def test_the_smallest_spool_takes_what_is_committed_at_once(tmp_path: Path) -> None:
    def give_up(_: float) -> None:
        raise AssertionError("an empty spool is full")

    partition = ArchivePartition(PARTITIONS[0], open_spool(tmp_path, PARTITIONS[0], MIN_ARCHIVE_SPOOL_BYTES), give_up)
    day = readings({"power_w": [1.0] * 86_400}, range(MIDNIGHT_MS, MIDNIGHT_MS + DAY_MS, 1000))
    partition.write_batch([day] * (HELD_BYTES // (16 * 86_400) + 1))
    partition.close()


def test_readings_are_on_disk_at_the_snapshot_and_much_of_them_before(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "spool", PARTITIONS[0], SPOOL_BYTES)
    partition = ArchivePartition(PARTITIONS[0], spool)
    day = readings({"power_w": [1.0] * 86_400}, range(MIDNIGHT_MS, MIDNIGHT_MS + DAY_MS, 1000))
    partition.write_batch([day])
    assert waiting(tmp_path) == 0
    partition.write_batch([day] * (HELD_BYTES // (16 * 86_400)))
    assert waiting(tmp_path) > 0
    partition.write_batch([day])
    partition.snapshot()
    assert waiting(tmp_path) == HELD_BYTES // (16 * 86_400) + 2
    partition.close()
