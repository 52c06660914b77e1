"""Every sensor of the table keeps the port's rules; no module is resolved by a name that does not exist."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge_agent.config import MeterConfig
from edge_agent.errors import EndOfReadingsError, SensorError
from edge_agent.ports import Sensor
from edge_agent.sensors import SENSORS, meter_options, sensor_kind
from tests.edge_agent.cloud_stand_in import wait_until
from tests.services.serial_pair import SerialPair
from wattline.errors import ConfigError
from wattline.quantities import quantity
from wattline.reading import Reading

Options = Callable[[Path], dict[str, Any]]
WORKING: dict[str, Options] = {
    "pattern": lambda _: {"quantities": 3, "interval": "20ms"},
    "replay": lambda folder: {"file": str(_csv(folder)), "speed": "max"},
    "simulated": lambda _: {"sample_interval": "1s", "speed": 100.0},
}
"""Options with which a sensor delivers by itself."""


def _csv(folder: Path) -> Path:
    file = folder / "meter.csv"
    file.write_text("time,power_w\n2024-01-01 00:00:00,1\n2024-01-01 00:00:01,2\n")
    return file


def make(name: str, folder: Path) -> Sensor:
    meter = MeterConfig(id="m", sensor=name, options=WORKING[name](folder))
    return sensor_kind(name).make("m", meter_options(meter, "meter[0]"))


def read_some(sensor: Sensor) -> Sequence[Reading]:
    found: list[Reading] = []

    def arrived() -> bool:
        found.extend(sensor.read(0.2))
        return bool(found)

    wait_until(arrived, "a reading")
    return found


@pytest.mark.parametrize("name", sorted(SENSORS))
def test_its_options_are_a_struct_that_knows_its_keys(name: str) -> None:
    options = sensor_kind(name).options
    assert issubclass(options, msgspec.Struct)
    assert options.__struct_config__.forbid_unknown_fields
    with pytest.raises(ConfigError, match=r"meter\[3\]\.options"):
        meter_options(MeterConfig(id="m", sensor=name, options={"no_such_option": 1}), "meter[3]")


@pytest.mark.parametrize("name", sorted(WORKING))
def test_it_delivers_readings_the_wire_can_carry(name: str, tmp_path: Path) -> None:
    sensor = make(name, tmp_path)
    sensor.open()
    readings = read_some(sensor)
    sensor.close()
    times = [reading.t_ms for reading in readings]
    assert times == sorted(times)
    assert all(type(reading.t_ms) is int for reading in readings)
    for reading in readings:
        assert reading.values
        assert all(
            quantity(key).name == key and isinstance(value, int | float) for key, value in reading.values.items()
        )


@pytest.mark.parametrize("name", sorted(WORKING))
def test_it_can_be_closed_at_any_time_and_opened_again(name: str, tmp_path: Path) -> None:
    sensor = make(name, tmp_path)
    sensor.close()
    for _ in range(2):
        sensor.open()
        assert read_some(sensor)
        sensor.close()
        sensor.close()


@pytest.mark.parametrize("name", sorted(WORKING))
def test_a_read_ends_in_time_with_or_without_readings(name: str, tmp_path: Path) -> None:
    """No test asserts times; a read that ignored its time-out would run into the suite's own."""
    sensor = make(name, tmp_path)
    sensor.open()
    ended = time.monotonic() + 0.5
    try:
        while time.monotonic() < ended:
            sensor.read(0.01)
    except EndOfReadingsError:
        pass
    finally:
        sensor.close()


def test_a_port_that_is_not_there_is_a_sensor_error(tmp_path: Path) -> None:
    meter = MeterConfig(id="m", sensor="dsmr", options={"port": str(tmp_path / "no-such-port")})
    sensor = sensor_kind("dsmr").make("m", meter_options(meter, "meter[0]"))
    with pytest.raises(SensorError, match="no-such-port"):
        sensor.open()
    sensor.close()


def test_a_silent_line_gives_nothing_and_can_be_closed(serial_pair: SerialPair) -> None:
    meter = MeterConfig(id="m", sensor="dsmr", options={"port": serial_pair.device})
    sensor = sensor_kind("dsmr").make("m", meter_options(meter, "meter[0]"))
    sensor.open()
    assert sensor.read(0.05) == []
    sensor.close()
    sensor.close()
