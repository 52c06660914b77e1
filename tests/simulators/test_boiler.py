"""A boiler heats, is drawn from, obeys its thermostat and its switch, and remembers; its meter adds up."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from simulators.boiler import (
    WATER_WH_PER_L_K,
    Boiler,
    BoilerOptions,
    BoilerState,
    Switch,
    draw_off_w,
    load_state,
    save_state,
    switch_named,
)
from simulators.errors import RelayError
from simulators.household import DEFAULT_ORIGIN_MS, Household, HouseholdOptions
from simulators.randomness import FloatArray, IntArray
from simulators.relay import SimulatedRelay, SimulatedRelayOptions
from simulators.residents import SLOTS
from simulators.sensor import SimulatedOptions, SimulatedSensor
from simulators.weather import DAY_MS
from wattline.config import DurationMs, convert
from wattline.errors import ConfigError

MINUTE_MS = 60_000
T0 = DEFAULT_ORIGIN_MS


def nothing(_day: int) -> FloatArray:
    return np.zeros(SLOTS)


def minutes(count: int, start_ms: int = T0) -> IntArray:
    return start_ms + np.arange(count, dtype=np.int64) * MINUTE_MS


def test_a_cold_boiler_heats_up_to_its_thermostat_and_no_further() -> None:
    options = BoilerOptions(start_c=20, loss_w=0)
    columns = Boiler(options, nothing, Switch()).at(minutes(8 * 60))
    needed_wh = options.tank_l * WATER_WH_PER_L_K * (options.set_c - 20)
    assert columns["energy_wh"][-1] == pytest.approx(needed_wh, rel=0.001)
    assert columns["water_c"].max() == pytest.approx(options.set_c, abs=0.05)
    assert set(columns["power_w"].tolist()) == {0.0, 2000.0}


def test_without_current_it_cools_and_with_it_makes_up_for_what_it_lost() -> None:
    switch = Switch()
    boiler = Boiler(BoilerOptions(), nothing, switch)
    switch.on = False
    away = boiler.at(minutes(12 * 60))
    assert not away["power_w"].any()
    assert np.all(np.diff(away["water_c"]) < 0)
    switch.on = True
    back = boiler.at(minutes(6 * 60, T0 + DAY_MS // 2))
    assert back["power_w"][1] == 2000
    assert back["water_c"][-1] > away["water_c"][-1] + 3


def test_a_shower_takes_the_heat_of_its_water() -> None:
    flow = nothing(0)
    flow[6 * 30 : 6 * 40] = 10_000  # ten minutes of 10 kW
    boiler = Boiler(BoilerOptions(start_c=60, loss_w=0), lambda _: flow, Switch())
    columns = boiler.at(minutes(120, T0 // DAY_MS * DAY_MS))
    assert columns["energy_wh"][-1] == pytest.approx(10_000 / 6, rel=0.01)
    assert columns["water_c"].min() == pytest.approx(60 - 10_000 / 6 / (150 * WATER_WH_PER_L_K), abs=2)


def taken_wh(step_ms: int) -> float:
    """What the boiler of home 5 takes in three days when it is asked so often."""
    home = Household(HouseholdOptions(seed=5))
    boiler = Boiler(BoilerOptions(), lambda day: draw_off_w(5, day, home.presence(day), 1.0), Switch())
    start_ms = T0 + 20 * DAY_MS
    times = np.arange(start_ms, start_ms + 3 * DAY_MS + 1, step_ms, dtype=np.int64)
    return float(boiler.at(times)["energy_wh"][-1])


@pytest.mark.parametrize("step_ms", [2000, 8000, 900_000])
def test_it_takes_the_same_however_often_it_is_asked(step_ms: int) -> None:
    assert taken_wh(MINUTE_MS) > 5000
    assert taken_wh(step_ms) == pytest.approx(taken_wh(MINUTE_MS), rel=0.03)


def test_people_draw_more_the_more_they_are_and_nothing_when_away() -> None:
    homes = [Household(HouseholdOptions(seed=seed)) for seed in range(40)]

    def kwh(home: Household) -> float:
        days = range(20_500, 20_514)
        draws = [draw_off_w(home.options.seed, day, home.presence(day), 1.0).sum() / 360_000 for day in days]
        return float(np.mean(draws))

    by_people = {count: [kwh(home) for home in homes if len(home.people) == count] for count in (1, 3)}
    assert 0.3 < np.mean(by_people[1]) < np.mean(by_people[3]) < 12
    days = ((home, day) for home in homes for day in range(20_000, 20_400))
    empty = next(home.presence(day) for home, day in days if not home.presence(day).home.any())
    assert not draw_off_w(1, 20_000, empty, 1.0).any()


def test_the_past_is_answered_from_memory() -> None:
    """A fault asks what the meter showed when it began."""
    boiler = Boiler(BoilerOptions(start_c=20), nothing, Switch())
    whole = boiler.at(minutes(60))
    again = boiler.at(minutes(60)[10:20])
    for name, column in again.items():
        assert column.tolist() == whole[name][10:20].tolist()


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"t_ms": "x"}'])
def test_a_damaged_memory_is_none(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "state").write_bytes(text)
    assert load_state(tmp_path / "state") is None


def test_memory_comes_back(tmp_path: Path) -> None:
    state = BoilerState(T0, 51.5, heating=True, used_wh=12.25)
    save_state(tmp_path / "new" / "state", state)
    assert load_state(tmp_path / "new" / "state") == state


# ---- behind a meter


class Clock:
    def __init__(self) -> None:
        self.now_ms = T0 + 40 * DAY_MS

    def __call__(self) -> int:
        return self.now_ms


def meter(clock: Clock, name: str, file: Path | None = None, **options: object) -> SimulatedSensor:
    table = {"boiler": {"name": name, "start_c": 20, "draw": 0}, "sample_interval": "10s", **options}
    checked = convert(table, SimulatedOptions)
    if file is not None:
        checked = msgspec.structs.replace(checked, state_file=file)
    return SimulatedSensor("m", checked, clock_ms=clock)


def read(sensor: SimulatedSensor, clock: Clock, ms: int) -> list[dict[str, float]]:
    clock.now_ms += ms
    rows: list[dict[str, float]] = []
    while chunk := sensor.read(0.0):
        rows += [dict(reading.values) for reading in chunk]
    return rows


def test_the_meter_shows_the_boiler_and_the_relay_takes_it_away() -> None:
    clock = Clock()
    sensor = meter(clock, "a")
    relay = SimulatedRelay(None, "boiler", SimulatedRelayOptions(boiler="a"))
    home = SimulatedSensor("m", SimulatedOptions(sample_interval=DurationMs(10_000)), clock_ms=clock)
    sensor.open()
    home.open()
    on = read(sensor, clock, 600_000)
    alone = read(home, clock, 0)
    assert [row["power_w"] - other["power_w"] for row, other in zip(on, alone, strict=True)] == [2000.0] * 61
    relay.set(on=False)
    off = read(sensor, clock, 600_000)
    assert [row["power_w"] for row in off] == [row["power_w"] for row in read(home, clock, 0)]
    used = off[-1]["energy_import_kwh"] - read_register(home)
    assert used == pytest.approx(2 * 600 / 3600, abs=0.01)


def read_register(home: SimulatedSensor) -> float:
    """What the home without a boiler shows now."""
    assert home._progress is not None
    return float(home._source(np.array([home._progress.read_until_ms]))["energy_import_kwh"][0])


def test_a_restart_goes_on_with_the_same_register(tmp_path: Path) -> None:
    clock = Clock()
    first = meter(clock, "b", tmp_path / "state")
    first.open()
    before = read(first, clock, 3_600_000)
    clock.now_ms += 60_000  # away for a minute
    second = meter(clock, "b", tmp_path / "state", history="1d")
    second.open()
    after = read(second, clock, 600_000)
    assert len(after) < 20 * 60  # the day before was given by the first one
    assert 0 < after[0]["energy_import_kwh"] - before[-1]["energy_import_kwh"] < 1
    assert after[0]["water_c"] == pytest.approx(before[-1]["water_c"], abs=1)


@pytest.mark.parametrize("days", [-30, 2])
def test_a_memory_of_another_time_is_left(tmp_path: Path, days: int) -> None:
    clock = Clock()
    save_state(tmp_path / "state", BoilerState(clock.now_ms + days * DAY_MS, 33.0, heating=True, used_wh=5.0))
    sensor = meter(clock, "c", tmp_path / "state")
    sensor.open()
    assert read(sensor, clock, 10_000)[-1]["water_c"] == pytest.approx(20, abs=0.2)


def test_a_boiler_is_electric() -> None:
    with pytest.raises(ConfigError, match='boiler: needs kind = "electricity"'):
        meter(Clock(), "d", kind="gas")


# ---- its relay


def test_a_relay_with_a_file_is_where_its_file_says(tmp_path: Path) -> None:
    file = tmp_path / "relay"
    file.write_text("off\n")
    relay = SimulatedRelay(None, "boiler", SimulatedRelayOptions(boiler="e", file=file))
    assert (relay.state(), switch_named("e").on) == (False, False)
    file.write_text("nonsense")
    assert relay.state() is False
    file.write_text("dead")
    with pytest.raises(RelayError):
        relay.state()


def test_a_relay_that_can_not_write_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    relay = SimulatedRelay(None, "boiler", SimulatedRelayOptions(boiler="f", file=tmp_path / "file" / "relay"))
    with pytest.raises(RelayError):
        relay.set(on=False)
    assert switch_named("f").on
