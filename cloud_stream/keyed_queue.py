"""A durable queue between the flow and the world, in which every key is put once.

The flow may say the same thing again after a crash; the queue remembers the keys of what it was given for 90 days, so
that nobody is told twice and nothing is switched twice.
"""

import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from cloud_stream.sqlite_book import SqliteBook

REMEMBERED_MS: Final = 90 * 86_400_000
ROW_OVERHEAD_BYTES: Final = 128
KEY_BYTES: Final = 128
"""What a remembered key takes, with its place in the index."""
FEWEST_KEYS: Final = 10_000
PRUNED_AT_ONCE: Final = 1000
DROPPED: Final = "dropped"

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS rows (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE, payload BLOB NOT NULL, put_ms INTEGER NOT NULL, bytes INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS keys (key TEXT PRIMARY KEY, put_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS keys_by_age ON keys (put_ms);
CREATE TABLE IF NOT EXISTS outcomes (outcome TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS totals (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT OR IGNORE INTO totals VALUES ('rows', 0), ('bytes', 0), ('keys', 0), ('put', 0), ('repeated', 0);
CREATE TRIGGER IF NOT EXISTS row_put AFTER INSERT ON rows BEGIN
    UPDATE totals SET value = value + 1 WHERE name IN ('rows', 'put');
    UPDATE totals SET value = value + new.bytes WHERE name = 'bytes';
END;
CREATE TRIGGER IF NOT EXISTS row_gone AFTER DELETE ON rows BEGIN
    UPDATE totals SET value = value - 1 WHERE name = 'rows';
    UPDATE totals SET value = value - old.bytes WHERE name = 'bytes';
END;
CREATE TRIGGER IF NOT EXISTS key_kept AFTER INSERT ON keys BEGIN
    UPDATE totals SET value = value + 1 WHERE name = 'keys';
END;
CREATE TRIGGER IF NOT EXISTS key_forgotten AFTER DELETE ON keys BEGIN
    UPDATE totals SET value = value - 1 WHERE name = 'keys';
END;
"""
_OLDEST_KEYS: Final = """
DELETE FROM keys WHERE key IN (
    SELECT key FROM keys WHERE put_ms < ? AND key NOT IN (SELECT key FROM rows) ORDER BY put_ms LIMIT ?
)
"""


class QueueRow(NamedTuple):
    """One thing that waits: its number, its key, the bytes, and when it was put, ms UTC."""

    seq: int
    key: str
    payload: bytes
    put_ms: int


class QueueCounts(NamedTuple):
    """What a queue holds and has seen.

    Attributes:
        waiting: Rows. bytes: what they take.
        put: Rows ever put. repeated: rows refused because their key was known.
        outcomes: How many rows left it, by the outcome that `settle` was told, and `dropped` for the bound.
    """

    waiting: int
    bytes: int
    put: int
    repeated: int
    outcomes: Mapping[str, int]


class KeyedQueue:
    """The queue; safe to share between threads, and several processes may have the file open.

    A corrupt file is set aside, and a new one begins.

    Args:
        path: The file; made with its folder when it is first needed.
        max_bytes: Of what waits; the oldest rows are dropped, counted, above it.
        now_ms: The wall clock, ms UTC.
    """

    def __init__(self, path: Path, max_bytes: int, now_ms: Callable[[], int] = lambda: time.time_ns() // 10**6) -> None:
        self._book = SqliteBook(path, _SCHEMA)
        self._max_bytes = max_bytes
        self._max_keys = max(FEWEST_KEYS, max_bytes // KEY_BYTES)
        self._now_ms = now_ms

    def put(self, rows: Sequence[tuple[str, bytes]]) -> int:
        """Put rows whose key was never seen; they are on disk on return.

        Args:
            rows: Keys and payloads.

        Returns:
            How many were new.

        Raises:
            LogFullError: The disk is full; nothing was put. Putting the same again later is right.
            LogBrokenError: The file or disk failed; as above.
        """
        if not rows:
            return 0
        now_ms = self._now_ms()
        size = sum(len(payload) + len(key) + ROW_OVERHEAD_BYTES + KEY_BYTES for key, payload in rows)
        return self._book.change(lambda db: self._put(db, rows, now_ms), size)

    def waiting(self, limit: int) -> list[QueueRow]:
        """What waits, oldest first.

        Raises:
            LogBrokenError: The file cannot be read now.
        """
        query = "SELECT seq, key, payload, put_ms FROM rows ORDER BY seq LIMIT ?"
        return self._book.read(lambda db: [QueueRow(*row) for row in db.execute(query, (limit,))])

    def settle(self, seqs: Sequence[int], outcome: str) -> None:
        """Let rows go; those that are gone already change nothing.

        Args:
            seqs: Their numbers.
            outcome: What became of them, counted under this word.

        Raises:
            LogFullError: The disk is full; they are all still there.
            LogBrokenError: The file or disk failed; as above.
        """
        if seqs:
            self._book.change(lambda db: _settle(db, seqs, outcome))

    def counts(self) -> QueueCounts:
        """See `QueueCounts`.

        Raises:
            LogBrokenError: The file cannot be read now.
        """
        return self._book.read(_counts)

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        self._book.close()

    def _put(self, db: sqlite3.Connection, rows: Sequence[tuple[str, bytes]], now_ms: int) -> int:
        new = 0
        for key, payload in rows:
            name = key.encode(errors="backslashreplace").decode()  # SQLite takes no lone surrogate
            if db.execute("INSERT OR IGNORE INTO keys VALUES (?, ?)", (name, now_ms)).rowcount:
                size = len(payload) + len(name) + ROW_OVERHEAD_BYTES
                values = (name, payload, now_ms, size)
                db.execute("INSERT INTO rows (key, payload, put_ms, bytes) VALUES (?, ?, ?, ?)", values)
                new += 1
        db.execute("UPDATE totals SET value = value + ? WHERE name = 'repeated'", (len(rows) - new,))
        self._keep_bounds(db, now_ms)
        return new

    def _keep_bounds(self, db: sqlite3.Connection, now_ms: int) -> None:
        dropped = 0
        while _total(db, "bytes") > self._max_bytes:
            dropped += db.execute("DELETE FROM rows WHERE seq = (SELECT min(seq) FROM rows)").rowcount
        _count(db, DROPPED, dropped)
        db.execute(_OLDEST_KEYS, (now_ms - REMEMBERED_MS, PRUNED_AT_ONCE))
        surplus = _total(db, "keys") - self._max_keys
        if surplus > 0:
            db.execute(_OLDEST_KEYS, (now_ms + 1, surplus))


def _settle(db: sqlite3.Connection, seqs: Sequence[int], outcome: str) -> None:
    gone = sum(db.execute("DELETE FROM rows WHERE seq = ?", (seq,)).rowcount for seq in seqs)
    _count(db, outcome, gone)
    db.execute("PRAGMA incremental_vacuum(64)").fetchall()


def _count(db: sqlite3.Connection, outcome: str, rows: int) -> None:
    if rows:
        query = "INSERT INTO outcomes VALUES (?, ?) ON CONFLICT (outcome) DO UPDATE SET count = count + excluded.count"
        db.execute(query, (outcome, rows))


def _total(db: sqlite3.Connection, name: str) -> int:
    row: tuple[int] = db.execute("SELECT value FROM totals WHERE name = ?", (name,)).fetchone()
    return row[0]


def _counts(db: sqlite3.Connection) -> QueueCounts:
    totals = dict(db.execute("SELECT name, value FROM totals"))
    outcomes = dict(db.execute("SELECT outcome, count FROM outcomes"))
    return QueueCounts(totals["rows"], totals["bytes"], totals["put"], totals["repeated"], outcomes)
