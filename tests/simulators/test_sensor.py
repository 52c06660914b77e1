"""The simulated sensor reads its history fast, then lives in its own time."""

import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edge_agent.ports import Sensor
from simulators import sensor
from simulators.faults import Fault, FaultKind
from simulators.household import DEFAULT_ORIGIN_MS, Household, HouseholdOptions
from simulators.sensor import Progress, SimulatedOptions, SimulatedSensor, due_times
from wattline.config import convert
from wattline.errors import ConfigError
from wattline.reading import Reading

NOW = DEFAULT_ORIGIN_MS + 100_000_123
MINUTE_MS = 60_000


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now_ms: int = NOW) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms


def _sensor(clock: Callable[[], int], meter: str = "m1", **table: object) -> SimulatedSensor:
    return SimulatedSensor(meter, convert(table, SimulatedOptions), clock_ms=clock)


def _read_all(simulated: SimulatedSensor) -> list[Reading]:
    readings: list[Reading] = []
    while chunk := simulated.read(0.0):
        assert len(chunk) <= 2000
        readings += chunk
    return readings


def test_the_module_offers_what_the_agent_loads() -> None:
    options = convert({"kind": "gas"}, sensor.OPTIONS)
    made: Sensor = sensor.SENSOR("m1", options)
    made.open()
    made.close()
    assert made.read(0.0) == []


def test_history_comes_first_in_chunks_and_then_every_second() -> None:
    clock = Clock()
    simulated = _sensor(clock, history="2d", history_interval="1m")
    simulated.open()
    history = [reading.t_ms for reading in _read_all(simulated)]
    assert len(history) == 2880
    assert history == list(range(history[0], NOW + 1, MINUTE_MS))
    assert history[0] > NOW - 2 * 86_400_000 - MINUTE_MS
    clock.now_ms += 3000
    live = [reading.t_ms for reading in _read_all(simulated)]
    assert live == [NOW - 123 + 1000, NOW - 123 + 2000, NOW - 123 + 3000]
    assert _read_all(simulated) == []


def test_opened_again_it_goes_on_where_it_was() -> None:
    clock = Clock()
    simulated = _sensor(clock, history="1h")
    simulated.open()
    assert len(_read_all(simulated)) == 60
    simulated.close()
    assert simulated.read(0.0) == []
    clock.now_ms += 5000
    simulated.open()
    assert len(_read_all(simulated)) == 5


def test_a_restart_repeats_the_same_readings_at_the_same_times() -> None:
    first, second = _sensor(Clock(), history="1h"), _sensor(Clock(NOW + 20 * MINUTE_MS), history="1h")
    first.open()
    second.open()
    before = {reading.t_ms: reading for reading in _read_all(first)}
    after = {reading.t_ms: reading for reading in _read_all(second)}
    common = before.keys() & after.keys()
    assert len(common) == 40
    assert all(before[t_ms] == after[t_ms] for t_ms in common)


def test_speed_and_start_make_a_time_of_its_own() -> None:
    clock = Clock()
    simulated = _sensor(clock, start="2026-03-01T00:00:00Z", speed=60, sample_interval="1m")
    simulated.open()
    clock.now_ms += 10_000
    times = [reading.t_ms for reading in _read_all(simulated)]
    start_ms = 1_772_323_200_000
    assert times == [start_ms + minute * MINUTE_MS for minute in range(11)]


def test_a_clock_set_back_repeats_nothing() -> None:
    clock = Clock()
    simulated = _sensor(clock)
    simulated.open()
    clock.now_ms += 5000
    assert len(_read_all(simulated)) == 5
    clock.now_ms -= 3600_000
    assert _read_all(simulated) == []


