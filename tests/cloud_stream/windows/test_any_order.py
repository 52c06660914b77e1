"""Any order, duplication and lateness of batches and readings ends in the same windows."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud_stream.windows.settings import WindowSettings
from tests.cloud_stream.windows.bench import Rig
from tests.cloud_stream.windows.plain import Key, Value, usage
from wattline.wire import Batch, Frame

NOW_MS = 1_790_000_100_000
WIDTHS = {"5m": 300_000, "30m": 1_800_000}
SMALL = WindowSettings(max_cells=12, idle_ms=20_000, fold_rows=40, rebuilds_per_timer=3, fleet_windows=3)
USUAL = WindowSettings()
QUANTITIES = ("power_w", "energy_import_kwh", "temperature_c", "gas_m3")


def same(stored: dict[Key, dict[str, float]], expected: dict[Key, dict[str, float]]) -> None:
    assert set(stored) == set(expected)
    for key, fields in expected.items():
        assert stored[key] == pytest.approx(fields, rel=1e-9, abs=1e-12), key


@st.composite
def readings(draw: st.DrawFn) -> list[Value]:
    """A few meters on a few sites, with gaps, resets and jumps."""
    values = []
    for number in range(draw(st.integers(1, 4))):
        site, meter = f"site-{number % 3}", f"m{number}"
        quantities = draw(st.sets(st.sampled_from(QUANTITIES), min_size=1))
        t_ms = NOW_MS - 7_200_000 + draw(st.integers(0, 600_000))
        register = draw(st.sampled_from([0.0, 99.5, 12_345.678]))
        for _ in range(draw(st.integers(1, 25))):
            t_ms += draw(st.sampled_from([1000, 10_000, 60_000, 299_000, 900_000, 4_000_000]))
            register = draw(st.sampled_from([register, register + 0.25, register + 7.0, 0.0, register + 1e7]))
            for name in quantities:
                cumulative = name in {"energy_import_kwh", "gas_m3"}
                value = register if cumulative else draw(st.sampled_from([0.0, -3.5, 230.0, 512.25]))
                values.append(Value(site, meter, name, t_ms, value))
    return values


def batches(draw: st.DrawFn, values: list[Value]) -> list[Batch]:
    """The readings in batches per gateway, as an agent would cut them."""
    made = []
    for site in sorted({v.site for v in values}):
        mine = [v for v in values if v.site == site]
        times = sorted({(v.t_ms, v.meter) for v in mine})
        seq = 0
        while times:
            n = draw(st.integers(1, 12))
            chosen, times = times[:n], times[n:]
            seq += 1
            frames = [frame(mine, meter, t_ms) for t_ms, meter in chosen]
            made.append(Batch(v=1, gateway=site, site=site, log="log", seq=seq, frames=frames))
    return made


def frame(values: list[Value], meter: str, t_ms: int) -> Frame:
    columns: dict[str, list[float | None]] = {
        v.quantity: [v.value] for v in values if v.meter == meter and v.t_ms == t_ms
    }
    return Frame(meter, [t_ms], columns)


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Value], list[Batch]]:
    """Batches shuffled and repeated, some under another number."""
    values = draw(readings())
    sent = batches(draw, values)
    again = draw(st.lists(st.sampled_from(sent), max_size=6))
    renamed = [
        Batch(v=1, gateway=b.gateway, site=b.site, log="restored", seq=b.seq, frames=b.frames)
        for b in draw(st.lists(st.sampled_from(sent), max_size=3))
    ]
    return values, draw(st.permutations(sent + again + renamed))


@pytest.mark.parametrize("shape", [USUAL, SMALL], ids=["usual", "small"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(delivery=deliveries(), data=st.data())
def test_any_order_any_duplication_any_lateness(
    shape: WindowSettings, delivery: tuple[list[Value], list[Batch]], data: st.DataObject
) -> None:
    values, arriving = delivery
    with tempfile.TemporaryDirectory() as folder:
        rig = Rig(Path(folder) / "store.db", shape, NOW_MS)
        saved, since = rig.snapshot(), []
        for batch in arriving:
            rig.send([batch])
            since.append(batch)
            step = data.draw(st.sampled_from(["", "", "tick", "idle", "write", "snapshot", "crash"]))
            if step == "tick":
                rig.tick()
            elif step == "idle":
                rig.tick(60.0)
            elif step == "write":
                rig.write()
            elif step == "snapshot":
                saved, since = rig.snapshot(), []
            elif step == "crash":
                if data.draw(st.booleans()):
                    rig.write()
                rig.crash(saved)
                for repeated in since:
                    rig.send([repeated])
        rig.settle()
        for label, width_ms in WIDTHS.items():
            same(rig.stored(label), usage(values, width_ms))
        rig.store.close()


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
    assert not [p for p in rig.store.usage({}, 0, 1 << 52) if p.measurement == "flow_mark"]
    assert rig.store.mark(next(iter(rig.shards))) == ("", 0)
