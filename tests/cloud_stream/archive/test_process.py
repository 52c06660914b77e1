"""From the flow's sink to files: when, in what order, and what happens while the target refuses."""

import logging
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path

import pytest

from cloud_stream.archive.errors import ArchiveError
from cloud_stream.archive.local_target import LocalTarget
from cloud_stream.archive.process import LONGEST_RETRY_S, Archive, archive_jobs
from cloud_stream.archive.sink import ArchivePartition, ArchiveSink
from cloud_stream.archive.spool import PARTITIONS, open_spool
from cloud_stream.config_sections import ArchiveConfig
from cloud_stream.records import Columns
from tests.cloud_stream.archive.reading import by_duckdb, by_polars, days_by_duckdb, files, rows
from tests.cloud_stream.archive.samples import DAY_MS, HOUR_MS, MIDNIGHT_MS, power, readings
from wattline.config import DurationMs

SPOOL_BYTES = 64 << 20
FLUSH_MS = 600_000
FAR_MS = MIDNIGHT_MS + 3650 * DAY_MS
"""Rows are booked in the spool by the wall clock: at this time they have waited long enough."""


class Refusing(LocalTarget):
    """A folder whose every write fails while `problem` is set."""

    problem = ""

    def put(self, day: str, name: str, write: Callable[[Path], object]) -> None:
        if self.problem:
            raise ArchiveError(self.problem)
        super().put(day, name, write)


@pytest.fixture
def target(tmp_path: Path) -> Refusing:
    return Refusing(tmp_path / "archive")


@pytest.fixture
def archive(target: Refusing, tmp_path: Path) -> Archive:
    return Archive(target, tmp_path / "spool", SPOOL_BYTES, FLUSH_MS)


def deliver(folder: Path, batches: Iterable[Columns], name: str = PARTITIONS[0]) -> None:
    """Let batches pass the flow's sink, up to a snapshot."""
    partition = ArchiveSink(folder / "spool", SPOOL_BYTES).build_part("archive", name, None)
    partition.write_batch(list(batches))
    partition.close()


def waiting(folder: Path) -> int:
    """How many rows the spools hold."""
    found = 0
    for name in PARTITIONS:
        spool = open_spool(folder / "spool", name, SPOOL_BYTES)
        found += len(spool)
        spool.close()
    return found


def test_readings_of_all_partitions_get_into_files_and_leave_the_spool(archive: Archive, tmp_path: Path) -> None:
    for number, name in enumerate(PARTITIONS):
        deliver(tmp_path, [power(MIDNIGHT_MS + number), power(MIDNIGHT_MS + number, site="house-2")], name)
    archive.flush(FAR_MS)
    root = tmp_path / "archive"
    assert by_polars(root) == by_duckdb(root) == (8, 8.0)
    assert waiting(tmp_path) == 0


def test_readings_wait_until_the_oldest_is_due(archive: Archive, tmp_path: Path) -> None:
    deliver(tmp_path, [power(MIDNIGHT_MS)])
    spool = open_spool(tmp_path / "spool", PARTITIONS[0], SPOOL_BYTES)
    booked_ms = spool.oldest_at_ms()
    spool.close()
    archive.flush(booked_ms + FLUSH_MS - 1)
    assert waiting(tmp_path) == 1
    archive.flush(booked_ms + FLUSH_MS)
    assert waiting(tmp_path) == 0


def test_a_clock_that_was_set_back_keeps_nothing_waiting(archive: Archive, tmp_path: Path) -> None:
    deliver(tmp_path, [power(MIDNIGHT_MS)])
    archive.flush(MIDNIGHT_MS - 3650 * DAY_MS)
    assert waiting(tmp_path) == 0


def test_much_is_written_before_it_is_due(archive: Archive, tmp_path: Path) -> None:
    day = readings({"power_w": [1.0] * 86_400}, range(MIDNIGHT_MS, MIDNIGHT_MS + DAY_MS, 1000))
    deliver(tmp_path, [day] * 8)
    spool = open_spool(tmp_path / "spool", PARTITIONS[0], SPOOL_BYTES)
    booked_ms = spool.oldest_at_ms()
    spool.close()
    archive.flush(booked_ms)
    assert waiting(tmp_path) == 0
    assert by_duckdb(tmp_path / "archive") == (86_400, 86_400.0)


def test_a_replay_changes_nothing(archive: Archive, tmp_path: Path) -> None:
    """The flow sends what came since its last snapshot again, in other pieces, and perhaps much later."""
    batches = [power(MIDNIGHT_MS + i * 1000, float(i)) for i in range(100)]
    deliver(tmp_path, batches)
    archive.flush(FAR_MS)
    deliver(
        tmp_path,
        [
            readings(
                {"power_w": [float(i) for i in range(30, 100)]},
                range(MIDNIGHT_MS + 30_000, MIDNIGHT_MS + 100_000, 1000),
            )
        ],
    )
    archive.flush(FAR_MS)
    archive.compact(FAR_MS)
    deliver(tmp_path, batches[50:])
    archive.flush(FAR_MS)
    assert [(row.t, row.value) for row in rows(tmp_path / "archive")] == [
        (MIDNIGHT_MS + i * 1000, float(i)) for i in range(100)
    ]


def test_a_revision_replaces_what_was_said_before(archive: Archive, tmp_path: Path) -> None:
    deliver(tmp_path, [power(MIDNIGHT_MS, 1.0), power(MIDNIGHT_MS, 2.0)])
    archive.flush(FAR_MS)
    assert by_duckdb(tmp_path / "archive") == (1, 2.0)
    deliver(tmp_path, [power(MIDNIGHT_MS, 3.0)])
    archive.flush(FAR_MS)
    assert by_duckdb(tmp_path / "archive") == (1, 3.0)