def test_closing_wakes_a_waiting_read() -> None:
    simulated = _sensor(Clock())
    simulated.open()
    done = threading.Event()

    def read() -> None:
        simulated.read(60.0)
        simulated.read(60.0)
        done.set()

    thread = threading.Thread(target=read)
    thread.start()
    simulated.close()
    assert done.wait(10)
    thread.join(10)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("electricity", ["power_w", "voltage_v", "energy_import_kwh"]),
        ("gas", ["gas_m3"]),
        ("building", ["temperature_c", "humidity_pct", "occupancy"]),
    ],
)
def test_readings_are_the_homes_values_as_a_meter_shows_them(kind: str, names: list[str]) -> None:
    simulated = _sensor(Clock(), kind=kind, seed=9, history="1h")
    simulated.open()
    readings = _read_all(simulated)
    t_ms = np.array([reading.t_ms for reading in readings], dtype=np.int64)
    home = Household(HouseholdOptions(seed=9))
    truth = {"electricity": home.electricity, "gas": home.gas, "building": home.building}[kind](t_ms)
    assert list(readings[0].values) == names
    for name in names:
        shown = [reading.values[name] for reading in readings]
        tolerance = {"power_w": 0.5, "voltage_v": 0.05, "humidity_pct": 0.05, "temperature_c": 0.005}
        np.testing.assert_allclose(shown, truth[name], atol=tolerance.get(name, 0.0005) * 1.001)


def test_injected_faults_are_logged_once_and_are_what_was_seen(tmp_path: Path) -> None:
    log = tmp_path / "faults.jsonl"
    clock = Clock()
    rules = [{"kind": "spike", "per_day": 12.0}, {"kind": "drop_out", "per_day": 2.0}]
    simulated = _sensor(clock, history="10d", faults=rules, fault_log=str(log))
    simulated.open()
    seen = {reading.t_ms: reading for reading in _read_all(simulated)}
    for _ in range(120):
        clock.now_ms += MINUTE_MS
        seen |= {reading.t_ms: reading for reading in _read_all(simulated)}
    labels = [msgspec.json.decode(line, type=Fault) for line in log.read_bytes().splitlines()]
    assert len(labels) == len(set(labels))
    assert labels == sorted(labels)
    counts = {kind: sum(label.kind is kind for label in labels) for kind in FaultKind}
    assert 90 < counts[FaultKind.SPIKE] <= 123
    # A drop-out that would meet a spike gives way: it is listed later.
    assert 8 <= counts[FaultKind.DROP_OUT] <= 22
    for label in labels:
        inside = [seen[t_ms] for t_ms in range(-(-label.start_ms // 1000) * 1000, label.end_ms, 1000) if t_ms in seen]
        if label.kind is FaultKind.DROP_OUT:
            assert inside == []
        else:
            assert inside
            assert all(reading.values["power_w"] > 6000 for reading in inside)


def test_a_fault_log_that_cannot_be_written_does_not_stop_the_meter(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    missing = tmp_path / "nowhere" / "faults.jsonl"
    simulated = _sensor(Clock(), history="2d", faults=[{"kind": "stuck"}], fault_log=str(missing))
    simulated.open()
    assert len(_read_all(simulated)) == 2880
    assert "event=fault_log_failed meter=m1" in caplog.text


@pytest.mark.parametrize(
    ("table", "where"),
    [
        ({"kind": "water"}, "kind"),
        ({"sed": 1}, ""),
        ({"speed": 0}, "speed"),
        ({"sample_interval": "0s"}, "sample_interval"),
        ({"history_interval": "0s"}, "history_interval"),
        ({"start": "yesterday"}, "start"),
        ({"registers_from": "once"}, "registers_from"),
        ({"faults": [{"kind": "ghost"}]}, "faults[0].kind"),
        ({"faults": [{"kind": "spike", "per_day": -1}]}, "faults[0].per_day"),
        ({"kind": "gas", "faults": [{"kind": "spike"}]}, "faults"),
    ],
)
def test_wrong_options_name_their_place(table: dict[str, object], where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        SimulatedSensor("m1", convert(table, SimulatedOptions))
    assert caught.value.where == where


@pytest.mark.parametrize(
    ("read_until", "live_from", "now", "expected"),
    [
        (-1, 0, 2500, [0]),
        (0, 0, 2500, [1000, 2000]),
        (999, 0, 999, []),
        (0, 10_000, 99_999, [5000, 10_000]),
        (10_000, 10_000, 11_000, [11_000]),
        (0, 10_000, 4000, []),
    ],
)
def test_due_times_are_multiples_of_the_interval_in_force(
    read_until: int, live_from: int, now: int, expected: list[int]
) -> None:
    options = convert({"sample_interval": "1s", "history_interval": "5s"}, SimulatedOptions)
    assert due_times(options, Progress(read_until, live_from), now).tolist() == expected


def test_a_long_pause_is_read_in_chunks() -> None:
    options = convert({}, SimulatedOptions)
    assert len(due_times(options, Progress(0, 0), 10**9)) == 2000
