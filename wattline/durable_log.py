"""An append-only, bounded log that survives kill -9 and a full disk.

One class used twice: as the outbox of an edge and as the journal of the cloud.
SQLite keeps the file (write-ahead log, `synchronous=FULL`, one transaction per
group of rows), so there is no file format of our own to get wrong.

Sequence numbers come from AUTOINCREMENT: they never start again, even when the
table was empty in between. Two identities tell files and writers apart:
`file_id` is made with the file, `writer_id` anew at every start and whenever a
corrupt file was set aside, so that (writer id, seq) names a row for ever, also
after an old copy of the file was restored.
"""

import logging
import sqlite3
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from wattline.errors import LogBrokenError, LogFullError
from wattline.log_rows import RowCount, first_booked_since, held_bytes, last_seq, oldest, oldest_at_ms, one, prepare
from wattline.sqlite_file import (
    FileKey,
    file_key,
    free_bytes,
    is_corrupt,
    is_failed_io,
    is_full,
    set_aside,
    transaction,
)

T = TypeVar("T")
_log: Final = logging.getLogger("wattline.durable_log")
DELETE_CHUNK: Final = 500
"""Rows a transaction deletes at most, so that an append never waits long."""
ROW_OVERHEAD_BYTES: Final = 64
RESERVED_BYTES: Final = 1 << 20
"""What appends leave free on the disk: deleting writes too, and must be possible when appending no longer is."""
_FEW: Final = 64


class WhenFull(StrEnum):
    """What happens to an append that does not fit."""

    DROP_OLDEST = "drop_oldest"
    REFUSE = "refuse"


class Row(NamedTuple):
    """One row: its number, who wrote it, when (ms UTC), and the bytes."""

    seq: int
    writer: str
    at_ms: int
    payload: bytes


