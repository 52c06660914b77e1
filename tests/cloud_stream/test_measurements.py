"""How the store names lengths of windows."""

import pytest

from cloud_stream.measurements import width_label


@pytest.mark.parametrize(
    ("width_ms", "label"),
    [(300_000, "5m"), (1_800_000, "30m"), (3_600_000, "1h"), (5_400_000, "90m"), (15_000, "15s"), (250, "250ms")],
)
def test_the_label_of_a_width(width_ms: int, label: str) -> None:
    assert width_label(width_ms) == label
