"""What a process of the flow makes of its configuration."""

from collections import Counter
from pathlib import Path

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from cloud_stream.alerts.judge import AlertJudge
from cloud_stream.config import CloudConfig, FlowConfig
from cloud_stream.flow_building import _Engine, window_settings
from cloud_stream.flow_parts import AlertStep, FleetStep, ShardStep
from cloud_stream.metrics import FlowCounters
from cloud_stream.stores.sqlite import SqliteStore
from cloud_stream.windows.fleet import FleetWindows
from cloud_stream.windows.settings import WindowSettings
from wattline.config import DurationMs, SizeBytes


@pytest.mark.parametrize(
    ("budget", "processes", "max_cells"),
    [("512MiB", 1, 20_000), ("64GiB", 1, 20_000), ("16MiB", 1, 1024), ("16MiB", 2, 2048), ("1MiB", 1, 64)],
)
def test_windows_in_memory_keep_to_the_budget(budget: str, processes: int, max_cells: int) -> None:
    size = SizeBytes(int(budget[:-3]) << {"M": 20, "G": 30}[budget[-3]])
    config = CloudConfig(flow=FlowConfig(state_max_bytes=size, processes=processes))
    assert window_settings(config) == WindowSettings(max_cells=max_cells)


def test_windows_are_as_wide_as_configured_the_shorter_first() -> None:
    flow = FlowConfig(window=DurationMs(3_600_000), utility_interval=DurationMs(900_000))
    assert window_settings(CloudConfig(flow=flow)).widths_ms == (900_000, 3_600_000)
    same = msgspec.structs.replace(flow, utility_interval=flow.window)
    assert window_settings(CloudConfig(flow=same)).widths_ms == (3_600_000,)


class Twice:
    """A step that counts what it takes."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.settled = True

    def on_batch(self, batch: list[str], now_ms: int) -> list[str]:
        del now_ms
        self.counts.update(batch)
        return batch

    def on_timer(self, now_ms: int) -> list[str]:
        del now_ms
        return []

    def snapshot(self, now_ms: int) -> None:
        """Nothing to keep."""

    def restore(self, state: None) -> None:
        """Nothing to take back."""


def test_what_steps_count_moves_to_the_metrics_as_it_grows() -> None:
    registry = CollectorRegistry()
    engine = _Engine(FlowCounters(registry))
    logics = [engine.logic(name, Twice(), None) for name in ("shard", "shard", "fleet")]
    for logic in logics:
        logic.on_batch(["readings", "waits"])
        logic.on_batch(["waits"])
        logic.on_notify()
    assert registry.get_sample_value("wattline_readings_total") == 3
    events = [
        registry.get_sample_value("wattline_step_events_total", {"step": step, "event": "waits"})
        for step in ("shard", "fleet")
    ]
    assert events == [4, 2]


def test_the_counts_of_every_step_are_known(tmp_path: Path) -> None:
    settings, store = WindowSettings(), SqliteStore(tmp_path / "wattline.db", 1)
    shard, fleet, alerts = (
        ShardStep(settings, store),
        FleetStep(FleetWindows(settings, store)),
        AlertStep(AlertJudge([])),
    )
    shard._of("shard-00")._rebuilder.counts["waits"] += 1
    assert [dict(counts) for counts in (shard.counts, fleet.counts, alerts.counts)] == [
        {"waits": 1},
        {},
        {"evicted": 0},
    ]
    store.close()
