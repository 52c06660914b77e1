"""What to send next, and what to make of silence: the publisher's decisions, without network, disk or clock.

A `Window` holds the batches of one outbox that were sent and not acknowledged.
It resends after a time-out that doubles, and at once after a reconnect.

Two kinds of batch would hold up the others for ever, and do not:

* One that the cloud never acknowledges: each attempt during which a later
  batch was acknowledged is a strike, and `Limits.strikes` of them set it aside.
* One that breaks the connection: batches in flight when two connections broke
  without any acknowledgement are suspects. Suspects go out one at first, then
  two, four, .. as acknowledgements come in, those tried least first, those
  with a strike alone; so the others get through, and the guilty one is found.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from edge_agent.ports import BatchRow

SUSPECT_AFTER: Final = 2
PROBE_MS: Final = 2_000
"""How long a suspect has to break the connection, or anything to be acknowledged before a suspect goes out."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of a window.

    Attributes:
        rows: Batches in flight.
        bytes: Their payloads together; one batch always fits.
        strikes: Attempts overtaken by later batches before a set-aside.
    """

    rows: int = 256
    bytes: int = 4 << 20
    resend_after_ms: int = 10_000
    longest_resend_ms: int = 300_000
    strikes: int = 8


@dataclass(slots=True)
class Flight:
    """One batch in the window."""

    row: BatchRow
    due_ms: int
    attempts: int = 0
    order: int = 0
    sent_ms: int = 0
    strikes: int = 0
    broken: int = 0
    overtaken: bool = False
    on_wire: bool = False


class Window:
    """The batches of one outbox between disk and acknowledgement.

    Times are milliseconds of any clock that never goes back.

    Attributes:
        read_through: The highest number loaded; the next load starts there.
        resends: Attempts after the first, of all batches.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._flights: dict[tuple[str, int], Flight] = {}
        self._bytes = 0
        self._sends = 0
        self._acks_on_connection = 0
        self.read_through = 0
        self.resends = 0

    def __len__(self) -> int:
        return len(self._flights)

    def room(self) -> int:
        """How many more batches fit."""
        if self._bytes >= self._limits.bytes:
            return 0
        return max(0, self._limits.rows - len(self._flights))

    def load(self, rows: Iterable[BatchRow], now_ms: int) -> None:
        """Take the batches that follow in the outbox; they are due at once."""
        for row in rows:
            key = (row.writer, row.seq)
            self.read_through = row.seq
            if key not in self._flights:
                self._flights[key] = Flight(row, now_ms)
                self._bytes += len(row.payload)

    def start_over(self) -> None:
        """Read the outbox from its start: its file was replaced."""
        self.read_through = 0

    def due(self, now_ms: int) -> list[Flight]:
        """The batches to send now, in order."""
        due = [flight for flight in self._flights.values() if flight.due_ms <= now_ms]
        clean = [flight for flight in due if flight.broken < SUSPECT_AFTER]
        if clean or len(clean) == len(due):
            return clean
        return self._probes(due, now_ms)

    def sent(self, flight: Flight, now_ms: int) -> None:
        """Note an attempt."""
        if flight.attempts:
            self.resends += 1
        if flight.overtaken:
            flight.strikes += 1
        self._sends += 1
        flight.order, flight.sent_ms = self._sends, now_ms
        flight.overtaken, flight.on_wire = False, True
        wait_ms = self._limits.resend_after_ms << min(flight.attempts, 16)
        flight.due_ms = now_ms + min(wait_ms, self._limits.longest_resend_ms)
        flight.attempts += 1

    def acked(self, log: str, ranges: Sequence[tuple[int, int]]) -> int:
        """Take acknowledged batches out; unknown ones are no error.

        Returns:
            How many were in the window.
        """
        gone = [key for key in self._flights if key[0] == log and any(a <= key[1] <= b for a, b in ranges)]
        latest = max((self._remove(key).order for key in gone), default=0)
        self._acks_on_connection += len(gone)
        for flight in self._flights.values():
            if flight.attempts and flight.order < latest:
                flight.overtaken = True
        return len(gone)

    def take_poison(self) -> list[BatchRow]:
        """Take out the batches that had their chances."""
        limit = self._limits.strikes
        poison = [key for key, flight in self._flights.items() if flight.strikes >= limit]
        return [self._remove(key).row for key in poison]

    def connection_lost(self, now_ms: int) -> None:
        """Everything not acknowledged is due again, on the next connection."""
        for flight in self._flights.values():
            if flight.on_wire and not self._acks_on_connection:
                flight.broken += 1
            if flight.attempts:
                flight.due_ms = now_ms
            flight.on_wire = False
        self._acks_on_connection = 0

    def next_due_ms(self, default_ms: int) -> int:
        """When `due` has something next, or may have; at most `default_ms`."""
        return min((flight.due_ms for flight in self._flights.values()), default=default_ms)

    def _probes(self, suspects: list[Flight], now_ms: int) -> list[Flight]:
        recent = sum(flight.on_wire and now_ms - flight.sent_ms < PROBE_MS for flight in self._flights.values())
        chosen = sorted(suspects, key=lambda flight: (flight.strikes, flight.attempts, flight.row.seq))
        if chosen[0].strikes:  # alone, so that the innocent neighbours of a guilty one collect no more strikes
            return chosen[: 0 if recent else 1]
        allowed = (1 << min(self._acks_on_connection, 16)) - recent
        return [flight for flight in chosen if not flight.strikes][: max(0, allowed)]

    def _remove(self, key: tuple[str, int]) -> Flight:
        flight = self._flights.pop(key)
        self._bytes -= len(flight.row.payload)
        return flight


class Silence:
    """Notices that what is sent is not acknowledged, for as long as a connection lasts.

    Args:
        after_ms: How long is too long.
    """

    def __init__(self, after_ms: int) -> None:
        self._after_ms = after_ms
        self._since_ms: int | None = None
        self._told = False

    def sent(self, now_ms: int) -> None:
        """Note an attempt."""
        if self._since_ms is None:
            self._since_ms = now_ms

    def acked(self) -> None:
        """Note an acknowledgement: the next silence is news again."""
        self._since_ms, self._told = None, False

    def disconnected(self) -> None:
        """Note the end of a connection: nobody could answer."""
        self._since_ms = None

    def is_news(self, now_ms: int) -> bool:
        """Whether it is too long now, and was not said before."""
        if self._told or self._since_ms is None or now_ms - self._since_ms < self._after_ms:
            return False
        self._told = True
        return True


class AckedRanges:
    """Collects acknowledged numbers, so that the disk is written once for many.

    Flash memory wears by the write: a crash before `take` only means that some
    batches are sent again, and recognised.
    """

    def __init__(self) -> None:
        self._ranges: dict[str, list[tuple[int, int]]] = {}

    def __bool__(self) -> bool:
        return bool(self._ranges)

    def add(self, log: str, ranges: Sequence[tuple[int, int]]) -> None:
        """Note closed ranges."""
        self._ranges.setdefault(log, []).extend(ranges)

    def take(self) -> dict[str, list[tuple[int, int]]]:
        """Everything noted, merged, by log; then start empty."""
        taken = {log: merged(ranges) for log, ranges in self._ranges.items()}
        self._ranges = {}
        return taken


def merged(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Closed ranges in order, touching ones joined, empty ones left out."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        elif first <= last:
            joined.append((first, last))
    return joined
