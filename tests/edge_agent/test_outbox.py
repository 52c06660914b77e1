"""The outbox keeps batches until they are acknowledged, within its bounds, through a full or broken disk."""

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.outbox import Growth, LogOutbox, OverflowingWriter
from wattline.durable_log import DurableLog, WhenFull

MIB = 1 << 20
HOUR_MS = 3_600_000


def open_outbox(folder: Path, *, max_bytes: int = 10 * MIB, max_age_ms: int = 24 * HOUR_MS) -> LogOutbox:
    return LogOutbox(folder / "readings.db", max_bytes=max_bytes, max_age_ms=max_age_ms)


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[LogOutbox]:
    box = open_outbox(tmp_path)
    yield box
    box.close()


def payloads(outbox: LogOutbox) -> list[bytes]:
    return [row.payload for row in outbox.pending(0, 10_000)]


def fill_disk(outbox: LogOutbox) -> sqlite3.Connection:
    """SQLite's own page bound stands in for a small disk: the same error code."""
    database = outbox._log._db
    assert database is not None
    database.execute("PRAGMA max_page_count = 30")
    return database


def test_batches_wait_in_order_under_the_log_of_this_start(outbox: LogOutbox) -> None:
    assert outbox.put([b"a", b"b"], 1) == 2
    assert [(row.seq, row.writer, row.payload) for row in outbox.pending(0, 9)] == [
        (1, outbox.log_id, b"a"),
        (2, outbox.log_id, b"b"),
    ]
    assert [row.payload for row in outbox.pending(1, 9)] == [b"b"]


def test_acknowledged_batches_are_forgotten_and_the_oldest_held_rises(outbox: LogOutbox) -> None:
    outbox.put([b"a", b"b", b"c"], 1)
    assert outbox.oldest(outbox.log_id) == 1
    assert outbox.acked(outbox.log_id, [(1, 2), (7, 9)])
    assert payloads(outbox) == [b"c"]
    assert outbox.oldest(outbox.log_id) == 3


def test_an_acknowledgement_of_a_foreign_log_forgets_nothing(outbox: LogOutbox) -> None:
    outbox.put([b"a"], 1)
    assert outbox.acked("elsewhere", [(1, 9)])
    assert payloads(outbox) == [b"a"]


def test_a_batch_set_aside_is_out_of_the_way_and_kept_for_a_person(tmp_path: Path, outbox: LogOutbox) -> None:
    outbox.put([b'["bad"]', b"[]"], 1)
    assert outbox.set_aside(outbox.pending(0, 1)[0])
    assert payloads(outbox) == [b"[]"]
    assert outbox.counts()["set_aside"] == 1
    aside = DurableLog(tmp_path / "readings-aside.db", max_bytes=MIB, when_full=WhenFull.REFUSE)
    (row,) = aside.read_after(0, max_rows=9, max_bytes=MIB)
    assert row.payload == b'{"log":"%s","seq":1,"rows":["bad"]}' % outbox.log_id.encode()
    aside.close()


def test_a_batch_that_cannot_be_set_aside_stays_and_is_counted(tmp_path: Path, outbox: LogOutbox) -> None:
    (tmp_path / "readings-aside.db").mkdir()
    outbox.put([b"[]"], 1)
    assert not outbox.set_aside(outbox.pending(0, 1)[0])
    assert payloads(outbox) == [b"[]"]
    assert (outbox.counts()["failed_set_aside"], outbox.counts()["set_aside"]) == (1, 0)
    (tmp_path / "readings-aside.db").rmdir()
    assert outbox.set_aside(outbox.pending(0, 1)[0])
    assert payloads(outbox) == []


def test_an_old_copy_of_the_state_folder_sends_its_rows_under_their_old_log(tmp_path: Path) -> None:
    first = open_outbox(tmp_path / "state")
    first.put([b"a"], 1)
    old_log = first.log_id
    first.close()
    shutil.copytree(tmp_path / "state", tmp_path / "copy")
    second = open_outbox(tmp_path / "state")
    second.put([b"b"], 2)
    restored = open_outbox(tmp_path / "copy")
    restored.put([b"c"], 3)
    identities = {(row.writer, row.seq) for row in [*second.pending(0, 9), *restored.pending(0, 9)]}
    assert identities == {(old_log, 1), (second.log_id, 2), (restored.log_id, 2)}
    second.close()
    restored.close()


def test_a_corrupt_file_is_replaced_counted_and_says_so(tmp_path: Path) -> None:
    first = open_outbox(tmp_path)
    first.put([b"a"], 1)
    file_id = first.file_id
    first.close()
    (tmp_path / "readings.db").write_bytes(b"\xa5" * 8192)
    outbox = open_outbox(tmp_path)
    assert outbox.put([b"b"], 2) == 1
    assert payloads(outbox) == [b"b"]
    assert outbox.file_id != file_id
    assert outbox.counts()["dropped_corrupt_file"] == 1
    outbox.close()


def test_the_oldest_go_when_the_bytes_are_used_up(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path, max_bytes=MIB)
    for n in range(200):
        assert outbox.put([b"%03d" % n + b"x" * 10_000], n) == 1
    counts = outbox.counts()
    assert counts["bytes"] <= MIB
    assert counts["dropped_bytes"] + counts["rows"] == 200
    outbox.close()


