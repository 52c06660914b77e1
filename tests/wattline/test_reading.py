"""A reading is a value: it can be passed to any thread and compared."""

import msgspec
import pytest

from wattline.reading import Reading

READING = Reading("m-1", 1_700_000_000_000, {"power_w": 512.0})


def test_a_reading_is_not_changed() -> None:
    with pytest.raises(AttributeError, match="immutable"):
        READING.t_ms = 0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (Reading("m-1", 1_700_000_000_000, {"power_w": 512.0}), True),
        (Reading("m-1", 1_700_000_000_000, {"power_w": 512.0}, interval_ms=60_000), False),
        (Reading("m-2", 1_700_000_000_000, {"power_w": 512.0}), False),
        (Reading("m-1", 1_700_000_000_001, {"power_w": 512.0}), False),
        (Reading("m-1", 1_700_000_000_000, {"power_w": 511.0}), False),
    ],
)
def test_readings_compare_by_what_they_say(other: Reading, *, same: bool) -> None:
    assert (other == READING) is same


def test_only_amounts_name_an_interval() -> None:
    assert READING.interval_ms == 0
    assert msgspec.structs.replace(READING, interval_ms=1_800_000).interval_ms == 1_800_000
