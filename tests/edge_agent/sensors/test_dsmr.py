"""The P1 sensor: a real serial line (a pseudo-terminal), telegrams in, readings out."""

import os
import select
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec
import pytest

from edge_agent.errors import SensorError
from edge_agent.ports import Sensor
from edge_agent.sensors.dsmr import OPTIONS, SENSOR, DsmrOptions, DsmrSensor, TelegramReadings
from edge_agent.sensors.p1_telegram import MBusDevice, Telegram
from tests.edge_agent.sensors.p1_samples import ELECTRICITY_V2, ELECTRICITY_V5, GAS, GAS_V2, telegram
from tests.services.serial_pair import SerialPair
from wattline.config import DurationMs, convert
from wattline.errors import ConfigError
from wattline.reading import Reading

DEADLINE_S = 20.0
METER_MS = 1_705_318_496_000
"""The clock of the version 5 sample, 2024-01-15 11:34:56 UTC."""
GAS_MS = 1_705_318_200_000
V5 = telegram(ELECTRICITY_V5 + GAS)


@pytest.fixture
def make_sensor(serial_pair: SerialPair) -> Iterator[Callable[[Mapping[str, object]], DsmrSensor]]:
    """Makes opened sensors on the test's serial line."""
    opened: list[DsmrSensor] = []

    def make(options: Mapping[str, object]) -> DsmrSensor:
        sensor = SENSOR("house", convert({"port": serial_pair.device, **options}, OPTIONS))
        opened.append(sensor)
        sensor.open()
        return sensor

    yield make
    for sensor in opened:
        sensor.close()


MakeSensor = Callable[[Mapping[str, object]], DsmrSensor]


def read_until(sensor: Sensor, count: int) -> list[Reading]:
    """All readings until there are `count`, or the deadline."""
    readings: list[Reading] = []
    deadline_s = time.monotonic() + DEADLINE_S
    while len(readings) < count and time.monotonic() < deadline_s:
        readings += sensor.read(timeout_s=0.0)
    return readings


def wait_until_readable(device: str) -> None:
    """Wait until written bytes have crossed the line and lie in the port's buffer."""
    port = os.open(device, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        assert select.select([port], [], [], DEADLINE_S)[0]
    finally:
        os.close(port)


# ---------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("table", "where"),
    [
        pytest.param({}, "port", id="no port"),
        pytest.param({"port": ""}, "port", id="empty port"),
        pytest.param({"port": "p", "profile": "v9"}, "profile", id="unknown profile"),
        pytest.param({"port": "p", "baudrate": -1}, "baudrate", id="negative baud rate"),
        pytest.param({"port": "p", "stale_after": "soon"}, "stale_after", id="no duration"),
        pytest.param({"port": "p", "clock": "wall"}, "clock", id="unknown clock"),
        pytest.param({"port": "p", "prot": 1}, "prot", id="unknown key"),
    ],
)
def test_a_wrong_option_is_named(table: dict[str, object], where: str) -> None:
    with pytest.raises(ConfigError, match=where):
        convert(table, OPTIONS)


def test_the_defaults_fit_a_version_5_meter() -> None:
    options = convert({"port": "/dev/ttyUSB0"}, OPTIONS)
    assert options == DsmrOptions("/dev/ttyUSB0", "v5", 0, "", "meter", DurationMs(60_000))


# ---------------------------------------------------------------- telegram to readings


def _gas(channel: int, t_ms: int, value: float = 1.0) -> MBusDevice:
    return MBusDevice(channel, "gas", "", t_ms, value)


def _telegram(*gas: MBusDevice, t_ms: int | None = 1_000_000) -> Telegram:
    return Telegram("", "50", "", t_ms, {"power_w": 5.0}, gas)


def _of(options: Mapping[str, object], *telegrams: Telegram, arrived_ms: int = 5_000_000) -> list[tuple[str, int]]:
    readings = TelegramReadings("house", msgspec.convert({"port": "p", **options}, DsmrOptions))
    return [(reading.meter, reading.t_ms) for sent in telegrams for reading in readings.of(sent, arrived_ms)]


