"""Writes to a store from a thread of its own: at once, in order, and however long the store is away.

```
put -> backlog -----------------------------> store
          |  away for a while, or spool not empty   ^
          +--> spool (disk, bounded) ---------------+
```

First in, first out, without exception: what is in the spool is written before
anything newer, so a mark in the store proves all that was written before it.
What left the backlog is either visible in the store or safe in the spool, and
that is all that `flush` waits for.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from cloud_stream.errors import StoreError, StoreUnavailableError
from cloud_stream.ports import Rejected, Store
from cloud_stream.records import Columns, PointColumns, Write
from cloud_stream.sinks.backlog import Backlog, points_in
from cloud_stream.sinks.spool import Spool, Spooled
from wattline.backoff import Backoff
from wattline.errors import LogError, LogFullError

_log: Final = logging.getLogger("cloud_stream.sinks")
_IDLE_S: Final = 1.0
_SPOOL_RETRY_S: Final = 0.2
_SMALL_REST_ROWS: Final = 20
"""A spool as small as this is written before a flush would get tired of waiting."""


@dataclass(frozen=True, slots=True)
class WriterLimits:
    """How much a writer holds and how long it waits.

    Attributes:
        request_points: The most points that go to the store at once.
        backlog_points: `write` waits above it. A large backlog makes snapshots wait.
        spool_after_s: A store that is away for longer than this sends writes to the spool.
        first_retry_s: The first wait after a failure; later ones double.
        longest_retry_s: The longest wait.
    """

    request_points: int = 20_000
    backlog_points: int = 60_000
    spool_after_s: float = 3.0
    first_retry_s: float = 0.1
    longest_retry_s: float = 5.0


@dataclass(slots=True)
class WriterCounters:
    """What a writer has done so far; read from any thread.

    Attributes:
        written_points: Sent and not refused, spooled ones included.
        rejected_rows: Refused by the store for good.
        requests: Calls that succeeded. retries: that did not.
        write_s: Seconds in successful calls.
        spooled_points: Ever put on disk.
        spool_refusals: How often the spool was full or broken.
        spool_unreadable_rows: Rows of the spool that nobody can read any more.
        lost_rejections: Refused rows that `on_rejected` could not take.
    """

    written_points: int = 0
    rejected_rows: int = 0
    requests: int = 0
    retries: int = 0
    write_s: float = 0.0
    spooled_points: int = 0
    spool_refusals: int = 0
    spool_unreadable_rows: int = 0
    lost_rejections: int = 0


class StoreWriter:
    """One store, one thread, one queue.

    Args:
        name: For the thread and the log.
        open_store: Makes the store; called in the writer's thread.
        on_rejected: Gets the rows that the store refuses, in the writer's thread.
        spool: Where writes go while the store is away; None makes `write` wait instead. The writer closes it.
        limits: Sizes and times.

    Attributes:
        counters: What happened so far.
    """

    def __init__(
        self,
        name: str,
        open_store: Callable[[], Store],
        on_rejected: Callable[[Sequence[Rejected]], None],
        spool: Spool | None = None,
        limits: WriterLimits | None = None,
    ) -> None:
        self.counters = WriterCounters()
        self._name = name
        self._open_store = open_store
        self._on_rejected = on_rejected
        self._spool = spool
        self._limits = limits or WriterLimits()
        self._backlog = Backlog(self._limits.backlog_points)
        self._backoff = Backoff(self._limits.first_retry_s, self._limits.longest_retry_s)
        self._store: Store | None = None
        self._prepared = False
        self._away_since_s: float | None = None
        self._retry_at_s = 0.0
        self._spool_retry_at_s = 0.0
        self._give_up_at_s: float | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def backlog_points(self) -> int:
        """How many points are neither in the store nor in the spool."""
        return self._backlog.points

    @property
    def spool_rows(self) -> int:
        """How many writes wait on disk."""
        return self._spool.rows if self._spool is not None else 0

    def spool_bytes(self) -> int:
        """What they take on disk.

        Raises:
            LogBrokenError: The spool cannot be read now.
        """
        return self._spool.held_bytes() if self._spool is not None else 0

    def write(self, writes: Sequence[Write]) -> None:
        """Queue writes, in order; waits while too much is queued.

        Raises:
            RuntimeError: The writer is closed or has died; its cause is attached.
        """
        self._backlog.put(writes)

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was queued is visible in the store or safe in the spool.

        Returns:
            Whether it is; False after `timeout_s`.

        Raises:
            RuntimeError: The writer has died; its cause is attached.
        """
        return self._backlog.flush(timeout_s)

    def close(self, timeout_s: float = 10.0) -> None:
        """Write or spool what is queued, for a while, and end the thread; what is left by then is given up."""
        self._give_up_at_s = time.monotonic() + timeout_s
        self._backlog.close()
        self._thread.join(timeout_s + _IDLE_S)

    def _run(self) -> None:
        try:
            while not self._over():
                if self.spool_rows:
                    self._step_with_spool()
                else:
                    self._step()
        except BaseException as failure:  # noqa: BLE001 - whoever waits for this thread must learn of it
            _log.exception("writer_died writer=%s", self._name)
            self._backlog.fail(failure)
        finally:
            self._let_go()

    def _over(self) -> bool:
        return self._backlog.closing and (self._backlog.points == 0 or self._given_up())

    def _given_up(self) -> bool:
        return self._give_up_at_s is not None and time.monotonic() >= self._give_up_at_s

    def _step(self) -> None:
        """Write the head of the backlog, or put it on disk when the store has been away for long."""
        writes = self._backlog.head(self._limits.request_points)
        if not writes:
            self._backlog.await_work(_IDLE_S)
        elif time.monotonic() < self._retry_at_s:
            if not (self._away_for_long() and self._move_to_spool()):
                self._wait_for_retry()
        elif self._try_to_write(writes):
            self._backlog.settle(len(writes))

    def _step_with_spool(self) -> None:
        """Write the head of the spool; what is newer has to go behind it."""
        nearly_empty = self.spool_rows <= _SMALL_REST_ROWS
        if self._away_since_s is not None or (self._backlog.pressed and not nearly_empty):
            self._move_to_spool()
        if time.monotonic() < self._retry_at_s:
            self._wait_for_retry()
            return
        try:
            self._drain()
        except LogError as error:
            self._note_spool(error)
            self._postpone(0.0)

    def _drain(self) -> None:
        if self._spool is None:
            return
        rows = self._spool.head(self._limits.request_points)
        if rows and self._try_to_write(self._readable(rows)):
            self._spool.forget_through(rows[-1].seq)

    def _readable(self, rows: Sequence[Spooled]) -> list[Write]:
        lost = [Rejected(row.raw, "spool_unreadable") for row in rows if row.write is None]
        if lost:
            self.counters.spool_unreadable_rows += len(lost)
            self._hand_over(lost)
        return [row.write for row in rows if row.write is not None]

    def _move_to_spool(self) -> bool:
        """Put the backlog on disk; False when there is nothing to put or no room."""
        writes = self._backlog.head(self._limits.backlog_points)
        if self._spool is None or not writes or time.monotonic() < self._spool_retry_at_s:
            return False
        try:
            self._spool.append(writes, time.time_ns() // 1_000_000)
        except LogError as error:
            self._note_spool(error)
            self._spool_retry_at_s = time.monotonic() + _SPOOL_RETRY_S
            return False
        self.counters.spooled_points += sum(map(points_in, writes))
        self._backlog.settle(len(writes))
        return True

    def _note_spool(self, error: LogError) -> None:
        self.counters.spool_refusals += 1
        if self.counters.spool_refusals == 1:
            event = "spool_full" if isinstance(error, LogFullError) else "spool_broken"
            _log.error("%s writer=%s problem=%r", event, self._name, str(error))

    def _try_to_write(self, writes: Sequence[Write]) -> bool:
        columns = [write for write in writes if isinstance(write, Columns | PointColumns)]
        points = [point for write in writes if not isinstance(write, Columns | PointColumns) for point in write]
        started_s = time.monotonic()
        try:
            rejected = self._opened().write(columns, points)
        except StoreError as error:
            self._note_failure(error)
            return False
        self.counters.write_s += time.monotonic() - started_s
        self.counters.requests += 1
        self.counters.written_points += sum(map(points_in, writes)) - len(rejected)
        self._note_success()
        if rejected:
            self.counters.rejected_rows += len(rejected)
            self._hand_over(rejected)
        return True

    def _opened(self) -> Store:
        if self._store is None:
            self._store = self._open_store()
        if not self._prepared:
            self._store.prepare()
            self._prepared = True
        return self._store

    def _hand_over(self, rejected: Sequence[Rejected]) -> None:
        try:
            self._on_rejected(rejected)
        except StoreError as error:
            self.counters.lost_rejections += len(rejected)
            _log.error("rejections_lost writer=%s rows=%d problem=%r", self._name, len(rejected), str(error))

    def _note_failure(self, error: StoreError) -> None:
        self.counters.retries += 1
        if self._away_since_s is None:
            self._away_since_s = time.monotonic()
            _log.warning("store_away writer=%s problem=%r", self._name, str(error))
        self._postpone(error.retry_after_s if isinstance(error, StoreUnavailableError) else 0.0)

    def _postpone(self, at_least_s: float) -> None:
        wait_s = max(self._backoff.next_s(), min(at_least_s, self._limits.longest_retry_s * 12))
        self._retry_at_s = time.monotonic() + wait_s

    def _note_success(self) -> None:
        self._backoff.reset()
        self._retry_at_s = 0.0
        if self._away_since_s is not None:
            away_s = time.monotonic() - self._away_since_s
            self._away_since_s = None
            _log.warning("store_back writer=%s away_s=%.1f spool_rows=%d", self._name, away_s, self.spool_rows)

    def _away_for_long(self) -> bool:
        away_s = time.monotonic() - self._away_since_s if self._away_since_s is not None else 0.0
        return self._spool is not None and (away_s >= self._limits.spool_after_s or self._backlog.closing)

    def _wait_for_retry(self) -> None:
        """Wait for the next attempt; a new write ends the wait, so that it can go to the spool."""
        wait_s = self._retry_at_s - time.monotonic()
        if wait_s > 0:
            self._backlog.await_arrival(self._backlog.arrivals, min(wait_s, _IDLE_S))

    def _let_go(self) -> None:
        if self._store is not None:
            self._store.close()
        if self._spool is not None:
            self._spool.close()
