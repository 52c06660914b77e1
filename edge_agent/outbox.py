"""The outbox: batches on disk until the cloud has them, and in memory while the disk is full."""

import logging
import shutil
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from edge_agent.ports import BatchRow, Outbox
from wattline.durable_log import DurableLog, Row, WhenFull
from wattline.errors import LogError

_log: Final = logging.getLogger("edge_agent.outbox")

MAX_READ_BYTES: Final = 4 << 20
MAX_WRITE_BYTES: Final = 256 << 10
MEMORY_BYTES: Final = 8 << 20
"""What the full disk leaves in memory: hours of one house, minutes of a large one."""

ASIDE_BYTES: Final = 16 << 20
_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS


class LogOutbox:
    """An `Outbox` on a `DurableLog`, bounded by bytes and age, which drops the oldest.

    Batches that nobody ever acknowledges go to a small log of their own beside
    it, where a person can look at them.
    """

    def __init__(self, path: Path, *, max_bytes: int, max_age_ms: int) -> None:
        """Open or create the outbox; a corrupt file is set aside and counted.

        Raises:
            LogBrokenError: The file can neither be opened nor made.
        """
        self._log = DurableLog(path, max_bytes=max_bytes, when_full=WhenFull.DROP_OLDEST, max_age_ms=max_age_ms)
        self._aside_path = path.with_name(f"{path.stem}-aside{path.suffix}")
        self._max_bytes = max_bytes
        self._max_age_ms = max_age_ms
        self._growth = Growth()
        self._failures: Counter[str] = Counter()
        self._set_aside = 0
        self._last_put_ms = 0

    @property
    def log_id(self) -> str:
        """The id that rows are written under since this start."""
        return self._log.writer_id

    @property
    def file_id(self) -> str:
        """Changes when a corrupt file was replaced, and row numbers start again."""
        return self._log.file_id

    def put(self, payloads: Sequence[bytes], now_ms: int) -> int:
        """Keep batches durably; see `Outbox.put`."""
        kept = 0
        for group in _groups(payloads):
            try:
                self._log.append_many(group, now_ms)
            except LogError as error:
                self._failed("write", error)
                break
            kept += len(group)
            self._growth.add(sum(map(len, group)), now_ms)
            self._last_put_ms = now_ms
        return kept

    def pending(self, after_seq: int, limit: int) -> Sequence[Row]:
        """Kept batches with higher numbers, oldest first."""
        try:
            return self._log.read_after(after_seq, max_rows=limit, max_bytes=MAX_READ_BYTES)
        except LogError as error:
            self._failed("read", error)
            return ()

    def acked(self, log: str, ranges: Sequence[tuple[int, int]]) -> bool:
        """Forget batches; see `Outbox.acked`."""
        try:
            self._log.forget(log, ranges)
        except LogError as error:
            self._failed("forget", error)
            return False
        return True

    def set_aside(self, row: BatchRow) -> bool:
        """Move a batch to the log of the set-aside ones, counted; the oldest there go."""
        head = f'{{"log":"{row.writer}","seq":{row.seq},"rows":'.encode()
        try:
            with closing(DurableLog(self._aside_path, max_bytes=ASIDE_BYTES, when_full=WhenFull.DROP_OLDEST)) as aside:
                aside.append_many([head + row.payload + b"}"], self._last_put_ms)
            self._log.forget(row.writer, [(row.seq, row.seq)])
        except LogError as error:
            self._failed("set_aside", error)
            return False
        self._set_aside += 1
        return True

    def clock_set(self, by_ms: int) -> None:
        """Book everything kept so much later; a full disk loses this at the next start only."""
        self._growth.clock_set(by_ms)
        if self._last_put_ms:
            self._last_put_ms += by_ms
        try:
            self._log.shift_times(by_ms)
        except LogError as error:
            self._failed("clock_set", error)

    def oldest(self, log: str) -> int:
        """The lowest number of `log` still held; 0, which claims nothing, when the disk fails."""
        try:
            return self._log.oldest(log)
        except LogError as error:
            self._failed("read", error)
            return 0

    def counts(self) -> Mapping[str, float]:
        """Depth, age, drops and failures; `hours_left` at the rate of the last day."""
        figures: dict[str, float] = {f"failed_{name}": n for name, n in dict(self._failures).items()}
        figures |= {f"dropped_{reason}": n for reason, n in dict(self._log.dropped).items()}
        figures["set_aside"] = self._set_aside
        try:
            held, oldest_ms = self._log.held_bytes(), self._log.oldest_at_ms()
            figures |= {"rows": len(self._log), "bytes": held}
        except LogError as error:
            self._failed("read", error)
            return figures
        age_ms = max(0, self._last_put_ms - oldest_ms) if oldest_ms else 0
        figures |= {"age_s": age_ms / 1000, "hours_left": round(self._hours_left(held, age_ms), 1)}
        return figures

    def close(self) -> None:
        """Close the file."""
        self._log.close()

    def _hours_left(self, held: int, age_ms: int) -> float:
        by_age = max(0.0, (self._max_age_ms - age_ms) / _HOUR_MS)
        per_hour = self._growth.bytes_per_hour()
        if per_hour == 0:
            return by_age
        free = min(self._max_bytes - held, _disk_free(self._log.path.parent))
        return min(by_age, max(0, free) / per_hour)

    def _failed(self, what: str, error: LogError) -> None:
        self._failures[what] += 1
        count = self._failures[what]
        if count & (count - 1) == 0:  # the 1st, 2nd, 4th, 8th, ..: a full disk must not fill the journal of the system
            _log.error("outbox_failed what=%s count=%d error=%s", what, count, error)


