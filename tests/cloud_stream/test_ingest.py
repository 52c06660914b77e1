"""The writer: journal first, acknowledgement after, the same again when it fails."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from cloud_stream.inbox import Inbox, Incoming
from cloud_stream.ingest import REGISTRY_REFRESH_MS, Delivery, Ingest, group_by_partition
from cloud_stream.journal import decode_row, partition_of
from cloud_stream.metrics import IngestCounters
from cloud_stream.registry import Registry
from tests.cloud_stream.ingest_rig import batch_payload
from tests.cloud_stream.waiting import wait_until
from wattline.durable_log import DurableLog, WhenFull
from wattline.topics import Up, up
from wattline.wire import Ack

PARTITIONS = 2
HERE, THERE = "gw-1", "gw-0001"


def _incoming(gateway: str, seq: int, *, padding: int = 0, generation: int = 1) -> Incoming:
    payload = batch_payload(gateway, seq, site=f"site-of-{gateway}")[:-1] + b" " * padding + b"}"
    return Incoming(generation, seq, up(gateway, Up.READINGS), payload)


def _anybody(_: str, __: str) -> str:
    return ""


def test_the_gateways_of_these_tests_have_different_partitions() -> None:
    assert {partition_of(HERE, PARTITIONS), partition_of(THERE, PARTITIONS)} == {0, 1}


def test_messages_are_grouped_by_partition_in_their_order() -> None:
    messages = [_incoming(HERE, 1), _incoming(THERE, 1), _incoming(HERE, 2, generation=2)]
    groups = group_by_partition(messages, PARTITIONS, 1000, _anybody)
    here = groups[partition_of(HERE, PARTITIONS)]
    assert [envelope.payload for envelope in here.envelopes] == [messages[0].payload, messages[2].payload]
    assert here.deliveries == [(1, 1), (2, 2)]
    assert [batch.seq for batch in here.batches] == [1, 2]


def test_a_qos_0_message_has_nothing_to_acknowledge_to_the_broker() -> None:
    (group,) = group_by_partition([_incoming(HERE, 1)._replace(mid=0)], PARTITIONS, 0, _anybody).values()
    assert (group.deliveries, len(group.batches)) == ([], 1)


@dataclass
class Answers:
    """Replies that go nowhere and are remembered."""

    deliveries: list[Delivery] = field(default_factory=list)
    acks: list[tuple[str, Ack]] = field(default_factory=list)

    def puback(self, deliveries: Sequence[Delivery]) -> None:
        self.deliveries += deliveries

    def tell(self, acks: Sequence[tuple[str, Ack]]) -> None:
        self.acks += acks


@dataclass
class Rig:
    """A writer in a thread of its own, on a real journal and registry."""

    inbox: Inbox
    partitions: list[DurableLog]
    answers: Answers
    metrics: CollectorRegistry
    thread: threading.Thread
    stopping: threading.Event
    registry_path: Path

    def journaled(self, gateway: str) -> list[bytes]:
        rows = self.partitions[partition_of(gateway, PARTITIONS)].read_after(0, max_rows=999, max_bytes=1 << 30)
        return [envelope.payload for row in rows for envelope in decode_row(row.payload)]

    def value(self, name: str, **labels: str) -> float:
        return self.metrics.get_sample_value(f"wattline_ingest_{name}", labels) or 0.0

    def stop(self) -> None:
        self.stopping.set()
        self.thread.join(20)
        assert not self.thread.is_alive()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with ExitStack() as stack:
        partitions = [
            stack.enter_context(
                closing(
                    DurableLog(tmp_path / f"{n}.db", max_bytes=4 << 20, when_full=WhenFull.REFUSE, busy_timeout_s=0.1)
                )
            )
            for n in range(PARTITIONS)
        ]
        registry = stack.enter_context(closing(Registry(tmp_path / "registry.db", "open")))
        inbox, answers, metrics, stopping = Inbox(), Answers(), CollectorRegistry(), threading.Event()
        ingest = Ingest(
            inbox=inbox,
            partitions=partitions,
            registry=registry,
            replies=answers,
            counters=IngestCounters(metrics),
            linger_s=0.001,
        )
        thread = threading.Thread(target=ingest.run, args=(stopping,))
        thread.start()
        rig = Rig(inbox, partitions, answers, metrics, thread, stopping, tmp_path / "registry.db")
        stack.callback(rig.stop)
        yield rig


def test_what_is_acknowledged_is_in_the_journal_and_counted(rig: Rig) -> None:
    for seq in (1, 2, 3):
        rig.inbox.put(_incoming(HERE, seq))
    wait_until(lambda: len(rig.answers.deliveries) == 3, "acknowledged to the broker")
    assert rig.journaled(HERE) == [_incoming(HERE, seq).payload for seq in (1, 2, 3)]
    rig.stop()
    assert {n for _, ack in rig.answers.acks for a, b in ack.seqs for n in range(a, b + 1)} == {1, 2, 3}
    assert rig.value("messages_total") == 3


def test_a_full_partition_acknowledges_nothing_of_its_own_and_holds_up_no_other(rig: Rig) -> None:
    full = rig.partitions[partition_of(HERE, PARTITIONS)]
    full.append_many([bytes(4_100_000)], 1)
    rig.inbox.put(_incoming(THERE, 1))
    rig.inbox.put(_incoming(HERE, 2, padding=100_000))
    wait_until(lambda: rig.value("commit_failures_total", kind="full") >= 2, "it tries again")
    assert rig.answers.deliveries == [(1, 1)]
    full.truncate_through(1)
    wait_until(lambda: rig.answers.deliveries == [(1, 1), (1, 2)], "it goes on when there is room")
    assert len(rig.journaled(HERE)) == 1


def test_a_registry_that_cannot_be_written_delays_and_loses_nothing(rig: Rig) -> None:
    with closing(sqlite3.connect(rig.registry_path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        rig.inbox.put(_incoming(HERE, 1))
        wait_until(lambda: rig.value("commit_failures_total", kind="registry") >= 1, "the registry is busy")
        assert rig.answers.deliveries == []
        other.execute("ROLLBACK")
    wait_until(lambda: rig.answers.deliveries == [(1, 1)], "it goes on")


def test_stopping_commits_what_is_in_the_inbox_and_says_the_last_acknowledgements(rig: Rig) -> None:
    for seq in range(1, 2501):
        rig.inbox.put(_incoming(HERE, seq))
    rig.stop()
    assert len(rig.journaled(HERE)) == 2500
    assert len(rig.answers.deliveries) == 2500
    assert {n for _, ack in rig.answers.acks for a, b in ack.seqs for n in range(a, b + 1)} == set(range(1, 2501))


class Clocks:
    """Two clocks that the test sets."""

    def __init__(self) -> None:
        self.wall_ms = 1_790_000_000_000
        self.monotonic_ms = 0


def test_a_wall_clock_that_is_set_back_does_not_keep_a_revoked_gateway_in(tmp_path: Path) -> None:
    clocks, answers, inbox = Clocks(), Answers(), Inbox()
    path = tmp_path / "registry.db"
    with (
        closing(DurableLog(tmp_path / "0.db", max_bytes=4 << 20, when_full=WhenFull.REFUSE)) as log,
        closing(Registry(path, "open")) as registry,
        closing(Registry(path, "open")) as command_line,
    ):
        ingest = Ingest(
            inbox=inbox,
            partitions=[log],
            registry=registry,
            replies=answers,
            counters=IngestCounters(CollectorRegistry()),
            linger_s=0,
            now_ms=lambda: clocks.wall_ms,
            monotonic_ms=lambda: clocks.monotonic_ms,
        )
        stopped = threading.Event()
        stopped.set()
        inbox.put(_incoming(HERE, 1))
        ingest.run(stopped)
        command_line.revoke(HERE, clocks.wall_ms)
        clocks.wall_ms -= 3_600_000
        clocks.monotonic_ms += REGISTRY_REFRESH_MS
        inbox.put(_incoming(HERE, 2))
        ingest.run(stopped)
        rows = log.read_after(0, max_rows=9, max_bytes=1 << 20)
    assert [envelope.reject for row in rows for envelope in decode_row(row.payload)] == ["", "revoked_gateway"]
