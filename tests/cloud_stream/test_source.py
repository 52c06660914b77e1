"""The journal as the engine's source, under the real engine with recovery."""

import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from bytewax import operators as op
from bytewax.dataflow import Dataflow
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import run_main

from cloud_stream.journal import Journal
from cloud_stream.records import JournalRow
from cloud_stream.source import JournalPartition, JournalSource, Offset, Trimmer
from tests.cloud_stream.waiting import wait_until
from wattline.durable_log import DurableLog

EPOCH: Final = timedelta(0)
"""A snapshot after every batch."""
NOW_MS: Final = 1_790_000_000_000


class Results(FixedPartitionedSink[JournalRow, None], StatefulSinkPartition[JournalRow, None]):
    """Keeps rows in memory, and looks at the journal whenever an epoch ends."""

    def __init__(self, log: DurableLog) -> None:
        self.rows: list[JournalRow] = []
        self.epochs = 0
        self.trimmed_too_early: list[tuple[int, int]] = []
        self._log = log
        self._through = log.oldest() - 1

    def list_parts(self) -> list[str]:
        return ["one"]

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> "Results":
        del step_id, for_part, resume_state
        return self

    def write_batch(self, values: list[JournalRow]) -> None:
        self.rows += values

    def snapshot(self) -> None:
        """Called before the epoch is durable: only what earlier epochs wrote may be gone from the journal."""
        oldest = self._log.oldest()
        if oldest > self._through + 1:
            self.trimmed_too_early.append((oldest, self._through))
        self._through = max(row.seq for row in self.rows)
        self.epochs += 1


class Flow:
    """A flow that does nothing but pass rows on; its journal has one partition."""

    def __init__(self, folder: Path) -> None:
        self.journal = Journal(folder / "journal", partitions=1, max_bytes=64 << 20)
        self.log = self.journal.open_partition(0)
        self._recovery = folder / "recovery"
        self._recovery.mkdir()
        self._status = folder / "commit.json"
        init_db_dir(self._recovery, 1)  # type: ignore[no-untyped-call]

    def append(self, *payloads: bytes) -> None:
        self.log.append_many(payloads, NOW_MS)

    def run(self, until: "Until") -> Results:
        """Run until a condition holds, then stop as SIGTERM does."""
        stop, results = threading.Event(), Results(self.log)
        flow = Dataflow("test")
        rows = op.input("journal", flow, JournalSource(self.journal, stop, self._status))
        op.output("results", op.map("key", rows, lambda row: ("key", row)), results)
        watcher = threading.Thread(target=self._watch, args=(until, results, stop))
        watcher.start()
        try:
            run_main(flow, epoch_interval=EPOCH, recovery_config=RecoveryConfig(str(self._recovery)))  # type: ignore[no-untyped-call]
        finally:
            watcher.join()
        assert not results.trimmed_too_early
        return results

    def _watch(self, until: "Until", results: Results, stop: threading.Event) -> None:
        try:
            wait_until(lambda: until(self.log, results), "the condition of the run")
        finally:
            stop.set()


class Until:
    """Conditions of a run."""

    def __init__(self, rows: int, *, trimmed: bool = False) -> None:
        self._rows = rows
        self._trimmed = trimmed

    def __call__(self, log: DurableLog, results: Results) -> bool:
        done = len(results.rows) >= self._rows
        return done and (not self._trimmed or len(log) == 0)


@pytest.fixture
def flow(tmp_path: Path) -> Iterator[Flow]:
    made = Flow(tmp_path)
    yield made
    made.log.close()


def payloads(rows: Sequence[JournalRow]) -> list[bytes]:
    return [row.payload for row in rows]


def test_rows_come_in_order_with_their_place(flow: Flow) -> None:
    flow.append(b"a", b"b", b"c")
    results = flow.run(Until(3))
    assert results.rows == [JournalRow(flow.log.file_id, n + 1, bytes([97 + n])) for n in range(3)]


def test_rows_are_trimmed_once_durable_and_not_before(flow: Flow) -> None:
    flow.append(*[b"%d" % n for n in range(500)])
    results = flow.run(Until(500, trimmed=True))
    assert len(results.rows) == 500
    assert results.epochs > 4


def test_a_resumed_flow_goes_on_behind_what_was_durable(flow: Flow) -> None:
    flow.append(b"a", b"b")
    assert payloads(flow.run(Until(2)).rows) == [b"a", b"b"]
    flow.append(b"c")
    assert payloads(flow.run(Until(1)).rows) == [b"c"]