def test_a_backlog_over_400_days_is_one_file_a_day(archive: Archive, tmp_path: Path) -> None:
    import random

    batches = [
        readings({"power_w": [float(i) for i in range(48)]}, range(start, start + DAY_MS, HOUR_MS // 2), site=site)
        for start in range(MIDNIGHT_MS - 400 * DAY_MS, MIDNIGHT_MS, DAY_MS)
        for site in ("house-1", "house-2", "house-3")
    ]
    shuffled = batches + batches[::7]
    random.Random(4).shuffle(shuffled)
    for first in range(0, len(shuffled), 400):
        deliver(tmp_path, shuffled[first : first + 400])
        archive.flush(FAR_MS)
    root = tmp_path / "archive"
    assert len(files(root)) == 400
    assert by_polars(root) == by_duckdb(root) == (400 * 3 * 48, 400 * 3 * sum(range(48)))
    assert set(days_by_duckdb(root).values()) == {3 * 48}


def test_a_target_that_refuses_is_said_once_and_tried_again_later(
    archive: Archive, target: Refusing, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    deliver(tmp_path, [power(MIDNIGHT_MS)])
    target.problem = "403 Forbidden"
    now_ms, attempts = FAR_MS, []
    while archive.failures < 12:
        before = archive.failures
        archive.flush(now_ms)
        if archive.failures > before:
            attempts.append(now_ms)
        now_ms += 1000
    waits_s = [(b - a) / 1000 for a, b in pairwise(attempts)]
    assert waits_s[0] <= 5 < waits_s[3]
    assert max(waits_s) <= LONGEST_RETRY_S + 1
    assert waiting(tmp_path) == 1
    target.problem = ""
    archive.flush(now_ms + int(LONGEST_RETRY_S * 1000))
    assert waiting(tmp_path) == 0
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("ERROR", f"archive_waits where={tmp_path / 'archive'} problem='403 Forbidden'"),
        ("INFO", f"archive_writable where={tmp_path / 'archive'}"),
    ]


def test_a_clock_that_was_set_back_does_not_keep_a_refused_target_waiting(
    archive: Archive, target: Refusing, tmp_path: Path
) -> None:
    deliver(tmp_path, [power(MIDNIGHT_MS)])
    target.problem = "away"
    archive.flush(FAR_MS)
    target.problem = ""
    archive.flush(FAR_MS - 1000 * DAY_MS)
    assert waiting(tmp_path) == 0


def test_a_full_spool_lets_the_flow_wait_and_loses_nothing(target: Refusing, tmp_path: Path) -> None:
    small = 4 * (256 << 10)
    archive = Archive(target, tmp_path / "spool", small, FLUSH_MS)
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            archive.flush(FAR_MS)

    partition = ArchivePartition("archive-0", open_spool(tmp_path / "spool", "archive-0", small), pause)
    batches = [
        readings({"power_w": [float(i)] * 1000}, range(MIDNIGHT_MS + i * 1000, MIDNIGHT_MS + (i + 1) * 1000))
        for i in range(20)
    ]
    for batch in batches:
        partition.write_batch([batch])
        partition.snapshot()
    partition.close()
    archive.flush(FAR_MS)
    assert partition.waits == len(pauses) >= 3
    assert by_duckdb(tmp_path / "archive") == (20_000, 1000.0 * sum(range(20)))


def test_a_row_of_the_spool_that_is_none_is_said_and_does_not_stop_the_others(
    archive: Archive, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = open_spool(tmp_path / "spool", PARTITIONS[0], SPOOL_BYTES)
    spool.append_many([b"something else"], 1)
    spool.close()
    deliver(tmp_path, [power(MIDNIGHT_MS)])
    archive.flush(FAR_MS)
    assert by_duckdb(tmp_path / "archive") == (1, 1.0)
    assert "archive_row_unreadable seq=1 bytes=14" in caplog.text


def test_of_two_writers_one_waits(archive: Archive, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    import fcntl

    deliver(tmp_path, [power(MIDNIGHT_MS)])
    with (tmp_path / "spool" / "writer.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        archive.flush(FAR_MS)
        assert waiting(tmp_path) == 1
        assert "another process writes the archive from here" in caplog.text
    archive.flush(FAR_MS + int(LONGEST_RETRY_S * 1000))
    assert waiting(tmp_path) == 0


def test_the_jobs_of_a_configuration(tmp_path: Path) -> None:
    config = ArchiveConfig(dir=tmp_path / "archive", spool_dir=tmp_path / "spool", flush_interval=DurationMs(1000))
    deliver(tmp_path, [power(MIDNIGHT_MS), power(MIDNIGHT_MS + HOUR_MS)])
    flush, compact = archive_jobs(config)
    assert [(job.name, job.every_s) for job in (flush, compact)] == [
        ("archive-flush", 1.0),
        ("archive-compaction", 900.0),
    ]
    flush.run(MIDNIGHT_MS)
    assert len(files(tmp_path / "archive")) == 2
    compact.run(FAR_MS)
    assert files(tmp_path / "archive") == ["date=2026-11-02/day.parquet"]


def test_much_is_taken_round_by_round_and_other_jobs_get_their_turn(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud_stream.archive.process.ROUND_ROWS", 3)
    monkeypatch.setattr("cloud_stream.archive.process.MAX_ROUNDS", 2)
    deliver(tmp_path, [power(MIDNIGHT_MS + i, float(i)) for i in range(10)])
    left = []
    for _ in range(3):
        archive.flush(FAR_MS)
        left.append(waiting(tmp_path))
        assert by_duckdb(tmp_path / "archive").rows == 10 - left[-1]
    assert left == [4, 0, 0]
    assert by_duckdb(tmp_path / "archive") == (10, 45.0)
