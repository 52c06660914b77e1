"""The journal as a Bytewax source: resumes where the last durable snapshot was.

Bytewax has no hook for "this epoch is durable", but it has a gate: a partition's
first `next_batch` after its `snapshot` runs only when every worker has written
that snapshot's epoch (measured, see the ADR on the engine; a test holds it).
Everything that relies on it is in `JournalPartition.next_batch`.
"""

import json
import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from cloud_stream.engine import now_ms
from cloud_stream.journal import Journal
from cloud_stream.records import JournalRow
from wattline.durable_log import DurableLog
from wattline.errors import LogError

_log: Final = logging.getLogger("cloud_stream.source")
MAX_ROWS: Final = 64
MAX_BYTES: Final = 4 << 20
IDLE_POLL: Final = timedelta(milliseconds=10)
BROKEN_POLL: Final = timedelta(seconds=1)
NOTE_EVERY_S: Final = 0.5
"""Often enough for a watchdog."""


class Offset(NamedTuple):
    """Where a partition was read to: a replaced file is read from its start."""

    journal: str
    seq: int


class Trimmer:
    """Deletes journal rows that are safe in the results, on a thread of its own.

    Deleting takes a transaction on a file that ingest writes to; the dataflow
    must not wait for it.
    """

    def __init__(self, log: DurableLog) -> None:
        """Start the thread; it ends with the process or `close`."""
        self._log = log
        self._wanted: Offset | None = None
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="journal-trimmer", daemon=True)
        self._thread.start()

    def trim(self, offset: Offset) -> None:
        """Have every row up to `offset` deleted, some time soon."""
        with self._changed:
            self._wanted = offset
            self._changed.notify()

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout=10)
        self._log.close()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._wanted is not None)
                if self._closed:
                    return
                offset, self._wanted = self._wanted, None
            try:
                if offset is not None:
                    self._log.truncate_through(offset.seq, offset.journal)
            except LogError as error:
                _log.warning("journal_trim_failed error=%s", error)


class JournalPartition(StatefulSourcePartition[JournalRow, Offset]):
    """One partition; the snapshot is its offset."""

    def __init__(
        self,
        log: DurableLog,
        trimmer: Trimmer,
        resume: Offset | None,
        stop: threading.Event,
        committed: Callable[[], None],
    ) -> None:
        """Resume behind `resume`, or at the start of a file that it does not name or that ends before it."""
        self._log = log
        self._trimmer = trimmer
        self._stop = stop
        self._committed = committed
        # An older copy of the file has the same id and hands the numbers behind its end out again.
        known = resume is not None and resume.journal == log.file_id and resume.seq <= log.last_seq()
        self._offset = resume if resume is not None and known else Offset(log.file_id, 0)
        if resume is not None and not known:
            _log.warning("journal_replaced file=%s from=%s", log.path, resume.journal)
        self._snapshot: Offset | None = None
        self._pause = timedelta(0)

    def next_batch(self) -> list[JournalRow]:
        """See `StatefulSourcePartition`; also the commit hook, see the module's text."""
        if self._snapshot is not None:
            self._trimmer.trim(self._snapshot)
            self._snapshot = None
            self._committed()
        if self._stop.is_set():
            raise StopIteration
        try:
            rows = self._read()
        except LogError as error:
            _log.warning("journal_read_failed error=%s", error)
            self._pause = BROKEN_POLL
            return []
        self._pause = timedelta(0) if rows else IDLE_POLL
        return rows

    def _read(self) -> list[JournalRow]:
        rows = self._log.read_after(self._offset.seq, max_rows=MAX_ROWS, max_bytes=MAX_BYTES)
        if self._log.file_id != self._offset.journal:
            self._offset = Offset(self._log.file_id, 0)
            rows = self._log.read_after(0, max_rows=MAX_ROWS, max_bytes=MAX_BYTES)
        if rows:
            self._offset = Offset(self._offset.journal, rows[-1].seq)
        return [JournalRow(self._offset.journal, row.seq, row.payload) for row in rows]

    def next_awake(self) -> datetime | None:
        """See `StatefulSourcePartition`: a late awakening would delay the epoch."""
        return datetime.now(UTC) + self._pause if self._pause else None

    def snapshot(self) -> Offset:
        """See `StatefulSourcePartition`."""
        self._snapshot = self._offset
        return self._offset

    def close(self) -> None:
        """Let go of the files; nothing is committed by this."""
        self._trimmer.close()
        self._log.close()


class JournalSource(FixedPartitionedSource[JournalRow, Offset]):
    """All partitions of a journal; their names never change.

    Args:
        journal: The journal.
        stop: When set, every partition ends and the flow takes a last snapshot.
        status_file: Written at every commit but not more often than needed, for the supervisor's watchdog.
        monotonic_s: Tells the age of commits; a set wall clock must not.
    """

    def __init__(
        self,
        journal: Journal,
        stop: threading.Event,
        status_file: Path,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._journal = journal
        self._stop = stop
        self._status_file = status_file
        self._monotonic_s = monotonic_s
        self._committed_s = monotonic_s()
        self._noted_s = -NOTE_EVERY_S

    def list_parts(self) -> list[str]:
        """See `FixedPartitionedSource`."""
        return [f"part-{number:02d}" for number in range(self._journal.partitions)]

    def build_part(self, step_id: str, for_part: str, resume_state: Offset | None) -> JournalPartition:
        """See `FixedPartitionedSource`."""
        del step_id
        number = int(for_part.removeprefix("part-"))
        log = self._journal.open_partition(number)
        trimmer = Trimmer(self._journal.open_partition(number))
        return JournalPartition(log, trimmer, resume_state, self._stop, self.note_commit)

    def commit_age_s(self) -> float:
        """Time since the last commit, or since the start when there was none."""
        return self._monotonic_s() - self._committed_s

    def note_commit(self) -> None:
        """Take note that everything up to a snapshot is durable."""
        self._committed_s = self._monotonic_s()
        if self._committed_s - self._noted_s < NOTE_EVERY_S:
            return
        self._noted_s = self._committed_s
        part = self._status_file.with_suffix(".part")
        try:
            part.write_text(json.dumps({"at_ms": now_ms()}))
            part.replace(self._status_file)
        except OSError as error:
            _log.warning("commit_status_failed error=%s", error)