def test_a_stop_that_comes_before_any_row_loses_none(flow: Flow) -> None:
    flow.run(Until(0))
    flow.append(b"a")
    assert payloads(flow.run(Until(1)).rows) == [b"a"]


def test_a_replaced_journal_is_read_from_its_start(flow: Flow) -> None:
    flow.append(b"a", b"b", b"c")
    flow.run(Until(3))
    flow.log.close()
    for file in flow.journal.dir.glob("part-00.db*"):
        file.unlink()
    flow.log = flow.journal.open_partition(0)
    flow.append(b"new")
    results = flow.run(Until(1))
    assert [(row.seq, row.payload) for row in results.rows] == [(1, b"new")]


def test_an_older_copy_of_the_journal_is_read_from_its_start(flow: Flow) -> None:
    flow.append(b"a")
    flow.log.close()
    copies = {file: file.read_bytes() for file in flow.journal.dir.glob("part-00.db*")}
    flow.log = flow.journal.open_partition(0)
    flow.append(b"b", b"c", b"d")
    flow.run(Until(4))
    flow.log.close()
    for file in flow.journal.dir.glob("part-00.db*"):
        file.unlink()
    for file, content in copies.items():
        file.write_bytes(content)
    flow.log = flow.journal.open_partition(0)
    flow.append(b"new")
    assert payloads(flow.run(Until(2)).rows) == [b"a", b"new"]


class Rest:
    """What a partition needs beside its log."""

    def __init__(self, journal: Journal) -> None:
        self.log = journal.open_partition(0)
        self.trimmer = Trimmer(journal.open_partition(0))
        self.commits = 0

    def partition(self, resume: Offset | None = None) -> JournalPartition:
        return JournalPartition(self.log, self.trimmer, resume, threading.Event(), self._commit)

    def _commit(self) -> None:
        self.commits += 1


@pytest.fixture
def rest(tmp_path: Path) -> Iterator[Rest]:
    made = Rest(Journal(tmp_path / "journal", partitions=1, max_bytes=64 << 20))
    yield made
    made.trimmer.close()
    made.log.close()


def test_a_commit_is_the_first_batch_behind_a_snapshot(rest: Rest) -> None:
    partition = rest.partition()
    rest.log.append_many([b"a", b"b"], NOW_MS)
    commits: list[Any] = []
    for call in (partition.next_batch, partition.snapshot, partition.next_batch, partition.next_batch):
        call()
        commits.append(rest.commits)
    assert commits == [0, 0, 1, 1]
    wait_until(lambda: len(rest.log) == 0, "trimmed")


def test_without_a_snapshot_nothing_is_trimmed(rest: Rest) -> None:
    rest.log.append_many([b"a"], NOW_MS)
    partition = rest.partition()
    partition.next_batch()
    partition.next_batch()
    partition.close()
    assert len(rest.log) == 1


def test_an_offset_of_another_file_trims_nothing_of_this_one(rest: Rest) -> None:
    rest.log.append_many([b"a"], NOW_MS)
    rest.trimmer.trim(Offset("another", 1))
    rest.trimmer.trim(Offset(rest.log.file_id, 0))
    rest.trimmer.close()
    assert len(rest.log) == 1


def test_an_idle_partition_is_asked_again_soon_and_a_busy_one_at_once(rest: Rest) -> None:
    partition = rest.partition()
    assert partition.next_batch() == []
    assert partition.next_awake() is not None
    rest.log.append_many([b"a"], NOW_MS)
    assert len(partition.next_batch()) == 1
    assert partition.next_awake() is None


def test_commits_are_noted_and_aged_by_a_clock_nobody_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    walls_ms = iter([9_000, 5_000])
    monkeypatch.setattr("cloud_stream.source.now_ms", lambda: next(walls_ms))
    status = tmp_path / "commit-0.json"
    journal = Journal(tmp_path / "journal", partitions=1, max_bytes=64 << 20)
    source = JournalSource(journal, threading.Event(), status, lambda: now_s)
    words: list[str] = []
    ages_s: list[float] = []
    for after_s in (0.0, 0.4, 0.2):
        now_s += after_s
        ages_s.append(source.commit_age_s())
        source.note_commit()
        words.append(status.read_text())
    assert words == ['{"at_ms": 9000}', '{"at_ms": 9000}', '{"at_ms": 5000}']
    assert ages_s == pytest.approx([0.0, 0.4, 0.2])
