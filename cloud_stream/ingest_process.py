"""`wattline cloud ingest`: puts the parts of ingest together and runs them until SIGTERM."""

import logging
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from typing import Final

from prometheus_client import CollectorRegistry

from cloud_stream.config import CloudConfig
from cloud_stream.inbox import Inbox
from cloud_stream.ingest import Ingest
from cloud_stream.ingest_session import BrokerSession
from cloud_stream.journal import Journal
from cloud_stream.metrics import IngestCounters, JournalCollector, serving
from cloud_stream.registry import Registry
from wattline.durable_log import DurableLog
from wattline.stop_signals import called_on_stop

_log: Final = logging.getLogger("cloud_stream.ingest")


def run_ingest(config: CloudConfig) -> int:
    """Take messages into the journal until SIGTERM or SIGINT.

    Then: read no more, commit and acknowledge what was read, disconnect (the session stays at the broker).

    Returns:
        The exit status: 0 after a signal, 1 when the writer failed.

    Raises:
        ConfigError: A value of the file cannot be used.
        CloudError: The registry cannot be opened.
        LogBrokenError: The journal cannot be opened.
    """
    journal = Journal(config.journal.dir, partitions=config.journal.partitions, max_bytes=config.journal.max_bytes)
    metrics = CollectorRegistry()
    counters = IngestCounters(metrics)
    inbox = Inbox()
    with ExitStack() as stack:
        partitions = [stack.enter_context(closing(journal.open_partition(i))) for i in range(journal.partitions)]
        registry = stack.enter_context(closing(Registry(config.registry.path, config.registry.policy)))
        session = BrokerSession(config.broker, inbox, counters)
        _show_journal(metrics, partitions)
        stack.enter_context(serving(metrics, config.metrics.bind, config.metrics.ingest_port))
        stack.enter_context(called_on_stop(session.stop))
        ingest = Ingest(
            inbox=inbox,
            partitions=partitions,
            registry=registry,
            replies=session,
            counters=counters,
            linger_s=config.journal.linger.seconds,
        )
        return _run(ingest, session)


def _run(ingest: Ingest, session: BrokerSession) -> int:
    """The network in this thread, the writer in another; whichever ends takes the other along."""
    finished: list[bool] = []

    def write() -> None:
        try:
            ingest.run(session.stopping)
            finished.append(True)
        finally:
            session.close()

    writer = threading.Thread(target=write, name="journal-writer")
    writer.start()
    try:
        session.run()
    finally:
        session.stopping.set()
        writer.join()
    status = 0 if finished else 1
    _log.info("ingest_ended status=%d", status)
    return status


def _show_journal(metrics: CollectorRegistry, partitions: Sequence[DurableLog]) -> None:
    metrics.register(JournalCollector(partitions, lambda: time.time_ns() // 1_000_000))