def test_a_full_disk_keeps_nothing_and_loses_nothing_it_had(outbox: LogOutbox) -> None:
    outbox.put([b"a"], 1)
    database = fill_disk(outbox)
    assert outbox.put([b"x" * 500_000], 2) == 0
    assert payloads(outbox) == [b"a"]
    assert outbox.counts()["failed_write"] == 1
    database.execute("PRAGMA max_page_count = 100000")
    assert outbox.put([b"b"], 3) == 1


def test_the_hours_left_follow_from_the_rate_and_the_bounds(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path, max_bytes=10 * MIB, max_age_ms=10_000 * HOUR_MS)
    for hour in range(5):
        outbox.put([b"x" * 100_000], 1 + hour * HOUR_MS)
    assert 60 < outbox.counts()["hours_left"] < 100  # 10 MiB at 0.12 MB an hour
    outbox.close()


def test_the_hours_left_end_with_the_age_bound(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path, max_age_ms=10 * HOUR_MS)
    outbox.put([b"x"], 1)
    outbox.put([b"x"], 1 + 4 * HOUR_MS)
    assert outbox.counts()["hours_left"] == pytest.approx(6)
    outbox.close()


@pytest.mark.parametrize("by_ms", [46 * 24 * HOUR_MS, -46 * 24 * HOUR_MS])
def test_a_clock_that_is_set_costs_no_batch_and_changes_no_figure(tmp_path: Path, by_ms: int) -> None:
    start_ms = 1_700_000_000_000
    outbox = open_outbox(tmp_path, max_age_ms=10 * HOUR_MS)
    for hour in range(3):
        outbox.put([b"x" * 1000], start_ms + hour * HOUR_MS)
    before = outbox.counts()
    outbox.clock_set(by_ms)
    assert outbox.counts() == before
    outbox.put([b"new"], start_ms + 2 * HOUR_MS + by_ms)
    after = outbox.counts()
    assert (after["rows"], after["age_s"], after["hours_left"]) == (4, 7200, before["hours_left"])
    assert "dropped_age" not in after
    outbox.close()


def test_a_full_disk_keeps_the_ages_right_until_the_next_start(outbox: LogOutbox) -> None:
    outbox.put([b"a"], 1)
    database = outbox._log._db
    assert database is not None
    database.execute("PRAGMA query_only = ON")
    outbox.clock_set(100 * HOUR_MS)
    database.execute("PRAGMA query_only = OFF")
    assert outbox.counts()["failed_clock_set"] == 1
    outbox.put([b"b"], 1 + 100 * HOUR_MS)
    assert payloads(outbox) == [b"a", b"b"]


@pytest.mark.parametrize(
    ("puts", "per_hour"),
    [
        ([], 0.0),
        ([(100, 1)], 0.0),
        ([(0, 1), (100, 1 + HOUR_MS)], 100.0),
        ([(100, 1 + HOUR_MS), (100, 1)], 0.0),  # the clock was set back: start again
    ],
)
def test_growth(puts: list[tuple[int, int]], per_hour: float) -> None:
    growth = Growth()
    for n_bytes, now_ms in puts:
        growth.add(n_bytes, now_ms)
    assert growth.bytes_per_hour() == pytest.approx(per_hour)


def test_growth_forgets_the_days_before() -> None:
    growth = Growth()
    for hour in range(24 * 10):
        growth.add(1000 if hour < 24 * 5 else 10, 1 + hour * HOUR_MS)
    assert growth.bytes_per_hour() < 150


def test_what_the_disk_does_not_take_waits_in_memory_and_goes_first(outbox: LogOutbox) -> None:
    writer = OverflowingWriter(outbox)
    database = fill_disk(outbox)
    assert not writer.write([b"x" * 500_000], 1)
    assert not writer.write([b"y" * 500_000], 2)
    assert writer.held == 2
    database.execute("PRAGMA max_page_count = 100000")
    assert writer.write([b"z"], 3)
    assert [payload[:1] for payload in payloads(outbox)] == [b"x", b"y", b"z"]
    assert (writer.held, writer.dropped) == (0, 0)


def test_the_memory_is_bounded_and_drops_the_oldest(outbox: LogOutbox) -> None:
    writer = OverflowingWriter(outbox, max_bytes=1_000_000)
    database = fill_disk(outbox)
    for letter in b"abc":
        writer.write([bytes([letter]) * 500_000], 1)
    assert (writer.held, writer.dropped) == (2, 1)
    database.execute("PRAGMA max_page_count = 100000")
    assert writer.write([], 2)
    assert [payload[:1] for payload in payloads(outbox)] == [b"b", b"c"]


def test_more_than_the_disk_takes_is_kept_as_far_as_it_goes(outbox: LogOutbox) -> None:
    database = fill_disk(outbox)
    database.execute("PRAGMA max_page_count = 150")
    batches = [bytes([n]) * 30_000 for n in range(40)]
    kept = outbox.put(batches, 2)
    assert 0 < kept < len(batches)
    assert payloads(outbox) == batches[:kept]
