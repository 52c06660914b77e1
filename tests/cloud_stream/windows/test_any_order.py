"""Any order, duplication and lateness of batches and readings ends in the same windows."""

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud_stream.windows.settings import WindowSettings
from tests.cloud_stream.windows.bench import Rig, memory_folder
from tests.cloud_stream.windows.chance import Turner, delivery
from tests.cloud_stream.windows.plain import Key, Value, usage
from wattline.wire import Batch, Frame

NOW_MS: Final = 1_790_000_100_000
WIDTHS: Final = {"5m": 300_000, "30m": 1_800_000}
SMALL: Final = WindowSettings(
    max_cells=12,
    min_windows=0,
    idle_ms=20_000,
    fold_rows=40,
    rebuilds_per_timer=3,
    piece_rows=4,
    turn_rows=12,
    fleet_windows=3,
)
USUAL: Final = WindowSettings()
SHAPES: Final = {"usual": USUAL, "small": SMALL}


def same(stored: dict[Key, dict[str, float]], expected: dict[Key, dict[str, float]]) -> None:
    assert set(stored) == set(expected)
    for key, fields in expected.items():
        assert stored[key] == pytest.approx(fields, rel=1e-9, abs=1e-12), key


def turned(rng: random.Random, shape: WindowSettings) -> None:
    """Deliver something, let anything happen meanwhile, and compare."""
    sent = delivery(rng, NOW_MS)
    with tempfile.TemporaryDirectory(dir=memory_folder()) as folder:
        rig = Rig(Path(folder) / "store.db", shape, NOW_MS)
        Turner(rig, rng).deliver(sent.arriving)
        rig.settle()
        assert not rig.letters
        for label, width_ms in WIDTHS.items():
            same(rig.stored(label), usage(sent.values, width_ms, sent.subs))
        rig.store.close()


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
@given(rng=st.randoms(use_true_random=False))
def test_any_order_any_duplication_any_lateness(shape: WindowSettings, rng: random.Random) -> None:
    turned(rng, shape)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_the_same_by_plain_chance_which_is_less_clever_and_faster(shape: WindowSettings) -> None:
    for seed in range(100):
        turned(random.Random(seed), shape)


def in_order(values: list[Value]) -> Iterator[Batch]:
    for seq, value in enumerate(sorted(values, key=lambda v: v.t_ms), 1):
        frames = [Frame(value.meter, [value.t_ms], {value.quantity: [value.value]}, value.interval_ms)]
        yield Batch(v=1, gateway=value.site, site=value.site, log="log", seq=seq, frames=frames)


def test_half_hourly_amounts_are_spread_over_their_windows(tmp_path: Path) -> None:
    start = NOW_MS - NOW_MS % 1_800_000 - 48 * 1_800_000
    values = [Value("s", "m", "energy_kwh", start + n * 1_800_000, 0.1 * n, 1_800_000) for n in range(40)]
    rig = Rig(tmp_path / "store.db", SMALL, NOW_MS)
    for batch in in_order(values):
        rig.send([batch])
        rig.tick()
    rig.settle()
    for label, width_ms in WIDTHS.items():
        same(rig.stored(label), usage(values, width_ms))


def test_readings_in_order_need_no_rebuilding(tmp_path: Path) -> None:
    values = [Value("s", "m", "power_w", NOW_MS - 600_000 + n * 1000, float(n)) for n in range(600)]
    rig = Rig(tmp_path / "store.db", USUAL, NOW_MS)
    for batch in in_order(values):
        rig.send([batch])
    rig.settle()
    (shard,) = rig.shards.values()
    assert shard.counts["late_rows"] == 0
    assert rig.store.mark(next(iter(rig.shards))) == ("", 0)
