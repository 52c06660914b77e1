"""A clock that is set is noticed once; one that is slewed is not."""

import pytest

from edge_agent.clock import ClockWatch


@pytest.mark.parametrize(
    ("offsets_ms", "jumps"),
    [
        ([0, 0, 0], [0, 0, 0]),
        ([0, 1_999, 500], [0, 0, 0]),
        ([0, 60_000, 60_000], [0, 60_000, 0]),
        ([0, -3_600_000, 0], [0, -3_600_000, 3_600_000]),
    ],
)
def test_jumps(offsets_ms: list[int], jumps: list[int]) -> None:
    watch = ClockWatch(1_700_000_000_000, 5_000)
    seen = [
        watch.jump_ms(1_700_000_000_000 + n * 1_000 + offset, 5_000 + n * 1_000) for n, offset in enumerate(offsets_ms)
    ]
    assert seen == jumps
    assert watch.jumps == sum(jump != 0 for jump in jumps)