@pytest.mark.parametrize(
    ("options", "sent", "expected"),
    [
        pytest.param({}, [_telegram()], [("house", 1_000_000)], id="the meter's clock"),
        pytest.param({}, [_telegram(t_ms=None)], [("house", 5_000_000)], id="no clock in the meter: the gateway's"),
        pytest.param({"clock": "gateway"}, [_telegram()], [("house", 5_000_000)], id="the gateway's clock"),
        pytest.param({}, [_telegram(_gas(1, 900_000))], [("house", 1_000_000)], id="gas only when it is enabled"),
        pytest.param(
            {"gas_meter": "gas"},
            [_telegram(_gas(1, 900_000))],
            [("gas", 900_000), ("house", 1_000_000)],
            id="gas keeps its own, earlier time",
        ),
        pytest.param(
            {"gas_meter": "gas", "clock": "gateway"},
            [_telegram(_gas(1, 900_000))],
            [("gas", 4_900_000), ("house", 5_000_000)],
            id="the gateway's clock keeps the age of gas",
        ),
    ],
)
def test_times_of_readings(options: dict[str, object], sent: list[Telegram], expected: list[tuple[str, int]]) -> None:
    assert _of(options, *sent) == expected


@pytest.mark.parametrize(
    ("gas", "expected_ms"),
    [
        pytest.param([_gas(1, 10), _gas(1, 10), _gas(1, 20)], [10, 20], id="once for each of its times"),
        pytest.param([_gas(1, 20), _gas(1, 10)], [20, 10], id="its clock was set back"),
        pytest.param([_gas(1, 10), _gas(2, 20)], [10, 20], id="swapped: the new one is later"),
        pytest.param([_gas(2, 20), _gas(1, 10), _gas(2, 20), _gas(2, 30)], [20, 30], id="the dead one stays dead"),
        pytest.param([_gas(1, 10, 0.0)], [10], id="0 m3 is a reading"),
    ],
)
def test_gas_goes_out_when_its_own_time_changes(gas: list[MBusDevice], expected_ms: list[int]) -> None:
    sent = [_telegram(device) for device in gas]
    assert [t_ms for meter, t_ms in _of({"gas_meter": "gas"}, *sent) if meter == "gas"] == expected_ms


# ---------------------------------------------------------------- over a serial line


def test_a_telegram_becomes_readings_of_both_meters(serial_pair: SerialPair, make_sensor: MakeSensor) -> None:
    sensor = make_sensor({"gas_meter": "gas"})
    serial_pair.write(V5)
    gas, electricity = read_until(sensor, 2)
    assert gas == Reading("gas", GAS_MS, {"gas_m3": 1234.567})
    assert (electricity.meter, electricity.t_ms) == ("house", METER_MS)
    assert electricity.values["power_w"] == 1234.0


def test_a_version_2_meter_is_stamped_with_the_gateways_clock(serial_pair: SerialPair, make_sensor: MakeSensor) -> None:
    sensor = make_sensor({"profile": "v2"})
    before_ms = time.time_ns() // 1_000_000
    serial_pair.write(telegram(ELECTRICITY_V2 + GAS_V2, crc=False))
    [reading] = read_until(sensor, 1)
    assert before_ms <= reading.t_ms <= time.time_ns() // 1_000_000
    assert reading.values == {"energy_import_kwh": 12.345, "power_w": 1500.0}


def test_what_waited_in_the_line_before_opening_is_thrown_away(
    serial_pair: SerialPair, make_sensor: MakeSensor
) -> None:
    serial_pair.write(telegram(("0-0:1.0.0(200101000000W)", "1-0:1.7.0(99.000*kW)")))
    wait_until_readable(serial_pair.device)
    sensor = make_sensor({})
    serial_pair.write(V5)
    assert [reading.t_ms for reading in read_until(sensor, 1)] == [METER_MS]


def test_no_telegram_yet_is_no_reading(make_sensor: MakeSensor) -> None:
    assert list(make_sensor({}).read(timeout_s=0.0)) == []


def test_a_bad_telegram_is_counted_and_the_next_one_is_read(serial_pair: SerialPair, make_sensor: MakeSensor) -> None:
    sensor = make_sensor({})
    serial_pair.write(V5.replace(b"01.234", b"01.235") + V5)
    assert len(read_until(sensor, 1)) == 1
    assert sensor.rejected == {"crc": 1}


