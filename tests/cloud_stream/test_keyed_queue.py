"""A queue puts every key once, keeps what waits within its bound, and survives kills and full disks."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_stream import keyed_queue, sqlite_book
from cloud_stream.keyed_queue import DROPPED, REMEMBERED_MS, ROW_OVERHEAD_BYTES, KeyedQueue
from wattline.errors import LogBrokenError, LogFullError

NOW_MS = 1_700_000_000_000
MIB = 1 << 20


class Clock:
    def __init__(self) -> None:
        self.now_ms = NOW_MS

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(tmp_path: Path, clock: Clock) -> Iterator[KeyedQueue]:
    made = KeyedQueue(tmp_path / "folder" / "queue.db", MIB, clock)
    yield made
    made.close()


def keys(queue: KeyedQueue) -> list[str]:
    return [row.key for row in queue.waiting(10_000)]


def test_what_was_put_waits_oldest_first(queue: KeyedQueue) -> None:
    assert queue.put([("b", b"1"), ("a", b"2")]) == 2
    assert queue.put([("c", b"\x00\xff")]) == 1
    rows = queue.waiting(10)
    assert [(row.key, row.payload, row.put_ms) for row in rows] == [
        ("b", b"1", NOW_MS),
        ("a", b"2", NOW_MS),
        ("c", b"\x00\xff", NOW_MS),
    ]
    assert [row.seq for row in rows] == sorted({row.seq for row in rows})
    assert queue.waiting(2) == rows[:2]


@pytest.mark.parametrize(
    ("puts", "new", "waiting"),
    [
        ([[]], [0], []),
        ([["a", "a"]], [1], ["a"]),
        ([["a"], ["a", "b"], ["b", "a"]], [1, 1, 0], ["a", "b"]),
        ([["\ud800"], ["\ud800"]], [1, 0], ["\\ud800"]),
    ],
    ids=["nothing", "twice in a batch", "again after a crash", "text that no disk takes"],
)
def test_a_key_is_put_once(queue: KeyedQueue, puts: list[list[str]], new: list[int], waiting: list[str]) -> None:
    assert [queue.put([(key, b"x") for key in keys]) for keys in puts] == new
    assert keys(queue) == waiting
    assert queue.counts().repeated == sum(map(len, puts)) - len(waiting)


def test_a_settled_key_is_remembered_for_90_days(queue: KeyedQueue, clock: Clock) -> None:
    queue.put([("a", b"x"), ("waits", b"x")])
    queue.settle([queue.waiting(1)[0].seq], "sent")
    clock.now_ms += REMEMBERED_MS
    assert queue.put([("a", b"x"), ("b", b"x")]) == 1
    clock.now_ms += 1
    queue.put([("c", b"x")])
    assert queue.put([("a", b"x"), ("waits", b"x"), ("b", b"x")]) == 1
    assert keys(queue) == ["waits", "b", "c", "a"]


def test_the_oldest_remembered_key_goes_when_there_are_too_many(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyed_queue, "FEWEST_KEYS", 3)
    queue = KeyedQueue(tmp_path / "queue.db", 3 * keyed_queue.KEY_BYTES, clock)
    for key in ("waits", "old", "young", "younger"):
        clock.now_ms += 1
        queue.put([(key, b"")])
        if key != "waits":
            queue.settle([queue.waiting(10)[-1].seq], "sent")
    assert queue.put([("young", b""), ("waits", b"")]) == 0
    assert queue.put([("old", b"")]) == 1


def test_settling_is_counted_once(queue: KeyedQueue) -> None:
    queue.put([("a", b"x"), ("b", b"x"), ("c", b"x")])
    first, second, _ = (row.seq for row in queue.waiting(3))
    queue.settle([first, second], "sent")
    queue.settle([first], "sent")
    queue.settle([], "sent")
    counts = queue.counts()
    assert (keys(queue), counts.waiting, counts.put, counts.outcomes) == (["c"], 1, 3, {"sent": 2})


def test_above_the_bound_the_oldest_go(tmp_path: Path, clock: Clock) -> None:
    queue = KeyedQueue(tmp_path / "queue.db", 10 * (100 + 2 + ROW_OVERHEAD_BYTES), clock)
    for number in range(10, 30):
        queue.put([(str(number), b"x" * 100)])
    counts = queue.counts()
    assert keys(queue) == [str(number) for number in range(20, 30)]
    assert (counts.waiting, counts.outcomes, counts.bytes) == (10, {DROPPED: 10}, 10 * (100 + 2 + ROW_OVERHEAD_BYTES))


def test_what_can_never_fit_is_dropped_and_counted(queue: KeyedQueue) -> None:
    queue.put([("huge", b"x" * (MIB + 1))])
    assert (keys(queue), queue.counts().outcomes, queue.counts().bytes) == ([], {DROPPED: 1}, 0)


def test_a_full_disk_refuses_and_recovers(queue: KeyedQueue) -> None:
    queue.put([("kept", b"x")])
    # SQLite's own page bound stands in for a small disk: the same error code.
    database = queue._book._db
    assert database is not None
    database.execute("PRAGMA max_page_count = 30")
    with pytest.raises(LogFullError):
        queue.put([("new", b"x"), ("large", b"x" * 500_000)])
    assert keys(queue) == ["kept"]
    database.execute("PRAGMA max_page_count = 100000")
    assert queue.put([("new", b"x")]) == 1


def test_a_disk_that_is_nearly_full_takes_no_rows_but_lets_them_go(
    queue: KeyedQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.put([("kept", b"x")])
    monkeypatch.setattr(sqlite_book, "RESERVED_BYTES", 1 << 60)
    with pytest.raises(LogFullError, match="disk is full"):
        queue.put([("new", b"x")])
    queue.settle([queue.waiting(1)[0].seq], "sent")
    assert keys(queue) == []


def test_a_corrupt_file_is_set_aside_and_a_new_one_begins(queue: KeyedQueue, tmp_path: Path) -> None:
    queue.put([("a", b"x")])
    queue.close()
    path = tmp_path / "folder" / "queue.db"
    path.write_bytes(b"\xa5" * len(path.read_bytes()))
    with pytest.raises(LogBrokenError):
        queue.put([("b", b"x")])
    queue.put([("b", b"x")])
    assert keys(queue) == ["b"]
    assert list(path.parent.glob("*.corrupt-0001"))


def test_a_file_that_was_replaced_is_noticed(queue: KeyedQueue, tmp_path: Path) -> None:
    queue.put([("a", b"x")])
    for file in (tmp_path / "folder").iterdir():
        file.unlink()
    queue.put([("b", b"x")])
    assert keys(queue) == ["b"]


def test_a_place_that_is_no_folder_is_our_own_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LogBrokenError):
        KeyedQueue(tmp_path / "file" / "queue.db", MIB).put([("a", b"x")])


def test_several_have_it_open(queue: KeyedQueue, tmp_path: Path) -> None:
    reader = KeyedQueue(tmp_path / "folder" / "queue.db", MIB)
    queue.put([("a", b"x")])
    reader.settle([reader.waiting(1)[0].seq], "sent")
    assert (keys(queue), queue.put([("a", b"x")])) == ([], 0)
    reader.close()


def test_the_owner_alone_may_read_it(queue: KeyedQueue, tmp_path: Path) -> None:
    queue.put([("a", b"x")])
    assert (tmp_path / "folder" / "queue.db").stat().st_mode & 0o077 == 0


_WRITER = """
import sys
from pathlib import Path
from cloud_stream.keyed_queue import KeyedQueue
queue = KeyedQueue(Path(sys.argv[1]), 1 << 30)
for number in range(1_000_000):
    queue.put([(f"{number}-{part}", b"x" * 100) for part in range(3)])
    print(number, flush=True)
