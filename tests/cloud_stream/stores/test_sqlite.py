"""What only the SQLite store has to do: share a file, survive a full disk, forget what is old."""

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cloud_stream.errors import StoreUnavailableError
from cloud_stream.ports import Rejected
from cloud_stream.records import Point
from cloud_stream.stores.sqlite import MAX_FIELDS, PRUNE_CHUNK, PRUNE_INTERVAL_MS, SqliteStore
from tests.cloud_stream.stores.columns import NOW_MS, readings

DAY_MS = 86_400_000
WRITERS = 4
ROWS = 500


def opened(path: Path, now_ms: int = NOW_MS, retention_ms: int = 400 * DAY_MS) -> SqliteStore:
    store = SqliteStore(path, retention_ms, lambda: now_ms)
    store.prepare()
    return store


def count(path: Path, table: str = "reading") -> int:
    db = sqlite3.connect(path)
    (found,) = db.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - the tests' own table names
    db.close()
    return int(found)


def write_rows(path: Path, writer: int) -> list[Rejected]:
    """Write rows one by one, each with a new field of the writer's own now and then."""
    store = SqliteStore(path, 400 * DAY_MS)
    rejected = []
    for row in range(ROWS):
        name = f"x{writer}_{row // 100}_w"
        rejected += store.write([readings({name: [float(row)]}, [NOW_MS + row], meter=f"m{writer}")], [])
    store.close()
    return rejected


def test_threads_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "wattline.db"
    rejected: list[Rejected] = []
    threads = [
        threading.Thread(target=lambda n=n: rejected.extend(write_rows(path, n)), daemon=True) for n in range(WRITERS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (count(path), rejected) == (WRITERS * ROWS, [])


def test_processes_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "wattline.db"
    program = (
        "import sys; from pathlib import Path; from tests.cloud_stream.stores.test_sqlite import write_rows; "
        "assert write_rows(Path(sys.argv[1]), int(sys.argv[2])) == []"
    )
    root = Path(__file__).parents[3]
    children = [subprocess.Popen([sys.executable, "-c", program, path, str(n)], cwd=root) for n in range(WRITERS)]
    assert [child.wait(60) for child in children] == [0] * WRITERS
    assert count(path) == WRITERS * ROWS


def test_a_full_disk_means_later_and_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "wattline.db"
    store = opened(path)
    pages = store._connection().execute("PRAGMA page_count").fetchone()[0]
    store._connection().execute(f"PRAGMA max_page_count = {pages + 2}")
    many = readings({"power_w": [1.0] * 5000}, [NOW_MS + i for i in range(5000)])
    with pytest.raises(StoreUnavailableError, match="full"):
        store.write([many], [])
    assert count(path) == 0
    # The handle is opened anew, without the limit: the disk has room again.
    assert store.write([many], []) == []
    assert count(path) == 5000
    store.close()


def test_a_file_that_is_no_database_means_later(tmp_path: Path) -> None:
    path = tmp_path / "wattline.db"
    path.write_bytes(b"anything else, and long enough to be looked at " * 100)
    store = SqliteStore(path, DAY_MS)
    with pytest.raises(StoreUnavailableError, match="not a database"):
        store.prepare()
    path.unlink()
    store.prepare()
    store.close()


def test_what_is_older_than_the_retention_goes(tmp_path: Path) -> None:
    path = tmp_path / "wattline.db"
    old = opened(path, NOW_MS - 10 * DAY_MS, DAY_MS)
    rows = PRUNE_CHUNK + 1
    old.write(
        [readings({"power_w": [1.0] * rows}, [NOW_MS - 10 * DAY_MS + i for i in range(rows)])],
        [Point("flow_mark", {"shard": "shard-01"}, NOW_MS - 10 * DAY_MS, {"incarnation": "a", "number": 1})],
    )
    old.close()
    store = opened(path, NOW_MS, DAY_MS)
    assert (count(path), count(path, "flow_mark")) == (0, 0)
    store.close()


def test_it_goes_while_the_store_is_in_use(tmp_path: Path) -> None:
    path = tmp_path / "wattline.db"
    clock = [NOW_MS]
    store = SqliteStore(path, DAY_MS, lambda: clock[0])
    store.prepare()
    store.write([readings({"power_w": [1.0]}, [NOW_MS])], [])
    clock[0] = NOW_MS + DAY_MS + PRUNE_INTERVAL_MS
    store.write([readings({"power_w": [2.0]}, [clock[0]])], [])
    assert count(path) == 1
    store.close()


def test_a_person_can_read_the_times(tmp_path: Path) -> None:
    path = tmp_path / "wattline.db"
    store = SqliteStore(path, 100 * 365 * DAY_MS)
    store.write([readings({"power_w": [1.5]}, [1_700_000_000_007])], [])
    store.write([readings({"gas_m3": [2.5]}, [1_700_000_000_007])], [])
    store.close()
    db = sqlite3.connect(path)
    assert db.execute("SELECT utc, meter, power_w, gas_m3 FROM reading_utc").fetchall() == [
        ("2023-11-14T22:13:20.007Z", "m1", 1.5, 2.5)
    ]
    db.close()


def test_the_number_of_fields_is_bounded(tmp_path: Path) -> None:
    store = opened(tmp_path / "wattline.db")
    rejected = []
    for first in range(0, 2 * MAX_FIELDS, 50):
        rejected += store.write([readings({f"x{first + i}_w": [1.0] for i in range(50)}, [NOW_MS])], [])
    assert {found.reason for found in rejected} == {"too_many_fields"}
    assert store.write([readings({"x0_w": [2.0]}, [NOW_MS + 1])], []) == []
    assert len(store._connection().execute("PRAGMA table_info(reading)").fetchall()) <= MAX_FIELDS
    store.close()


def test_a_write_that_failed_half_way_is_forgotten_with_its_new_columns(tmp_path: Path) -> None:
    path = tmp_path / "wattline.db"
    store = opened(path)
    blocker = sqlite3.connect(path, isolation_level=None)
    store._connection().execute("PRAGMA busy_timeout = 0")
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailableError, match="locked"):
        store.write([readings({"power_w": [1.0]}, [NOW_MS])], [])
    blocker.execute("ROLLBACK")
    blocker.close()
    assert store.write([readings({"power_w": [1.0]}, [NOW_MS])], []) == []
    store.close()


@pytest.mark.parametrize("pragma", [("journal_mode", "wal"), ("synchronous", 2)])
def test_what_is_written_is_on_the_disk(tmp_path: Path, pragma: tuple[str, str | int]) -> None:
    store = opened(tmp_path / "wattline.db")
    assert store._connection().execute(f"PRAGMA {pragma[0]}").fetchone() == (pragma[1],)
    store.close()
