"""The concrete parts of the flow, as a configuration wants them."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol, TypeVar

from cloud_stream.alerts.judge import AlertJudge
from cloud_stream.alerts.rule import Made, Rule
from cloud_stream.alerts.rules import RulesSource
from cloud_stream.alerts.rules_file import WatchedRules
from cloud_stream.archive.sink import ArchiveSink
from cloud_stream.config import CloudConfig
from cloud_stream.dead_letters import SqliteDeadLetters
from cloud_stream.decode import Decoder, dead_letter_counts
from cloud_stream.dispatch.orders import QUEUE_BYTES, order_row, orders_path
from cloud_stream.engine import Step, StepLogic, TimerShare, now_ms
from cloud_stream.flow_parts import (
    AlertStep,
    Facts,
    FleetStep,
    FlowParts,
    ForecastSteps,
    IntentsLogic,
    ShardItem,
    ShardStep,
)
from cloud_stream.forecast.closing import ClosingStep
from cloud_stream.forecast.models import forecasters_for
from cloud_stream.forecast.step import ForecastSettings, ForecastStep
from cloud_stream.forecast.turn import Turn
from cloud_stream.forecast.weather import NoWeather, Weather
from cloud_stream.forecast.weather_folder import WeatherFolder
from cloud_stream.intents.file_source import FileSource
from cloud_stream.intents.settings import IntentSettings
from cloud_stream.intents.step import IntentStep
from cloud_stream.intents.store_correlations import StoreCorrelations
from cloud_stream.intents.store_history import StoreHistory
from cloud_stream.measurements import width_label
from cloud_stream.metrics import FlowCounters
from cloud_stream.notify.notice_rows import notice_row
from cloud_stream.ports import Rejected, Store
from cloud_stream.records import ClosedUsage, DeadLetter, JournalRow, Notice, Order
from cloud_stream.sharding import SHARDS
from cloud_stream.sinks.bytewax_sink import StoreSink
from cloud_stream.sinks.dead_letter_sink import DeadLetterSink, rejected_letters
from cloud_stream.sinks.queue_sink import QueueSink
from cloud_stream.sinks.writer_metrics import WriterCollector
from cloud_stream.sites import Sites, load_sites
from cloud_stream.source import JournalSource
from cloud_stream.stores import open_store
from cloud_stream.windows.fleet import FleetWindows
from cloud_stream.windows.settings import WindowSettings

V = TypeVar("V")
W = TypeVar("W")
CELL_BYTES: Final = 256
"""One window of one series: its numbers, and copies of them while it is merged and snapshotted."""
USUAL_S: Final = 30.0
"""The timer of a settled step, which then only lets state go."""
LONGEST_DECISION_MS: Final = 60_000
"""Limits and loads are looked at so often, or with every short window."""
RARELY_S: Final = 3600.0
"""The timer of a step whose state is large: each waking has it written to the snapshot."""


def window_settings(config: CloudConfig) -> WindowSettings:
    """The windows that a configuration asks for."""
    widths = config.flow.widths_ms
    tables = len(widths) * -(-SHARDS // config.flow.processes)
    affordable = config.flow.state_max_bytes // (CELL_BYTES * tables)
    # More than the usual number would make snapshots long.
    return WindowSettings(widths_ms=widths, max_cells=min(WindowSettings().max_cells, affordable))


def flow_parts(config: CloudConfig, source: JournalSource, store: Store, counters: FlowCounters) -> FlowParts:
    """Everything that `build_flow` composes.

    Args:
        config: The cloud's configuration.
        source: Of the journal.
        store: For reading only.
        counters: Where steps and sinks count.

    Raises:
        ConfigError: A file that the configuration names cannot be used.
    """
    settings = window_settings(config)
    letters = SqliteDeadLetters(config.dead_letters.path, config.dead_letters.max_bytes)
    store_sink = _store_sink(config, letters, counters)
    counters.show(WriterCollector(store_sink.writers))
    sites = load_sites(config.sites.file)
    judge = _judge(config, sites)
    engine = _Engine(counters)
    return FlowParts(
        source=source,
        decode=_decode(Decoder(config.store.retention), counters),
        shard_windows=lambda state: engine.logic("shard", ShardStep(settings, store), state),
        fleet_windows=lambda state: engine.logic("fleet", FleetStep(FleetWindows(settings, store)), state),
        alerts=lambda state: engine.logic("alerts", AlertStep(judge()), state),
        forecasts=_forecasts(config, sites, engine),
        intents=_intents(config, sites, store, engine),
        store_sink=store_sink,
        dead_letter_sink=DeadLetterSink(lambda: letters, counters.dead_letters_lost.inc),
        notice_sink=_notice_sink(config),
        order_sink=_order_sink(config),
        archive_sink=_archive_sink(config),
    )


def _forecasts(config: CloudConfig, sites: Sites, engine: "_Engine") -> ForecastSteps | None:
    if config.forecast is None:
        return None
    interval_ms = int(config.flow.utility_interval)
    settings = ForecastSettings(interval_ms, config.forecast.max_age)
    models = forecasters_for(config.forecast, interval_ms)
    weather: Weather = WeatherFolder(config.weather) if config.weather else NoWeather()
    turn = Turn()

    def forecasting(state: Any) -> StepLogic[ClosedUsage, Facts]:  # noqa: ANN401 (see `Step`)
        step = ForecastStep(settings, models, sites, weather, turn)
        return engine.logic("forecast", step, state, settle_every_s=RARELY_S, rest_s=lambda: step.wake_in_s)

    return ForecastSteps(
        lambda state: engine.logic("closing", ClosingStep(interval_ms, width_label(interval_ms)), state), forecasting
    )


def _judge(config: CloudConfig, sites: Sites) -> Callable[[], AlertJudge]:
    """Makes the judge of a shard; all of a process follow one watched file."""
    rules: Sequence[Rule] | RulesSource = ()
    if config.alerts.rules:
        rules = WatchedRules(config.alerts.rules, made(config), good_copy=config.good_rules_file)

    def zone_of(site: str) -> str:
        return sites.of(site).time_zone

    return lambda: AlertJudge(rules, max_age_ms=config.alerts.max_age, zone_of=zone_of)


def made(config: CloudConfig) -> Made:
    """What rules may be about, with this configuration."""
    return Made(windows_ms=config.flow.widths_ms, forecasts=config.forecast is not None)


def _intents(config: CloudConfig, sites: Sites, store: Store, engine: "_Engine") -> IntentsLogic | None:
    if config.intents.file is None:
        return None
    source = FileSource(config.intents.file, sites, good_copy=config.good_intents_file)
    short_ms, utility_ms = config.flow.window, config.flow.utility_interval
    settings = IntentSettings(short_ms, utility_ms, decide_every_ms=min(LONGEST_DECISION_MS, short_ms))
    history = StoreHistory(store, width_label(config.flow.utility_interval))
    correlations = StoreCorrelations(store, now_ms)

    def step() -> IntentStep:
        return IntentStep(
            source,
            sites,
            commands_enabled=config.commands is not None,
            correlations=correlations,
            history=history,
            settings=settings,
        )

    return lambda state: engine.logic("intents", step(), state)


def _notice_sink(config: CloudConfig) -> QueueSink[Notice] | None:
    if config.notify is None:
        return None
    return QueueSink(config.notify.queue_file, config.notify.max_bytes, notice_row)


def _order_sink(config: CloudConfig) -> QueueSink[Order] | None:
    return None if config.commands is None else QueueSink(orders_path(config.commands), QUEUE_BYTES, order_row)


def _archive_sink(config: CloudConfig) -> ArchiveSink | None:
    archive = config.archive
    return None if archive is None else ArchiveSink(archive.spool_dir, archive.spool_max_bytes)


def _store_sink(config: CloudConfig, letters: SqliteDeadLetters, counters: FlowCounters) -> StoreSink:
    def keep(partition: str, rejected: Sequence[Rejected]) -> None:
        refused = rejected_letters(partition, rejected, now_ms())
        counters.count_dead_letters(dead_letter_counts(refused))
        letters.put(refused)

    return StoreSink(lambda: open_store(config.store), config.store.spool_dir, config.store.spool_max_bytes, keep)


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


class _Engine:
    """Puts steps under the engine; their counts move to the metrics as they grow."""

    def __init__(self, counters: FlowCounters) -> None:
        self._counters = counters
        self._share = TimerShare()

    def logic(
        self,
        name: str,
        step: _Counting[V, W],
        state: Any,  # noqa: ANN401 (see `Step`)
        *,
        settle_every_s: float = USUAL_S,
        rest_s: Callable[[], float] = lambda: 0.0,
    ) -> StepLogic[V, W]:
        seen: Counter[str] = Counter()

        def count(_: object) -> None:
            grown = step.counts - seen
            if grown:
                self._counters.count_step(name, grown)
                seen.update(grown)

        return StepLogic(step, state, count, self._share, settle_every_s=settle_every_s, rest_s=rest_s)
