"""One process of the dataflow: recovery, signals, and the run."""

import logging
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import timedelta
from typing import Any, Final

from bytewax.recovery import RecoveryConfig
from bytewax.run import cli_main
from prometheus_client import CollectorRegistry

from cloud_stream.config import CloudConfig
from cloud_stream.engine import now_ms
from cloud_stream.flow import build_flow
from cloud_stream.flow_building import flow_parts
from cloud_stream.journal import Journal
from cloud_stream.metrics import FlowCounters, JournalCollector, serving
from cloud_stream.recovery import prepare_recovery
from cloud_stream.source import JournalSource
from cloud_stream.stores import open_store
from wattline.stop_signals import called_on_stop

_log: Final = logging.getLogger("cloud_stream.flow")


def run_flow(config: CloudConfig, process_id: int = 0, addresses: Sequence[str] = ()) -> int:
    """Run one process of the flow until SIGTERM or SIGINT.

    Args:
        config: The cloud's configuration.
        process_id: This process's place in `addresses`.
        addresses: "host:port" of every process of the cluster; empty for one alone.

    Returns:
        The exit status.

    Raises:
        ConfigError: The configuration cannot be used.
    """
    stop = threading.Event()
    prepare_recovery(config.flow.recovery_dir, process_id)
    registry = CollectorRegistry()
    counters = FlowCounters(registry)
    with called_on_stop(stop.set), ExitStack() as stack:
        source = _source(config, process_id, stop)
        counters.watch_commit_age(source.commit_age_s)
        registry.register(JournalCollector(_partitions(config, stack), now_ms))
        store = open_store(config.store)
        stack.callback(store.close)
        port = config.metrics.flow_port and config.metrics.flow_port + process_id
        stack.enter_context(serving(registry, config.metrics.bind, port))
        flow = build_flow(flow_parts(config, source, store, counters))
        _log.info("flow_started process=%d of=%d", process_id, max(1, len(addresses)))
        cli_main(  # type: ignore[no-untyped-call]  # Bytewax leaves its engine untyped
            flow,
            process_id=process_id if addresses else None,
            addresses=list(addresses) or None,
            epoch_interval=timedelta(milliseconds=config.flow.epoch_interval),
            recovery_config=RecoveryConfig(str(config.flow.recovery_dir)),  # type: ignore[no-untyped-call]
        )
    _log.info("flow_stopped process=%d", process_id)
    return 0


def _source(config: CloudConfig, process_id: int, stop: threading.Event) -> JournalSource:
    settings = config.journal
    journal = Journal(settings.dir, partitions=settings.partitions, max_bytes=settings.max_bytes)
    return JournalSource(journal, stop, config.flow.recovery_dir / f"commit-{process_id}.json")


def _partitions(config: CloudConfig, stack: ExitStack) -> list[Any]:
    settings = config.journal
    journal = Journal(settings.dir, partitions=settings.partitions, max_bytes=settings.max_bytes)
    logs = [journal.open_partition(number) for number in range(journal.partitions)]
    for log in logs:
        stack.callback(log.close)
    return logs
