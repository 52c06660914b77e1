"""One outbox on its way to one topic: what is sent next, what was acknowledged, and what to give up on."""

import logging
from typing import Final, Protocol

import msgspec

from edge_agent.ports import BatchRow, Outbox
from edge_agent.publisher_state import AckedRanges, Flight, Limits, Window
from wattline import topics
from wattline.wire import VERSION

_log: Final = logging.getLogger("edge_agent.publisher")

_FIELDS: Final = {topics.Up.EVENTS: "events", topics.Up.READINGS: "frames"}


class NumberedOutbox(Outbox, Protocol):
    """An outbox that says when its row numbers started again."""

    @property
    def file_id(self) -> str:
        """Changes when a corrupt file was replaced by a new one."""

    @property
    def log_id(self) -> str:
        """The id that rows are written under since this start."""


class Lane:
    """One outbox on its way to one topic."""

    def __init__(self, gateway: str, site: str, channel: topics.Up, outbox: NumberedOutbox, limits: Limits) -> None:
        self.outbox = outbox
        self.topic = topics.up(gateway, channel)
        self.window = Window(limits)
        self.acked = AckedRanges()
        self._field = _FIELDS[channel]
        self._identity = f'{{"v":{VERSION},"gateway":"{gateway}","site":'.encode() + msgspec.json.encode(site)
        self._oldest: dict[str, int] = {}
        self._poison: list[BatchRow] = []
        self._file_id = outbox.file_id

    def load(self, now_ms: int) -> None:
        """Fill the window from the outbox."""
        if self.outbox.file_id != self._file_id:
            self._file_id = self.outbox.file_id
            self.window.start_over()
        room = self.window.room()
        rows = self.outbox.pending(self.window.read_through, room) if room else ()
        self.window.load(rows, now_ms)

    def forget(self) -> None:
        """Take acknowledged and poisoned batches out of the outbox; what fails is tried again at the next call."""
        for log, ranges in self.acked.take().items():
            if not self.outbox.acked(log, ranges):
                self.acked.add(log, ranges)
            self._oldest.pop(log, None)
        self._poison = [row for row in (*self._poison, *self.window.take_poison()) if not self._put_aside(row)]

    def _put_aside(self, row: BatchRow) -> bool:
        done = self.outbox.set_aside(row)
        if done:
            _log.error("batch_set_aside topic=%s log=%s seq=%d", self.topic, row.writer, row.seq)
        return done

    def payload(self, flight: Flight) -> bytes:
        """The whole message: who we are, which batch this is, and the text that the outbox kept."""
        row = flight.row
        oldest = self._oldest.get(row.writer)
        if oldest is None:
            oldest = self._oldest[row.writer] = self.outbox.oldest(row.writer)
        head = f',"log":"{row.writer}","seq":{row.seq},"oldest":{min(oldest, row.seq)},"{self._field}":'
        return b"".join((self._identity, head.encode(), row.payload, b"}"))
