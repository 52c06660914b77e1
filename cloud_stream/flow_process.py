"""One process of the dataflow: concrete parts, recovery, signals, and the run."""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from datetime import timedelta
from typing import Any, Final, Protocol, TypeVar

from bytewax.recovery import RecoveryConfig
from bytewax.run import cli_main
from prometheus_client import CollectorRegistry

from cloud_stream.alerts.judge import AlertJudge
from cloud_stream.alerts.rules import Rule, load_rules
from cloud_stream.config import CloudConfig
from cloud_stream.dead_letters import SqliteDeadLetters
from cloud_stream.decode import Decoder, dead_letter_counts
from cloud_stream.engine import Step, StepLogic, TimerShare, now_ms
from cloud_stream.flow import build_flow
from cloud_stream.flow_parts import AlertStep, FleetStep, FlowParts, ShardItem, ShardStep
from cloud_stream.journal import Journal
from cloud_stream.metrics import FlowCounters, JournalCollector, serving
from cloud_stream.ports import Rejected, Store
from cloud_stream.records import DeadLetter, JournalRow
from cloud_stream.recovery import prepare_recovery
from cloud_stream.sharding import SHARDS
from cloud_stream.sinks.bytewax_sink import StoreSink
from cloud_stream.sinks.dead_letter_sink import DeadLetterSink, rejected_letters
from cloud_stream.sinks.writer_metrics import WriterCollector
from cloud_stream.source import JournalSource
from cloud_stream.stores import open_store
from cloud_stream.windows.fleet import FleetWindows
from cloud_stream.windows.settings import WindowSettings
from wattline.stop_signals import called_on_stop

V = TypeVar("V")
W = TypeVar("W")
_log: Final = logging.getLogger("cloud_stream.flow")
CELL_BYTES: Final = 256
"""One window of one series: its numbers, and copies of them while it is merged and snapshotted."""


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
        flow = build_flow(_parts(config, source, store, counters))
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


def window_settings(config: CloudConfig) -> WindowSettings:
    """The windows that a configuration asks for."""
    widths = config.flow.widths_ms
    tables = len(widths) * -(-SHARDS // config.flow.processes)
    affordable = config.flow.state_max_bytes // (CELL_BYTES * tables)
    # More than the usual number would make snapshots long.
    return WindowSettings(widths_ms=widths, max_cells=min(WindowSettings().max_cells, affordable))


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


def _parts(config: CloudConfig, source: JournalSource, store: Store, counters: FlowCounters) -> FlowParts:
    settings = window_settings(config)
    rules = _rules(config, settings)
    letters = SqliteDeadLetters(config.dead_letters.path, config.dead_letters.max_bytes)
    store_sink = _store_sink(config, letters, counters)
    counters.show(WriterCollector(store_sink.writers))
    share = TimerShare()
    return FlowParts(
        source=source,
        decode=_decode(Decoder(config.store.retention), counters),
        shard_windows=lambda state: _logic("shard", ShardStep(settings, store), state, counters, share),
        fleet_windows=lambda state: _logic("fleet", FleetStep(FleetWindows(settings, store)), state, counters, share),
        alerts=lambda state: _logic("alerts", AlertStep(AlertJudge(rules)), state, counters, share),
        store_sink=store_sink,
        dead_letter_sink=DeadLetterSink(lambda: letters, counters.dead_letters_lost.inc),
    )


def _store_sink(config: CloudConfig, letters: SqliteDeadLetters, counters: FlowCounters) -> StoreSink:
    def keep(partition: str, rejected: Sequence[Rejected]) -> None:
        refused = rejected_letters(partition, rejected, now_ms())
        counters.count_dead_letters(dead_letter_counts(refused))
        letters.put(refused)

    return StoreSink(lambda: open_store(config.store), config.store.spool_dir, config.store.spool_max_bytes, keep)


def _rules(config: CloudConfig, settings: WindowSettings) -> tuple[Rule, ...]:
    return load_rules(config.alerts.rules, settings.widths_ms) if config.alerts.rules else ()


def _decode(decoder: Decoder, counters: FlowCounters) -> Callable[[list[JournalRow]], Iterable[ShardItem | DeadLetter]]:
    def decode(rows: list[JournalRow]) -> list[ShardItem | DeadLetter]:
        batches, letters = decoder.decode(rows)
        counters.count_dead_letters(dead_letter_counts(letters))
        return [*batches.items(), *letters]

    return decode


class _Counting(Step[V, W], Protocol[V, W]):
    """A step that counts what it does."""

    @property
    def counts(self) -> Counter[str]:
        """How often each thing happened; they only grow."""


def _logic(
    name: str,
    step: _Counting[V, W],
    state: Any,  # noqa: ANN401 (see `Step`)
    counters: FlowCounters,
    share: TimerShare,
) -> StepLogic[V, W]:
    """A step under the engine, whose counts move to the metrics as they grow."""
    seen: Counter[str] = Counter()

    def count(_: object) -> None:
        grown = step.counts - seen
        if grown:
            counters.count_step(name, grown)
            seen.update(grown)

    return StepLogic(step, state, count, share)
