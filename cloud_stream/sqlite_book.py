"""One SQLite file that several threads and processes write: durable, set aside when corrupt, its errors our own."""

import logging
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from wattline.errors import LogBrokenError, LogFullError
from wattline.sqlite_file import (
    FileKey,
    file_key,
    free_bytes,
    is_corrupt,
    is_failed_io,
    is_full,
    set_aside,
    transaction,
    use_write_ahead_log,
)

T = TypeVar("T")
_log: Final = logging.getLogger("cloud_stream.sqlite_book")
BUSY_TIMEOUT_S: Final = 10.0
RESERVED_BYTES: Final = 1 << 20
"""What growing leaves free on the disk: deleting writes too, and must be possible when growing no longer is."""


class SqliteBook:
    """A file with tables; opened at its first use, and again after whatever has happened to it.

    Args:
        path: The file; made with its folder, readable by its owner only.
        schema: Makes the tables where they are missing.
    """

    def __init__(self, path: Path, schema: str) -> None:
        self.path = path
        self._schema = schema
        self._lock = threading.RLock()
        self._db: sqlite3.Connection | None = None
        self._opened: FileKey = None

    def read(self, action: Callable[[sqlite3.Connection], T]) -> T:
        """Ask; what another process commits meanwhile may be seen half way through.

        Raises:
            LogBrokenError: The file cannot be read now.
        """
        return self._guarded(action)

    def change(self, action: Callable[[sqlite3.Connection], T], grows_bytes: int = 0) -> T:
        """Change the file in one transaction; it is on disk on return.

        Args:
            action: Done whole or not at all; may be done again after an error.
            grows_bytes: What it adds, so that it can be refused before the disk is full.

        Raises:
            LogFullError: The disk is full; nothing was changed.
            LogBrokenError: The file or disk failed; nothing was changed.
        """

        def whole(db: sqlite3.Connection) -> T:
            self._check_disk(db, grows_bytes)
            with transaction(db):
                return action(db)

        return self._guarded(whole)

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    def _guarded(self, action: Callable[[sqlite3.Connection], T]) -> T:
        with self._lock:
            try:
                return action(self._connection())
            except sqlite3.Error as error:
                raise self._translated(error) from error
            except OSError as error:  # the folder is gone, the disk does not answer
                raise LogBrokenError(f"{self.path}: {error}") from error

    def _translated(self, error: sqlite3.Error) -> LogFullError | LogBrokenError:
        if is_full(error):
            return LogFullError(f"{self.path}: the disk is full")
        if is_corrupt(error):
            self.close()
            aside = set_aside(self.path, self._opened)
            if aside is not None:
                _log.error("file_set_aside file=%s kept_as=%s", self.path, aside.name)
        elif is_failed_io(error):
            self.close()
        return LogBrokenError(f"{self.path}: {error}")

    def _connection(self) -> sqlite3.Connection:
        if self._db is not None and file_key(self.path) != self._opened:
            self.close()  # another process has put another file in its place
        if self._db is None:
            self._db = self._open()
        return self._db

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not self.path.exists():
            self.path.touch(0o600)
        self._opened = file_key(self.path)
        db = sqlite3.connect(self.path, BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA auto_vacuum = INCREMENTAL")
            use_write_ahead_log(db)
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA journal_size_limit = 16777216")
            db.execute("PRAGMA secure_delete = OFF")  # Debian's default would write every page that a deleted row had
            db.executescript(self._schema)
        except sqlite3.Error:
            db.close()
            raise
        if file_key(self.path) != self._opened:
            db.close()
            raise LogBrokenError(f"{self.path}: was replaced while it was opened")
        return db

    def _check_disk(self, db: sqlite3.Connection, grows_bytes: int) -> None:
        wanted = 2 * grows_bytes + RESERVED_BYTES  # once in the write-ahead log, and then in the file
        if not grows_bytes or free_bytes(self.path) >= wanted:
            return
        # Only a script runs a vacuum to its end: `execute` stops after its first page.
        db.executescript("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA incremental_vacuum(64);")
        if free_bytes(self.path) < wanted:
            raise LogFullError(f"{self.path}: the disk is full")
