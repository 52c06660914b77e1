"""Which orders are to be sent now, and when one is done with: pure, the time is a parameter.

Of the orders for one load only the newest is ever sent: an older one that could not be delivered must not come after
it. An order is sent until the broker acknowledges it, or it expires.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from cloud_stream.dispatch.orders import command_payload, read_order
from cloud_stream.keyed_queue import QueueRow
from cloud_stream.records import Order
from wattline.backoff import Backoff
from wattline.errors import DecodeError

FIRST_RETRY_S: Final = 1.0
LONGEST_RETRY_S: Final = 30.0
WINDOW: Final = 100
"""Orders on their way at once."""


class Due(NamedTuple):
    """An order to be sent now."""

    seq: int
    order: Order
    payload: bytes


@dataclass(slots=True)
class _Waiting:
    order: Order
    payload: bytes
    next_ms: int = 0
    in_flight: bool = False
    backoff: Backoff = field(default_factory=lambda: Backoff(FIRST_RETRY_S, LONGEST_RETRY_S))


class Outgoing:
    """The orders that wait.

    Attributes:
        ended: By their numbers those that are done with, and how; the queue shall let them go, see `forget`.
    """

    def __init__(self) -> None:
        self.ended: dict[int, str] = {}
        self._waiting: dict[int, _Waiting] = {}

    def load(self, rows: Iterable[QueueRow]) -> None:
        """Take what the queue holds, oldest first; what is known already stays as it is."""
        for row in rows:
            if row.seq in self._waiting or row.seq in self.ended:
                continue
            try:
                order = read_order(row.payload)
                waiting = _Waiting(order, command_payload(order))
            except DecodeError as error:
                self.ended[row.seq] = f"unsendable_{error.reason}"
                continue
            self._supersede(order)
            self._waiting[row.seq] = waiting

    def due(self, now_ms: int) -> list[Due]:
        """What is to be sent now, oldest first; what has expired is ended.

        Args:
            now_ms: The wall clock, ms UTC.
        """
        self.expire(now_ms)
        free = WINDOW - sum(waiting.in_flight for waiting in self._waiting.values())
        due = [
            Due(seq, waiting.order, waiting.payload)
            for seq, waiting in self._waiting.items()
            if not waiting.in_flight and now_ms >= waiting.next_ms
        ]
        return due[: max(0, free)]

    def expire(self, now_ms: int) -> None:
        """End what is too late to be carried out; also while there is no broker."""
        for seq, waiting in list(self._waiting.items()):
            if now_ms >= waiting.order.expires_ms:
                self._end(seq, "expired")

    def sent(self, seq: int) -> None:
        """It is on its way."""
        if seq in self._waiting:
            self._waiting[seq].in_flight = True

    def acknowledged(self, seq: int) -> None:
        """The broker has it."""
        self._end(seq, "sent")

    def refused(self, seq: int, now_ms: int) -> None:
        """The broker has not taken it, or knows nobody who listens: try again in a while."""
        waiting = self._waiting.get(seq)
        if waiting is not None:
            waiting.in_flight = False
            waiting.next_ms = now_ms + round(waiting.backoff.next_s() * 1000)

    def connection_lost(self) -> None:
        """What was on its way is sent again; gateways carry out each order once."""
        for waiting in self._waiting.values():
            waiting.in_flight = False

    def forget(self, seqs: Iterable[int]) -> None:
        """The queue has let them go."""
        for seq in seqs:
            self.ended.pop(seq, None)

    def _supersede(self, newer: Order) -> None:
        for seq, waiting in list(self._waiting.items()):
            order = waiting.order
            if (order.gateway, order.load) == (newer.gateway, newer.load):
                self._end(seq, "superseded")

    def _end(self, seq: int, how: str) -> None:
        if self._waiting.pop(seq, None) is not None:
            self.ended[seq] = how