def test_a_megabyte_of_noise_disturbs_nothing_after_it(serial_pair: SerialPair, make_sensor: MakeSensor) -> None:
    sensor = make_sensor({})
    noise = bytes(range(256)) * 4096
    writer = threading.Thread(target=lambda: serial_pair.write(noise + b"\r\n" + V5), daemon=True)
    writer.start()
    [reading] = read_until(sensor, 1)
    writer.join(DEADLINE_S)
    assert reading.t_ms == METER_MS
    assert sensor._framer.dropped_bytes > len(noise) // 2


def test_a_real_serial_log_goes_through_whole(corpus: Path, serial_pair: SerialPair, make_sensor: MakeSensor) -> None:
    stream = (corpus / "captures" / "dsmr_p1_stream" / "ttyUSB0-raw.part_dev.txt").read_bytes()
    sensor = make_sensor({})
    writer = threading.Thread(target=serial_pair.write, args=(stream,), daemon=True)
    writer.start()
    readings = read_until(sensor, 120)
    writer.join(DEADLINE_S)
    assert len({reading.t_ms for reading in readings}) == 120
    assert sensor.rejected == {}


# ---------------------------------------------------------------- failures


def test_a_port_that_does_not_exist_is_a_sensor_error(tmp_path: Path) -> None:
    sensor = DsmrSensor("house", DsmrOptions(str(tmp_path / "ttyUSB9")))
    with pytest.raises(SensorError, match="ttyUSB9"):
        sensor.open()


def test_a_file_that_is_no_port_is_a_sensor_error(tmp_path: Path) -> None:
    (tmp_path / "notes").touch()
    with pytest.raises(SensorError):
        DsmrSensor("house", DsmrOptions(str(tmp_path / "notes"))).open()


@pytest.mark.parametrize("port", ["nonsense://here", "socket://127.0.0.1:1"])
def test_an_address_nobody_answers_is_a_sensor_error(port: str) -> None:
    with pytest.raises(SensorError):
        DsmrSensor("house", DsmrOptions(port)).open()


def test_a_second_reader_of_a_port_is_refused(serial_pair: SerialPair, make_sensor: MakeSensor) -> None:
    make_sensor({})
    with pytest.raises(SensorError):
        DsmrSensor("other", DsmrOptions(serial_pair.device)).open()


def test_an_unplugged_line_is_a_sensor_error(serial_pair: SerialPair, make_sensor: MakeSensor) -> None:
    sensor = make_sensor({})
    serial_pair.unplug()
    with pytest.raises(SensorError):
        read_until(sensor, 1)


def test_a_meter_silent_for_too_long_is_a_sensor_error(serial_pair: SerialPair) -> None:
    now_s = 1000.0
    sensor = DsmrSensor("house", DsmrOptions(serial_pair.device), elapsed_s=lambda: now_s)
    sensor.open()
    try:
        now_s += 59
        serial_pair.write(V5.replace(b"01.234", b"01.235") + V5)
        assert len(read_until(sensor, 1)) == 1
        now_s += 59
        assert list(sensor.read(timeout_s=0.0)) == []
        now_s += 2
        with pytest.raises(SensorError, match=r"no valid telegram for 60 s \(1 crc, 0 bytes dropped\)"):
            sensor.read(timeout_s=0.0)
    finally:
        sensor.close()


def test_opening_again_starts_the_wait_again(serial_pair: SerialPair) -> None:
    now_s = 1000.0
    sensor = DsmrSensor("house", DsmrOptions(serial_pair.device), elapsed_s=lambda: now_s)
    sensor.open()
    try:
        now_s += 61
        with pytest.raises(SensorError, match="none rejected"):
            sensor.read(timeout_s=0.0)
        sensor.open()
        assert list(sensor.read(timeout_s=0.0)) == []
    finally:
        sensor.close()


def test_a_closed_sensor_can_be_opened_again(serial_pair: SerialPair, make_sensor: MakeSensor) -> None:
    sensor = make_sensor({})
    sensor.close()
    sensor.close()
    with pytest.raises(SensorError, match="not open"):
        sensor.read(timeout_s=0.0)
    sensor.open()
    serial_pair.write(V5)
    assert len(read_until(sensor, 1)) == 1
