"""What the jobs process does for the archive: the spool's readings into files, and closed days into one file each."""

import fcntl
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from cloud_stream.archive.batches import decode
from cloud_stream.archive.errors import ArchiveError
from cloud_stream.archive.local_target import LocalTarget
from cloud_stream.archive.rows import rows_of
from cloud_stream.archive.spool import PARTITIONS, open_spool
from cloud_stream.archive.target import ArchiveTarget
from cloud_stream.archive.writer import ArchiveWriter
from cloud_stream.config_sections import ArchiveConfig
from cloud_stream.records import Columns
from wattline.backoff import Backoff
from wattline.durable_log import DurableLog, Row
from wattline.errors import LogError

_log: Final = logging.getLogger("cloud_stream.archive")
ROUND_BYTES: Final = 8 << 20
"""Of the spool, taken at once: about half a million readings."""
ROUND_ROWS: Final = 100_000
MAX_ROUNDS: Final = 8
"""Of one spool in one call, so that other jobs get their turn."""
DUE_BYTES: Final = 64 << 20
"""A spool that holds so much is written before `flush_interval` is over."""
FLUSH_PERIOD_S: Final = 5.0
COMPACTION_PERIOD_S: Final = 900.0
FIRST_RETRY_S: Final = 5.0
LONGEST_RETRY_S: Final = 300.0


class ArchiveJob(NamedTuple):
    """One thing to do now and then.

    Attributes:
        every_s: How often. run: does it; takes the wall clock in ms UTC, and raises nothing.
    """

    name: str
    every_s: float
    run: Callable[[int], None]


class Archive:
    """The spools and the archive; for one thread. Only one process of a spool folder writes at a time.

    Args:
        target: Where files go.
        spool_dir: Holds the spools.
        spool_max_bytes: Of all spools together.
        flush_interval_ms: Rows wait at most so long for their file.

    Attributes:
        writer: For its counts.
        failures: Calls in a row that the target did not let finish.
    """

    def __init__(self, target: ArchiveTarget, spool_dir: Path, spool_max_bytes: int, flush_interval_ms: int) -> None:
        self.writer = ArchiveWriter(target)
        self._where = target.where
        self._spool_dir = spool_dir
        self._spool_max_bytes = spool_max_bytes
        self._flush_interval_ms = flush_interval_ms
        self._backoff = Backoff(FIRST_RETRY_S, LONGEST_RETRY_S)
        self._not_before_ms = 0

    @property
    def failures(self) -> int:
        """See the class."""
        return self._backoff.attempts

    def flush(self, now_ms: int) -> None:
        """Write what is due; a place that does not answer is logged once and tried again later.

        Args:
            now_ms: The wall clock, ms UTC.
        """
        self._guarded(now_ms, lambda: self.flush_due(now_ms))

    def compact(self, now_ms: int) -> None:
        """Make one file of each closed day; errors as for `flush`."""
        self._guarded(now_ms, lambda: self.writer.compact(now_ms))

    def flush_due(self, now_ms: int, *, everything: bool = False) -> None:
        """Write what is due, or everything there is.

        Raises:
            ArchiveError, LogError: Some is left in the spool; nothing is lost.
        """
        with ExitStack() as stack:
            spools = [self._opened(name, stack) for name in PARTITIONS if (self._spool_dir / f"{name}.db").is_file()]
            for spool in spools:
                if everything or self._is_due(spool, now_ms):
                    self._empty(spool, now_ms, everything=everything)

    def _guarded(self, now_ms: int, work: Callable[[], None]) -> None:
        # A clock that was set back must not stop the archive for as long.
        if self._not_before_ms - LONGEST_RETRY_S * 1000 <= now_ms < self._not_before_ms:
            return
        try:
            with _alone(self._spool_dir):
                work()
        except (ArchiveError, LogError) as error:
            if not self._backoff.attempts:
                _log.error("archive_waits where=%s problem=%r", self._where, str(error))
            self._not_before_ms = now_ms + int(self._backoff.next_s() * 1000)
            return
        if self._backoff.attempts:
            _log.info("archive_writable where=%s", self._where)
            self._backoff.reset()

    def _opened(self, partition: str, stack: ExitStack) -> DurableLog:
        spool = open_spool(self._spool_dir, partition, self._spool_max_bytes)
        stack.callback(spool.close)
        return spool

    def _is_due(self, spool: DurableLog, now_ms: int) -> bool:
        oldest_ms = spool.oldest_at_ms()
        waited = bool(oldest_ms) and not now_ms - self._flush_interval_ms < oldest_ms <= now_ms
        return waited or spool.held_bytes() >= min(DUE_BYTES, self._spool_max_bytes // len(PARTITIONS) // 2)

    def _empty(self, spool: DurableLog, now_ms: int, *, everything: bool) -> None:
        last = spool.last_seq()
        rounds = 0
        while everything or rounds < MAX_ROUNDS:
            rows = spool.read_after(0, max_rows=ROUND_ROWS, max_bytes=ROUND_BYTES)
            if not rows or rows[0].seq > last:
                return
            self.writer.add(rows_of(_readable(rows)), now_ms)
            spool.truncate_through(rows[-1].seq)
            rounds += 1


def _readable(rows: Sequence[Row]) -> Iterator[Columns]:
    for row in rows:
        columns = decode(row.payload)
        if columns is None:
            _log.error("archive_row_unreadable seq=%d bytes=%d", row.seq, len(row.payload))
        else:
            yield columns


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep every other writer of the same spools out."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "writer.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
    except BlockingIOError:
        raise ArchiveError(f"{folder}: another process writes the archive from here") from None
    except OSError as error:
        raise ArchiveError(f"{folder}: {error.strerror or error}") from error


def open_target(config: ArchiveConfig) -> ArchiveTarget:
    """Where the configuration wants the archive.

    Raises:
        ConfigError: The url or the credentials cannot be used.
    """
    if not config.url:
        return LocalTarget(config.dir)
    from cloud_stream.archive.s3_target import open_bucket

    return open_bucket(config)


def open_archive(config: ArchiveConfig) -> Archive:
    """The archive of a configuration; nothing is connected to yet.

    Raises:
        ConfigError: As `open_target`.
    """
    return Archive(open_target(config), config.spool_dir, config.spool_max_bytes, config.flush_interval)


def archive_jobs(config: ArchiveConfig) -> list[ArchiveJob]:
    """What the jobs process does for the archive.

    Raises:
        ConfigError: As `open_target`.
    """
    archive = open_archive(config)
    period_s = min(FLUSH_PERIOD_S, config.flush_interval / 1000)
    return [
        ArchiveJob("archive-flush", period_s, archive.flush),
        ArchiveJob("archive-compaction", COMPACTION_PERIOD_S, archive.compact),
    ]