class DurableLog:
    """A bounded log in one SQLite file; safe to share between threads.

    Several processes may open the same file: one appends, another reads and
    truncates (the journal's ingest and flow). One that finds it corrupt sets
    it aside; the others notice, and go on with the file that took its place.

    Attributes:
        dropped: Rows given up to keep the bounds, by reason: ``bytes``,
            ``age``; and files set aside, as ``corrupt_file``.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int,
        when_full: WhenFull,
        max_age_ms: int = 0,
        busy_timeout_s: float = 5.0,
    ) -> None:
        """Open or create the log.

        Args:
            path: The file; its folder is made where it is missing.
            max_bytes: The most that the file's live pages may hold.
            when_full: Drop the oldest rows, or refuse the new ones.
            max_age_ms: Older rows are dropped, from the oldest on, at the next append; 0 keeps them.
            busy_timeout_s: How long to wait for another process's transaction.

        Raises:
            LogBrokenError: The file can neither be opened nor made.
        """
        self.path = path
        self.dropped: Counter[str] = Counter()
        self.writer_id = ""
        self.file_id = ""
        self._max_bytes = max_bytes
        self._max_age_ms = max_age_ms
        self._when_full = when_full
        self._busy_timeout_s = busy_timeout_s
        self._lock = threading.RLock()
        self._db: sqlite3.Connection | None = None
        self._opened: FileKey = None
        self._page_size = 4096
        self._shift_ms = 0
        self._count = RowCount()
        self._guarded(lambda: None)

    def append_many(self, payloads: Sequence[bytes], now_ms: int) -> range:
        """Append rows in one transaction; they are on disk on return.

        Args:
            payloads: The rows' bytes, in order.
            now_ms: The time they are booked under, ms UTC.

        Returns:
            The sequence numbers, without gaps.

        Raises:
            LogFullError: They do not fit, or the disk is full; none was kept.
            LogBrokenError: The file or disk failed; none was kept.
        """
        return self._guarded(lambda: self._append(payloads, now_ms))

    def read_after(self, seq: int, *, max_rows: int, max_bytes: int) -> list[Row]:
        """The rows that follow `seq`, oldest first.

        Args:
            seq: Rows with higher numbers are returned; 0 for all.
            max_rows: The most rows.
            max_bytes: Stop once the payloads exceed this; at least one row comes.

        Raises:
            LogBrokenError: The file cannot be read now.
        """
        return self._guarded(lambda: self._read(seq, max_rows, max_bytes))

    def truncate_through(self, seq: int, file_id: str = "") -> int:
        """Forget every row up to and with `seq`, in small transactions.

        Args:
            seq: The last row to go.
            file_id: Of the file whose number `seq` is; by default the last call's. Another one is left alone: its
                numbers start again.

        Returns:
            How many rows went.

        Raises:
            LogBrokenError: The file cannot be changed now; some may be gone.
        """
        meant = file_id or self.file_id
        return self._guarded(lambda: self._delete_where("seq <= ?", (seq,)) if self.file_id == meant else 0)

    def forget(self, writer: str, ranges: Iterable[tuple[int, int]]) -> int:
        """Forget the rows of one writer in closed ranges of numbers.

        Returns:
            How many rows went.

        Raises:
            LogBrokenError: The file cannot be changed now; some may be gone.
        """
        clause = "seq BETWEEN ? AND ? AND writer = ?"
        return sum(
            self._guarded(lambda a=a, b=b: self._delete_where(clause, (a, b, writer)))  # type: ignore[misc]
            for a, b in ranges
        )

    def oldest(self, writer: str | None = None) -> int:
        """The lowest number held (of one writer), or the next to come if none is."""
        return self._guarded(lambda: oldest(self._connection(), writer))

    def last_seq(self) -> int:
        """The highest number ever given."""
        return self._guarded(lambda: last_seq(self._connection()))

    def __len__(self) -> int:
        """How many rows are held."""
        return self._guarded(lambda: self._count.of(self._connection()))

    def held_bytes(self) -> int:
        """The bytes of the file's live pages, whoever wrote or deleted them."""
        return self._guarded(self._held)

    def oldest_at_ms(self) -> int:
        """When the oldest row was booked, ms UTC; 0 when the log is empty."""
        at_ms = self._guarded(lambda: oldest_at_ms(self._connection()))
        return 0 if at_ms is None else at_ms + self._shift_ms

    def shift_times(self, by_ms: int) -> None:
        """Book every row so much later: the clock that they were booked by has been set.

        For a log that one process uses: another one reads the shift when it opens the file.

        Raises:
            LogBrokenError, LogFullError: It is not kept for the next start; in this one it counts.
        """
        self._guarded(lambda: self._shift(by_ms))

    def close(self) -> None:
        """Close the file; calling it again does nothing."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    def _guarded(self, action: Callable[[], T]) -> T:
        """Run `action` on the open file and turn SQLite's errors into ours."""
        with self._lock:
            try:
                return self._attempt(action)
            except sqlite3.Error as error:
                if not is_corrupt(error):
                    raise self._translated(error) from error
            self._set_aside()
            try:
                return self._attempt(action)
            except sqlite3.Error as error:
                raise self._translated(error) from error

    def _attempt(self, action: Callable[[], T]) -> T:
        try:
            if self._db is not None and self._was_replaced():
                self.close()
            if self._db is None:
                self._open()
            return action()
        except OSError as error:  # the folder is gone, the disk does not answer
            raise LogBrokenError(f"{self.path}: {error}") from error

    def _was_replaced(self) -> bool:
        """Whether another process has put another file where ours was: what we write to ours is lost."""
        return file_key(self.path) != self._opened

    def _translated(self, error: sqlite3.Error) -> LogFullError | LogBrokenError:
        if is_full(error):
            return LogFullError(f"{self.path}: the disk is full")
        if is_failed_io(error):
            self.close()
        return LogBrokenError(f"{self.path}: {error}")

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not self.path.exists():  # opening it beside SQLite would end the locks that SQLite holds
            self.path.touch()
        self._opened = file_key(self.path)
        db = sqlite3.connect(
            self.path,
            timeout=self._busy_timeout_s,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            self._prepare(db)
        except sqlite3.Error:
            db.close()
            raise
        if self._was_replaced():
            db.close()
            raise LogBrokenError(f"{self.path}: was replaced while it was opened")
        self._db = db
        self.writer_id = str(uuid.uuid4())

    def _prepare(self, db: sqlite3.Connection) -> None:
        prepare(db)
        self.file_id = str(one(db, "SELECT value FROM meta WHERE key = 'file_id'"))
        self._shift_ms = int(one(db, "SELECT value FROM meta WHERE key = 'shift_ms'") or 0)
        self._page_size = int(one(db, "PRAGMA page_size") or 0)
        self._count.forget()

    def _set_aside(self) -> None:
        """Rename the corrupt file out of the way; a later open makes a new one."""
        self.close()
        try:
            aside = set_aside(self.path, self._opened)
        except OSError as error:
            raise LogBrokenError(f"{self.path}: {error}") from error
        if aside is not None:
            self.dropped["corrupt_file"] += 1
            _log.error("log_set_aside file=%s kept_as=%s", self.path, aside.name)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        db = self._connection()
        with transaction(db):
            yield db

    def _connection(self) -> sqlite3.Connection:
        if self._db is None:  # closed by another thread while this one waited
            self._open()
        db = self._db
        if db is None:
            raise LogBrokenError(f"{self.path}: closed")
        return db

    def _append(self, payloads: Sequence[bytes], now_ms: int) -> range:
        if not payloads:
            last = last_seq(self._connection())
            return range(last + 1, last + 1)
        self._drop_aged(now_ms)
        n_bytes = sum(map(len, payloads)) + ROW_OVERHEAD_BYTES * len(payloads)
        self._make_room(n_bytes)
        self._check_disk(n_bytes)
        with self._transaction() as db:
            db.executemany(
                "INSERT INTO rows (writer, at_ms, payload) VALUES (?, ?, ?)",
                ((self.writer_id, now_ms - self._shift_ms, payload) for payload in payloads),
            )
            last = last_seq(db)
        self._count.changed(len(payloads))
        if self._was_replaced():
            raise LogBrokenError(f"{self.path}: was replaced while rows were written")
        return range(last - len(payloads) + 1, last + 1)

    def _drop_aged(self, now_ms: int) -> None:
        if self._max_age_ms:
            limit_ms = now_ms - self._max_age_ms - self._shift_ms
            at_ms = oldest_at_ms(self._connection())
            if at_ms is not None and at_ms < limit_ms:
                first = first_booked_since(self._connection(), limit_ms)
                self.dropped["age"] += self._delete_where("seq < ?", (first,))

    def _make_room(self, n_bytes: int) -> None:
        while self._held() + n_bytes > self._max_bytes:
            if self._when_full is WhenFull.REFUSE:
                raise LogFullError(f"{self.path}: {self._max_bytes} bytes are held")
            gone = self._delete_chunk("1", ())
            if not gone:
                raise LogFullError(f"{self.path}: {n_bytes} bytes do not fit")
            self.dropped["bytes"] += gone

    def _read(self, seq: int, max_rows: int, max_bytes: int) -> list[Row]:
        query = "SELECT seq, writer, at_ms, payload FROM rows WHERE seq > ? ORDER BY seq LIMIT ?"
        rows: list[Row] = []
        size = 0
        for number, writer, at_ms, payload in self._connection().execute(query, (seq, max_rows)):
            size += len(payload)
            if rows and size > max_bytes:
                break
            rows.append(Row(number, writer, at_ms + self._shift_ms, payload))
        return rows

    def _check_disk(self, n_bytes: int) -> None:
        """Refuse rows before the disk is full: they need room twice, in the write-ahead log and then in the file."""
        wanted = 2 * n_bytes + RESERVED_BYTES
        if free_bytes(self.path) < wanted:
            self._give_back()
            if free_bytes(self.path) < wanted:
                raise LogFullError(f"{self.path}: the disk is full")

    def _give_back(self) -> None:
        """Return to the disk what the write-ahead log and some of the deleted rows still take."""
        checkpoint = "PRAGMA wal_checkpoint(TRUNCATE);"
        # Only a script runs a vacuum to its end: `execute` stops after its first page.
        self._connection().executescript(f"{checkpoint} PRAGMA incremental_vacuum({_FEW}); {checkpoint}")

    def _delete_where(self, clause: str, values: tuple[int | str, ...]) -> int:
        total = 0
        while gone := self._delete_chunk(clause, values):
            total += gone
            if gone < _FEW:
                break
        return total

    def _delete_chunk(self, clause: str, values: tuple[int | str, ...]) -> int:
        try:
            return self._delete_some(clause, values, DELETE_CHUNK, DELETE_CHUNK)
        except sqlite3.Error as error:
            if not is_full(error):
                raise
        self._give_back()
        return self._delete_some(clause, values, _FEW, _FEW)

    def _delete_some(self, clause: str, values: tuple[int | str, ...], rows: int, pages: int) -> int:
        chosen = f"SELECT seq FROM rows WHERE {clause} ORDER BY seq LIMIT {rows}"  # noqa: S608 (both parts are this module's own constants)
        with self._transaction() as db:
            cursor = db.execute(f"DELETE FROM rows WHERE seq IN ({chosen})", values)  # noqa: S608 (as above)
            db.execute(f"PRAGMA incremental_vacuum({pages})")
        self._count.changed(-cursor.rowcount)
        return int(cursor.rowcount)

    def _shift(self, by_ms: int) -> None:
        self._shift_ms += by_ms
        with self._transaction() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES ('shift_ms', ?)", (str(self._shift_ms),))

    def _held(self) -> int:
        return held_bytes(self._connection(), self._page_size)
