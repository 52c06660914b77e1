"""What a process of the flow makes of its configuration."""

import msgspec
import pytest

from cloud_stream.config import CloudConfig, FlowConfig
from cloud_stream.flow_process import window_settings
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
