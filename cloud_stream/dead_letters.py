"""Messages that could not be used, kept for a person to look at: one bounded SQLite file."""

import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

from cloud_stream.errors import StoreUnavailableError
from cloud_stream.records import DeadLetter
from wattline.sqlite_file import transaction, use_write_ahead_log

T = TypeVar("T")
BUSY_TIMEOUT_S: Final = 10.0
ROW_OVERHEAD_BYTES: Final = 200
MAX_PAYLOAD_BYTES: Final = 64 << 10
"""A larger payload is cut: its beginning shows what it was."""
DROPPED: Final = "dropped"
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    journal TEXT NOT NULL, seq INTEGER NOT NULL, "index" INTEGER NOT NULL,
    received_ms INTEGER NOT NULL, topic TEXT NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL,
    payload BLOB NOT NULL, bytes INTEGER NOT NULL,
    UNIQUE (journal, seq, "index")
);
CREATE TABLE IF NOT EXISTS counts (reason TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS totals (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT OR IGNORE INTO totals VALUES ('bytes', 0), ('dropped', 0);
CREATE TRIGGER IF NOT EXISTS letter_kept AFTER INSERT ON letters BEGIN
    INSERT INTO counts VALUES (new.reason, 1) ON CONFLICT (reason) DO UPDATE SET count = count + 1;
    UPDATE totals SET value = value + new.bytes WHERE name = 'bytes';
END;
CREATE TRIGGER IF NOT EXISTS letter_dropped AFTER DELETE ON letters BEGIN
    UPDATE totals SET value = value - old.bytes WHERE name = 'bytes';
    UPDATE totals SET value = value + 1 WHERE name = 'dropped';
END;
"""
_INSERT: Final = """
INSERT OR IGNORE INTO letters (journal, seq, "index", received_ms, topic, reason, detail, payload, bytes)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_DROP_OLDEST: Final = "DELETE FROM letters WHERE id = (SELECT min(id) FROM letters)"
_READ: Final = """
SELECT journal, seq, "index", received_ms, topic, reason, detail, payload FROM letters ORDER BY id DESC LIMIT ?
"""


class SqliteDeadLetters:
    """The `DeadLetters` port; safe to share between threads and processes.

    Args:
        path: The file; made with its folder when it is first needed.
        max_bytes: Of the letters; the oldest are dropped, and counted, above it.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None

    def put(self, letters: Sequence[DeadLetter]) -> None:
        """See `DeadLetters.put`."""
        rows = [_row(letter) for letter in letters]
        self._run(lambda db: self._put(db, rows))

    def count(self) -> Mapping[str, int]:
        """See `DeadLetters.count`.

        Raises:
            StoreUnavailableError: The file cannot be read now.
        """
        return dict(self._run(lambda db: db.execute("SELECT reason, count FROM counts").fetchall()))

    def dropped(self) -> int:
        """How many letters went to keep the bound.

        Raises:
            StoreUnavailableError: The file cannot be read now.
        """
        return self._run(lambda db: _total(db, DROPPED))

    def newest(self, limit: int) -> list[DeadLetter]:
        """The newest letters held, newest first.

        Raises:
            StoreUnavailableError: The file cannot be read now.
        """
        return [DeadLetter(*row) for row in self._run(lambda db: db.execute(_READ, (limit,)).fetchall())]

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        with self._lock:
            self._close()

    def _put(self, db: sqlite3.Connection, rows: Sequence[tuple[str | int | bytes, ...]]) -> None:
        with transaction(db):
            db.executemany(_INSERT, rows)
            while _total(db, "bytes") > self._max_bytes and db.execute(_DROP_OLDEST).rowcount:
                continue

    def _run(self, action: Callable[[sqlite3.Connection], T]) -> T:
        with self._lock:
            try:
                return action(self._opened())
            except (sqlite3.Error, OSError) as error:
                self._close()
                raise StoreUnavailableError(f"{self._path}: {error}") from error

    def _opened(self) -> sqlite3.Connection:
        if self._db is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            db = sqlite3.connect(self._path, BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
            try:
                use_write_ahead_log(db)
                db.execute("PRAGMA synchronous = FULL")
                db.executescript(_SCHEMA)
            except sqlite3.Error:
                db.close()
                raise
            self._db = db
        return self._db

    def _close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None


def _total(db: sqlite3.Connection, name: str) -> int:
    row: tuple[int] = db.execute("SELECT value FROM totals WHERE name = ?", (name,)).fetchone()
    return row[0]


def _row(letter: DeadLetter) -> tuple[str | int | bytes, ...]:
    payload = letter.payload[:MAX_PAYLOAD_BYTES]
    texts = tuple(_storable(text) for text in (letter.topic, letter.reason, letter.detail))
    size = ROW_OVERHEAD_BYTES + len(payload) + sum(map(len, texts))
    return (letter.journal, letter.seq, letter.index, letter.received_ms, *texts, payload, size)


def _storable(text: str) -> str:
    """SQLite takes no lone surrogate, which hostile text may hold."""
    return text.encode(errors="replace").decode()