"""


def test_what_was_put_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    with subprocess.Popen([sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        said = [writer.stdout.readline() for _ in range(20)]
        os.kill(writer.pid, signal.SIGKILL)
        said += writer.stdout.readlines()
    last = int([line for line in said if line.endswith("\n")][-1])
    queue = KeyedQueue(path, 1 << 30)
    held = keys(queue)
    assert len(held) % 3 == 0
    assert set(held) >= {f"{number}-{part}" for number in range(last + 1) for part in range(3)}
    assert queue.put([(f"{last}-0", b"")]) == 0
    queue.close()
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()


@settings(max_examples=30, deadline=None)
@given(steps=st.lists(st.tuples(st.sampled_from(["put", "settle"]), st.integers(0, 8)), max_size=30))
def test_a_key_leaves_as_often_as_it_came(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    queue = KeyedQueue(tmp_path_factory.mktemp("queue") / "queue.db", MIB)
    seen: set[str] = set()
    waits: list[str] = []
    for what, number in steps:
        if what == "put":
            waits += [] if str(number) in seen else [str(number)]
            seen.add(str(number))
            queue.put([(str(number), b"")])
        elif number < len(waits):
            queue.settle([queue.waiting(100)[number].seq], "sent")
            del waits[number]
        assert keys(queue) == waits
    queue.close()
