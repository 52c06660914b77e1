"""The durable log keeps what it was given, within its bounds, through any end."""

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from wattline.durable_log import DurableLog, WhenFull
from wattline.errors import LogBrokenError, LogFullError

MIB = 1 << 20


def open_log(path: Path, **options: object) -> DurableLog:
    settings: dict[str, object] = {"max_bytes": MIB, "when_full": WhenFull.REFUSE}
    return DurableLog(path / "log.db", **(settings | options))  # type: ignore[arg-type]


def payloads_of(log: DurableLog) -> list[bytes]:
    rows = log.read_after(0, max_rows=10_000, max_bytes=100 * MIB)
    return [row.payload for row in rows]


def test_rows_come_back_in_order_after_a_reopen(tmp_path: Path) -> None:
    first = open_log(tmp_path)
    assert first.append_many([b"a", b"b"], 1) == range(1, 3)
    second = open_log(tmp_path)
    assert second.append_many([b"c"], 2) == range(3, 4)
    assert payloads_of(second) == [b"a", b"b", b"c"]


def test_numbers_never_start_again_after_the_log_was_empty(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    log.append_many([b"a", b"b"], 1)
    assert log.truncate_through(2) == 2
    assert open_log(tmp_path).append_many([b"c"], 2) == range(3, 4)


def test_every_start_writes_under_an_id_of_its_own(tmp_path: Path) -> None:
    first, second = open_log(tmp_path), open_log(tmp_path)
    assert first.writer_id != second.writer_id
    assert first.file_id == second.file_id
    first.append_many([b"a"], 1)
    second.append_many([b"b"], 1)
    second.forget(first.writer_id, [(1, 2)])
    assert payloads_of(second) == [b"b"]


def test_read_is_bounded_by_bytes_but_always_moves_on(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    log.append_many([b"x" * 1000] * 5, 1)
    assert [r.seq for r in log.read_after(0, max_rows=9, max_bytes=2500)] == [1, 2]
    assert [r.seq for r in log.read_after(2, max_rows=9, max_bytes=10)] == [3]


def test_a_full_log_that_refuses_keeps_every_row(tmp_path: Path) -> None:
    log = open_log(tmp_path, max_bytes=200_000)
    log.append_many([b"x" * 50_000] * 3, 1)
    with pytest.raises(LogFullError):
        log.append_many([b"y" * 50_000], 2)
    assert len(log) == 3
    log.truncate_through(2)
    log.append_many([b"y" * 50_000], 2)


def test_a_full_log_that_drops_counts_the_oldest(tmp_path: Path) -> None:
    log = open_log(tmp_path, max_bytes=400_000, when_full=WhenFull.DROP_OLDEST)
    for n in range(1000):
        log.append_many([b"%d" % n + b"x" * 2000], n)
    assert log.held_bytes() <= 400_000
    assert log.dropped["bytes"] + len(log) == 1000
    assert payloads_of(log)[-1].startswith(b"999")


def test_rows_older_than_the_age_bound_are_dropped_and_counted(tmp_path: Path) -> None:
    log = open_log(tmp_path, max_age_ms=1000)
    log.append_many([b"old"], 1)
    log.append_many([b"new"], 5000)
    assert payloads_of(log) == [b"new"]
    assert log.dropped["age"] == 1


def test_rows_that_aged_together_go_together_and_no_younger_one(tmp_path: Path) -> None:
    log = open_log(tmp_path, max_age_ms=1000)
    for n in range(1500):
        log.append_many([b"old"], n % 900)
    log.append_many([b"new"], 1500)
    log.append_many([b"newest"], 2499)
    assert payloads_of(log) == [b"new", b"newest"]
    assert log.dropped["age"] == 1500


@pytest.mark.parametrize("by_ms", [46 * 86_400_000, -46 * 86_400_000, 1])
def test_a_clock_that_is_set_changes_no_rows_age(tmp_path: Path, by_ms: int) -> None:
    start_ms = 1_700_000_000_000
    log = open_log(tmp_path, max_age_ms=10_000)
    log.append_many([b"first"], start_ms)
    log.append_many([b"second"], start_ms + 4_000)
    log.shift_times(by_ms)
    log.append_many([b"third"], start_ms + 8_000 + by_ms)
    assert [row.at_ms - start_ms for row in log.read_after(0, max_rows=9, max_bytes=MIB)] == [
        by_ms,
        4_000 + by_ms,
        8_000 + by_ms,
    ]
    assert log.oldest_at_ms() == start_ms + by_ms
    log.close()
    reopened = open_log(tmp_path, max_age_ms=10_000)
    reopened.append_many([b"fourth"], start_ms + 12_000 + by_ms)
    assert payloads_of(reopened) == [b"second", b"third", b"fourth"]


def test_the_number_of_rows_is_right_whoever_changes_them(tmp_path: Path) -> None:
    first, second = open_log(tmp_path), open_log(tmp_path)
    assert (len(first), len(second)) == (0, 0)
    first.append_many([b"x"] * 10, 1)
    assert (len(first), len(second)) == (10, 10)
    second.append_many([b"x"] * 10, 1)
    first.truncate_through(5)
    second.forget(second.writer_id, [(11, 12), (900, 901)])
    assert (len(first), len(second)) == (13, 13)
    first._set_aside()
    first.append_many([b"x"], 1)
    assert (len(first), len(second)) == (1, 1)


def test_a_disk_that_does_not_answer_is_an_error_of_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = open_log(tmp_path)

    def silent(path: Path) -> int:
        raise OSError(5, f"{path}: I/O error")

    with monkeypatch.context() as broken:
        broken.setattr("wattline.durable_log.free_bytes", silent)
        with pytest.raises(LogBrokenError, match="I/O error"):
            log.append_many([b"lost"], 1)
    log.append_many([b"kept"], 2)
    assert payloads_of(log) == [b"kept"]


def test_a_full_disk_refuses_and_recovers(tmp_path: Path) -> None:
    log = open_log(tmp_path, max_bytes=100 * MIB)
    log.append_many([b"kept"], 1)
    # SQLite's own page bound stands in for a small disk: the same error code.
    database = log._db
    assert database is not None
    database.execute("PRAGMA max_page_count = 30")
    with pytest.raises(LogFullError):
        log.append_many([b"x" * 500_000], 2)
    assert payloads_of(log) == [b"kept"]
    database.execute("PRAGMA max_page_count = 100000")
    log.append_many([b"after"], 3)
    assert payloads_of(log) == [b"kept", b"after"]


@pytest.mark.parametrize("damage", ["header", "middle", "not_sqlite"])
def test_a_corrupt_file_is_set_aside_and_a_new_log_starts(tmp_path: Path, damage: str) -> None:
    log = open_log(tmp_path, max_bytes=10 * MIB)
    log.append_many([b"x" * 3000] * 200, 1)
    writer, file_id = log.writer_id, log.file_id
    log.close()
    path = tmp_path / "log.db"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(path.read_bytes())
    spans = {"header": (0, 100), "middle": (4096, len(content)), "not_sqlite": (0, -1)}
    start, end = spans[damage]
    content[start:end] = b"\xa5" * len(content[start:end])
    path.write_bytes(content)

    reopened = open_log(tmp_path, max_bytes=10 * MIB)
    reopened.append_many([b"after"], 2)

    assert reopened.dropped["corrupt_file"] == 1
    assert payloads_of(reopened) == [b"after"]
    assert reopened.writer_id != writer
    assert reopened.file_id != file_id
    assert list(tmp_path.glob("log.db.corrupt-*"))


@pytest.mark.parametrize("finder", ["appends", "reads"])
def test_when_one_process_sets_the_file_aside_the_other_goes_on_with_the_new_one(tmp_path: Path, finder: str) -> None:
    writer, reader = open_log(tmp_path), open_log(tmp_path)
    for log in (writer, reader):
        log.append_many([b"before"] * 50, 1)
    first, second = (writer, reader) if finder == "appends" else (reader, writer)
    first._set_aside()
    second._set_aside()  # it finds its old file corrupt too, a moment later
    first.append_many([b"found"], 2)
    assert second.append_many([b"after"], 3)
    assert payloads_of(writer) == payloads_of(reader) == [b"found", b"after"]
    assert writer.file_id == reader.file_id


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("found", ["replaced", "corrupt"])
def test_rows_of_a_file_that_was_set_aside_are_not_truncated_in_the_one_that_took_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: str, *, named: bool
) -> None:
    writer, reader = open_log(tmp_path), open_log(tmp_path)
    writer.append_many([b"old"] * 5, 1)
    old_id = reader.file_id
    if found == "corrupt":  # the other process sets it aside just before this one finds out
        monkeypatch.setattr(reader, "_was_replaced", lambda: False)
        monkeypatch.setattr(reader, "_delete_where", _corrupt_once(reader, monkeypatch))
    writer._set_aside()
    writer.append_many([b"new"] * 5, 2)
    assert reader.truncate_through(5, old_id if named else "") == 0
    assert payloads_of(writer) == [b"new"] * 5


def _corrupt_once(log: DurableLog, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    delete = log._delete_where

    def corrupt(*_: object) -> int:
        monkeypatch.setattr(log, "_delete_where", delete)
        error = sqlite3.DatabaseError("file is not a database")
        error.sqlite_errorcode = sqlite3.SQLITE_NOTADB
        raise error

    return corrupt


def test_a_file_found_corrupt_after_it_was_replaced_is_not_set_aside_again(tmp_path: Path) -> None:
    first, second = open_log(tmp_path), open_log(tmp_path)
    first._set_aside()
    first.append_many([b"in the new file"], 1)
    second._set_aside()
    assert payloads_of(first) == payloads_of(second) == [b"in the new file"]
    assert first.dropped["corrupt_file"] + second.dropped["corrupt_file"] == 1
    assert len(list(tmp_path.glob("log.db.corrupt-*[0-9]"))) == 1


def test_rows_written_into_a_file_that_is_taken_away_are_not_claimed(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    log.append_many([b"before"], 1)
    (tmp_path / "log.db").rename(tmp_path / "elsewhere")
    log.append_many([b"after"], 2)
    log.close()
    assert payloads_of(open_log(tmp_path)) == [b"after"]


def test_a_disk_that_is_nearly_full_takes_no_rows_but_lets_them_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = open_log(tmp_path)
    log.append_many([b"x" * 50_000] * 10, 1)
    with monkeypatch.context() as nearly_full:
        nearly_full.setattr("wattline.durable_log.RESERVED_BYTES", 1 << 60)
        with pytest.raises(LogFullError, match="disk is full"):
            log.append_many([b"more"], 2)
        assert log.truncate_through(9) == 9
    assert log.append_many([b"more"], 3) == range(11, 12)


@pytest.mark.parametrize("attempt", range(20))
def test_several_may_open_a_log_that_nobody_has_made_yet(tmp_path: Path, attempt: int) -> None:
    del attempt
    together = threading.Barrier(4)

    def append() -> None:
        together.wait()
        open_log(tmp_path).append_many([b"row"], 1)

    threads = [threading.Thread(target=append) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(open_log(tmp_path)) == 4
