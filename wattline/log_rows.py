"""The file of a durable log: its tables, and the questions it is asked. SQL on an open connection, and nothing else."""

import sqlite3
import uuid
from typing import Final

from wattline.sqlite_file import use_write_ahead_log

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS rows (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    writer TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    payload BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


def prepare(db: sqlite3.Connection) -> None:
    """Make the tables where they are missing, and set what is to hold for this connection."""
    db.execute("PRAGMA auto_vacuum = INCREMENTAL")
    use_write_ahead_log(db)
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA journal_size_limit = 16777216")
    db.execute("PRAGMA secure_delete = OFF")  # Debian's default would write every page that a deleted row had
    db.executescript(_SCHEMA)
    db.execute("INSERT OR IGNORE INTO meta VALUES ('file_id', ?)", (str(uuid.uuid4()),))


def one(db: sqlite3.Connection, query: str, values: tuple[int | str, ...] = ()) -> int | str | None:
    """The first column of the first row; None when there is none."""
    row: tuple[int | str | None] | None
    row = db.execute(query, values).fetchone()
    return None if row is None else row[0]


def held_bytes(db: sqlite3.Connection, page_size: int) -> int:
    """The bytes of the live pages."""
    pages = int(one(db, "PRAGMA page_count") or 0)
    free = int(one(db, "PRAGMA freelist_count") or 0)
    return (pages - free) * page_size


def last_seq(db: sqlite3.Connection) -> int:
    """The highest number ever given."""
    return int(one(db, "SELECT seq FROM sqlite_sequence") or 0)


def oldest(db: sqlite3.Connection, writer: str | None) -> int:
    """The lowest number held (of one writer), or the next to come if none is."""
    where = "" if writer is None else " WHERE writer = ?"
    values = () if writer is None else (writer,)
    first = one(db, f"SELECT min(seq) FROM rows{where}", values)  # noqa: S608 (a constant)
    return last_seq(db) + 1 if first is None else int(first)


def oldest_at_ms(db: sqlite3.Connection) -> int | None:
    """When the oldest row was booked, as it stands in the file."""
    at_ms = one(db, "SELECT at_ms FROM rows ORDER BY seq LIMIT 1")
    return None if at_ms is None else int(at_ms)


def first_booked_since(db: sqlite3.Connection, limit_ms: int) -> int:
    """The first row, from the oldest on, that was booked at `limit_ms` or later; the next to come if none was.

    It looks at no row behind that one.
    """
    first = one(db, "SELECT seq FROM rows WHERE at_ms >= ? ORDER BY seq LIMIT 1", (limit_ms,))
    return last_seq(db) + 1 if first is None else int(first)


class RowCount:
    """How many rows there are: counted once, then kept by what this connection does.

    What another connection does is seen, and has them counted again.
    """

    def __init__(self) -> None:
        self._rows = 0
        self._version: int | None = None

    def forget(self) -> None:
        """Count anew at the next question: the file may be another one."""
        self._version = None

    def changed(self, by: int) -> None:
        """Note rows that were added, or with a negative number, deleted."""
        self._rows += by

    def of(self, db: sqlite3.Connection) -> int:
        """The number now."""
        version = int(one(db, "PRAGMA data_version") or 0)
        if version != self._version:
            self._rows = int(one(db, "SELECT count(*) FROM rows") or 0)
            self._version = version
        return self._rows
