"""Dead letters are kept once, bounded, and counted for ever."""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from cloud_stream.dead_letters import MAX_PAYLOAD_BYTES, ROW_OVERHEAD_BYTES, SqliteDeadLetters
from cloud_stream.errors import StoreUnavailableError
from cloud_stream.records import DeadLetter

LETTER = DeadLetter("journal-a", 7, 0, 1_700_000_000_000, "wattline/v1/gw-1/up/readings", "bad_json", "why", b"\xff{")


@pytest.fixture
def letters(tmp_path: Path) -> Iterator[SqliteDeadLetters]:
    made = SqliteDeadLetters(tmp_path / "folder" / "dead-letters.db", 1 << 20)
    yield made
    made.close()


def test_a_letter_comes_back_as_it_went(letters: SqliteDeadLetters) -> None:
    letters.put([LETTER])
    assert letters.newest(10) == [LETTER]


def test_nothing_kept_nothing_counted(letters: SqliteDeadLetters) -> None:
    letters.put([])
    assert (letters.newest(10), letters.count(), letters.dropped()) == ([], {}, 0)


@pytest.mark.parametrize(
    ("change", "held"),
    [
        ({}, 1),
        ({"reason": "other", "payload": b"other"}, 1),
        ({"index": 1}, 2),
        ({"seq": 8}, 2),
        ({"journal": "journal-b"}, 2),
    ],
    ids=["same", "same place, other words", "next in the row", "next row", "replaced journal"],
)
def test_a_place_is_held_once(letters: SqliteDeadLetters, change: dict[str, str | int], held: int) -> None:
    letters.put([LETTER])
    letters.put([msgspec.structs.replace(LETTER, **change)])
    assert len(letters.newest(10)) == held
    assert letters.newest(10)[-1] == LETTER
    assert sum(letters.count().values()) == held


def test_counts_by_reason_outlive_a_restart(letters: SqliteDeadLetters) -> None:
    reasons = ["bad_json", "too_large", "bad_json"]
    letters.put([msgspec.structs.replace(LETTER, seq=i, reason=reason) for i, reason in enumerate(reasons)])
    letters.close()
    assert letters.count() == {"bad_json": 2, "too_large": 1}


def test_the_oldest_go_when_there_are_too_many_bytes(letters: SqliteDeadLetters) -> None:
    count = 400
    for first in range(0, count, 100):
        batch = range(first, first + 100)
        letters.put([msgspec.structs.replace(LETTER, seq=i, payload=b"x" * 10_000) for i in batch])
    kept = [letter.seq for letter in letters.newest(count)]
    assert kept == list(range(count - 1, count - 1 - len(kept), -1))
    assert len(kept) == (1 << 20) // (10_000 + ROW_OVERHEAD_BYTES + len(LETTER.topic + LETTER.reason + LETTER.detail))
    assert letters.dropped() == count - len(kept)
    assert letters.count() == {"bad_json": count}


def test_a_large_payload_is_cut(letters: SqliteDeadLetters) -> None:
    letters.put([msgspec.structs.replace(LETTER, payload=b"x" * (2 << 20))])
    assert letters.newest(1)[0].payload == b"x" * MAX_PAYLOAD_BYTES


def test_hostile_text_is_kept_readable(letters: SqliteDeadLetters) -> None:
    letters.put([msgspec.structs.replace(LETTER, topic="a\x00\ud800", detail="'; DROP TABLE letters; --")])
    (kept,) = letters.newest(1)
    assert (kept.topic, kept.detail) == ("a\x00?", "'; DROP TABLE letters; --")


def test_threads_share_it(letters: SqliteDeadLetters) -> None:
    def put_all(thread: int) -> None:
        for i in range(50):
            letters.put([msgspec.structs.replace(LETTER, journal=f"journal-{thread}", seq=i)])

    threads = [threading.Thread(target=put_all, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert letters.count() == {"bad_json": 200}


def test_a_full_disk_means_later(tmp_path: Path) -> None:
    letters = SqliteDeadLetters(tmp_path / "dead-letters.db", 1 << 20)
    pages = letters._opened().execute("PRAGMA page_count").fetchone()[0]
    letters._opened().execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreUnavailableError, match="full"):
        letters.put([msgspec.structs.replace(LETTER, payload=b"x" * 50_000)])
    letters.put([LETTER])
    assert letters.newest(10) == [LETTER]
    letters.close()


def test_another_process_may_hold_the_file_for_a_moment(tmp_path: Path) -> None:
    letters = SqliteDeadLetters(tmp_path / "dead-letters.db", 1 << 20)
    letters.put([LETTER])
    other = sqlite3.connect(tmp_path / "dead-letters.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    letting_go = threading.Timer(0.05, other.execute, ["ROLLBACK"])
    letting_go.start()
    letters.put([msgspec.structs.replace(LETTER, seq=8)])
    letting_go.join()
    other.close()
    assert len(letters.newest(10)) == 2
    letters.close()