class Growth:
    """Bytes per hour, of the last day or so."""

    def __init__(self) -> None:
        self._since_ms = 0
        self._last_ms = 0
        self._bytes = 0.0

    def add(self, n_bytes: int, now_ms: int) -> None:
        """Note bytes that were kept."""
        if not self._since_ms or now_ms < self._last_ms:
            self._since_ms, self._bytes = now_ms, 0.0
        elif now_ms - self._since_ms > 2 * _DAY_MS:
            self._since_ms, self._bytes = now_ms - _DAY_MS, self._bytes / 2
        self._last_ms = now_ms
        self._bytes += n_bytes

    def clock_set(self, by_ms: int) -> None:
        """Measure from a moment that moved with the clock."""
        if self._since_ms:
            self._since_ms += by_ms
            self._last_ms += by_ms

    def bytes_per_hour(self) -> float:
        """The rate; 0 while unknown."""
        span_ms = self._last_ms - self._since_ms
        return self._bytes * _HOUR_MS / span_ms if span_ms > 0 else 0.0


class OverflowingWriter:
    """Writes to an outbox and holds back in memory, bounded, what the disk does not take.

    Attributes:
        dropped: Batches given up since the memory's bound was reached.
    """

    def __init__(self, outbox: Outbox, max_bytes: int = MEMORY_BYTES) -> None:
        self._outbox = outbox
        self._max_bytes = max_bytes
        self._held: deque[bytes] = deque()
        self._held_bytes = 0
        self.dropped = 0

    @property
    def held(self) -> int:
        """How many batches are in memory only."""
        return len(self._held)

    def write(self, payloads: Sequence[bytes], now_ms: int) -> bool:
        """Keep batches, those held back before first.

        Returns:
            Whether everything ever given is on disk now or was dropped.
        """
        waiting = [*self._held, *payloads]
        kept = self._outbox.put(waiting, now_ms) if waiting else 0
        self._hold(waiting[kept:])
        return not self._held

    def clock_set(self, by_ms: int) -> None:
        """Pass on that the wall clock was set."""
        self._outbox.clock_set(by_ms)

    def _hold(self, payloads: Sequence[bytes]) -> None:
        self._held = deque(payloads)
        self._held_bytes = sum(map(len, payloads))
        while self._held_bytes > self._max_bytes:
            self._held_bytes -= len(self._held.popleft())
            self.dropped += 1


def _groups(payloads: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Cut batches into transactions: what a full disk held back is more than fits at once when there is room again."""
    group: list[bytes] = []
    size = 0
    for payload in payloads:
        if group and size + len(payload) > MAX_WRITE_BYTES:
            yield group
            group, size = [], 0
        group.append(payload)
        size += len(payload)
    if group:
        yield group


def _disk_free(folder: Path) -> int:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0
