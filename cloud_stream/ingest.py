"""From messages to journal rows to acknowledgements, in that order and never another.

`group_by_partition` decides, `Ingest` does: it commits a group to the journal, then acknowledges it to the broker and
to the gateways. While a partition or the registry fails, nothing of it is acknowledged and the same is tried again.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from cloud_stream.acks import AckLedger
from cloud_stream.admission import BatchId, Verdict, admit
from cloud_stream.errors import RegistryError
from cloud_stream.inbox import Inbox, Incoming
from cloud_stream.journal import partition_of, rows_of
from cloud_stream.metrics import IngestCounters
from cloud_stream.records import Envelope
from cloud_stream.registry import Registry
from wattline.backoff import Backoff
from wattline.durable_log import DurableLog
from wattline.errors import LogError, LogFullError
from wattline.wire import Ack

_log: Final = logging.getLogger("cloud_stream.ingest")
IDLE_S: Final = 0.25
FIRST_RETRY_S: Final = 0.05
LONGEST_RETRY_S: Final = 2.0
REGISTRY_REFRESH_MS: Final = 1000

Delivery = tuple[int, int]
"""(generation of the connection, message id): what the broker's acknowledgement names."""


class Replies(Protocol):
    """The way back, safe to call from any thread; what cannot be sent now is dropped, for everybody resends."""

    def puback(self, deliveries: Sequence[Delivery]) -> None:
        """Acknowledge messages to the broker; those of an older connection are dropped."""

    def tell(self, acks: Sequence[tuple[str, Ack]]) -> None:
        """Send end-to-end acknowledgements to gateways."""


@dataclass(slots=True)
class Group:
    """Messages for one partition, and whom to thank for them.

    Attributes:
        rejected: How many of them are dead letters, by reason.
    """

    partition: int
    envelopes: list[Envelope] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    batches: list[BatchId] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)


def group_by_partition(
    messages: Iterable[Incoming], partitions: int, received_ms: int, verdict: Verdict
) -> dict[int, Group]:
    """Admit messages and sort them by partition, keeping their order.

    Raises:
        RegistryError: `verdict` cannot be had now.
    """
    groups: dict[int, Group] = {}
    for message in messages:
        gateway, envelope, batch = admit(message.topic, message.payload, received_ms, verdict)
        number = partition_of(gateway, partitions)
        group = groups.get(number)
        if group is None:
            group = groups[number] = Group(number)
        group.envelopes.append(envelope)
        if envelope.reject:
            group.rejected[envelope.reject] += 1
        if message.mid:
            group.deliveries.append((message.generation, message.mid))
        if batch is not None:
            group.batches.append(batch)
    return groups


class Ingest:
    """The writer: takes groups from the inbox until told to stop.

    Args:
        inbox: Where the network thread puts messages.
        partitions: The journal, open for appending.
        registry: Used by this thread alone.
        replies: The way back.
        counters: What happened.
        linger_s: How long a group is collected.
    """

    def __init__(  # noqa: PLR0913 (the one place where ingest's parts meet)
        self,
        *,
        inbox: Inbox,
        partitions: Sequence[DurableLog],
        registry: Registry,
        replies: Replies,
        counters: IngestCounters,
        linger_s: float,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        monotonic_ms: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000,
    ) -> None:
        self._inbox = inbox
        self._partitions = partitions
        self._registry = registry
        self._replies = replies
        self._counters = counters
        self._linger_s = linger_s
        self._now_ms = now_ms
        self._monotonic_ms = monotonic_ms
        self._ledger = AckLedger()
        self._refresh_at_ms = 0
        self._failing: set[str] = set()

    def run(self, stopping: threading.Event) -> None:
        """Commit groups until `stopping` is set, then what is left in the inbox, and say the last acknowledgements."""
        while not stopping.is_set():
            self._commit(self._inbox.take(timeout_s=self._patience_s(), linger_s=self._linger_s), stopping)
            self._tell(self._ledger.due(self._monotonic_ms()))
        while len(self._inbox):
            self._commit(self._inbox.take(timeout_s=0, linger_s=0), stopping)
        self._tell(self._ledger.rest(self._monotonic_ms()))

    def _patience_s(self) -> float:
        """How long to wait for messages: until an acknowledgement is due, at most `IDLE_S`."""
        due_ms = self._ledger.next_due_ms()
        return IDLE_S if due_ms is None else min(IDLE_S, max(0, due_ms - self._monotonic_ms()) / 1000)

    def _commit(self, messages: Sequence[Incoming], stopping: threading.Event) -> None:
        """Bring messages into the journal, however often it takes; give up only when stopping."""
        if not messages:
            return
        backoff = Backoff(FIRST_RETRY_S, LONGEST_RETRY_S)
        groups = self._admit(messages)
        while groups is None and not stopping.wait(backoff.next_s()):
            groups = self._admit(messages)
        left = self._append_all(groups or [])
        while left and not stopping.wait(backoff.next_s()):
            left = self._append_all(left)
            self._tell(self._ledger.due(self._monotonic_ms()))
        if groups is None or left:
            _log.warning("ingest_gave_back messages_at_most=%d", len(messages))

    def _admit(self, messages: Sequence[Incoming]) -> list[Group] | None:
        """The messages by partition; None when the registry cannot say now."""
        at_ms = self._monotonic_ms()
        try:
            if at_ms >= self._refresh_at_ms:
                self._registry.refresh()
                self._refresh_at_ms = at_ms + REGISTRY_REFRESH_MS
            groups = group_by_partition(messages, len(self._partitions), self._now_ms(), self._verdict)
        except RegistryError as error:
            self._note_failure("registry", error)
            return None
        self._note_success("registry")
        return list(groups.values())

    def _verdict(self, gateway: str, site: str) -> str:
        return self._registry.verdict(gateway, site, self._now_ms)

    def _append_all(self, groups: Iterable[Group]) -> list[Group]:
        """Commit and acknowledge each group; return those that could not be committed."""
        return [group for group in groups if not self._append(group)]

    def _append(self, group: Group) -> bool:
        rows = list(rows_of(group.envelopes))
        try:
            with self._counters.commit_seconds.time():
                self._partitions[group.partition].append_many(rows, self._now_ms())
        except LogError as error:
            self._note_failure("full" if isinstance(error, LogFullError) else "broken", error)
            return False
        self._note_success("full", "broken")
        self._replies.puback(group.deliveries)
        self._ledger.add(group.batches)
        self._count(group)
        return True

    def _count(self, group: Group) -> None:
        self._counters.commits.inc()
        self._counters.messages.inc(len(group.envelopes))
        self._counters.payload_bytes.inc(sum(len(envelope.payload) for envelope in group.envelopes))
        for reason, n in group.rejected.items():
            self._counters.rejected.labels(reason).inc(n)

    def _tell(self, acks: Sequence[tuple[str, Ack]]) -> None:
        if acks:
            self._replies.tell(acks)
            self._counters.acks.inc(len(acks))

    def _note_failure(self, kind: str, error: Exception) -> None:
        """Count every failure, log the first of a row."""
        self._counters.commit_failures.labels(kind).inc()
        if kind not in self._failing:
            self._failing.add(kind)
            _log.error("ingest_waits kind=%s error=%s", kind, error)

    def _note_success(self, *kinds: str) -> None:
        for kind in self._failing.intersection(kinds):
            self._failing.discard(kind)
            _log.info("ingest_goes_on kind=%s", kind)
