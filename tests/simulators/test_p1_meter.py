"""The simulated smart meter: telegrams that two independent decoders read, on a line like a real one's."""

import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import serial
from dsmr_parser import telegram_specifications
from dsmr_parser.parsers import TelegramParser

from edge_agent.sensors.p1_telegram import P1Framer, decode
from simulators.errors import SimulationError
from simulators.household import Household, HouseholdOptions
from simulators.p1_meter import P1Meter, crc16, telegram

HOME = Household(HouseholdOptions(seed=7))
MOMENTS = [
    pytest.param("2026-01-15T12:34:56", id="winter"),
    pytest.param("2026-07-15T23:59:59", id="summer, the day changes in local time"),
    pytest.param("2026-10-25T00:30:00", id="the hour that local clocks show twice, first time"),
    pytest.param("2026-10-25T01:30:00", id="and second time"),
    pytest.param("2026-03-29T01:30:00", id="the hour that local clocks skip"),
    pytest.param("2026-12-31T23:00:00", id="the year changes in local time"),
    pytest.param("2026-11-20T10:05:00", id="a new gas reading"),
]


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(("data", "checksum"), [(b"", 0x0000), (b"123456789", 0xBB3D), (b"A", 0x30C0)])
def test_the_checksum_is_crc_16_arc(data: bytes, checksum: int) -> None:
    assert crc16(data) == checksum


@pytest.mark.parametrize("moment", MOMENTS)
def test_our_decoder_reads_back_the_home(moment: str) -> None:
    t_ms = _ms(moment)
    raw = telegram(HOME, t_ms)
    assert P1Framer().feed(raw) == [raw.removesuffix(b"\r\n")]
    found = decode(raw)
    now = HOME.electricity(np.array([t_ms], np.int64))
    assert (found.t_ms, found.version) == (t_ms, "50")
    assert found.values["power_w"] == pytest.approx(now["power_w"][0], abs=0.51)
    assert found.values["energy_import_kwh"] == pytest.approx(now["energy_import_kwh"][0], abs=0.00051)
    assert found.values["voltage_l1_v"] == pytest.approx(now["voltage_v"][0], abs=0.051)
    assert found.values["energy_export_kwh"] == 0
    gas = found.newest("gas")
    assert gas is not None
    assert gas.t_ms == t_ms - t_ms % 300_000, "gas is read every five minutes"
    register = HOME.gas(np.array([gas.t_ms], np.int64))["gas_m3"][0]
    assert gas.value == pytest.approx(register, abs=0.00051)


def test_an_independent_parser_reads_the_same() -> None:
    raw = telegram(HOME, _ms("2026-11-20T10:05:00"))
    ours = decode(raw)
    theirs = TelegramParser(telegram_specifications.V5).parse(raw.decode("ascii"))
    assert float(theirs.CURRENT_ELECTRICITY_USAGE.value) * 1000 == pytest.approx(ours.values["power_w"])
    assert float(theirs.ELECTRICITY_USED_TARIFF_1.value) == pytest.approx(ours.values["energy_import_kwh"])
    assert theirs.P1_MESSAGE_TIMESTAMP.value == datetime(2026, 11, 20, 10, 5, tzinfo=UTC)


def test_every_field_keeps_its_width() -> None:
    lengths = {len(telegram(HOME, _ms("2026-11-20T00:00:00") + hour * 3_600_000)) for hour in range(48)}
    assert len(lengths) == 1


def test_registers_only_grow() -> None:
    readings = [decode(telegram(HOME, _ms("2026-11-20T06:00:00") + s * 60_000)).values for s in range(120)]
    registers = [values["energy_import_kwh"] for values in readings]
    assert registers == sorted(registers)
    assert registers[-1] > registers[0]


@pytest.fixture
def meter(tmp_path: Path) -> Iterator[P1Meter]:
    opened = P1Meter(tmp_path / "port", 7)
    yield opened
    opened.close()


def _run(meter: P1Meter, until: threading.Event) -> threading.Thread:
    thread = threading.Thread(target=meter.run, args=(until,))
    thread.start()
    return thread


def test_a_serial_port_receives_a_telegram_at_each_full_second(meter: P1Meter, tmp_path: Path) -> None:
    stop = threading.Event()
    framer, found = P1Framer(), list[bytes]()
    with serial.Serial(str(tmp_path / "port"), 115_200, timeout=5) as line:
        thread = _run(meter, stop)
        try:
            deadline = time.monotonic() + 30
            while len(found) < 3 and time.monotonic() < deadline:
                found += framer.feed(line.read(max(1, line.in_waiting)))
        finally:
            stop.set()
            thread.join(10)
    times = [decode(one).t_ms or 0 for one in found[:3]]
    assert [t_ms % 1000 for t_ms in times] == [0, 0, 0]
    assert times == sorted(set(times)), "each second once"
    assert meter.sent >= 3


def test_a_meter_nobody_listens_to_does_not_block(meter: P1Meter) -> None:
    raw = telegram(HOME, _ms("2026-11-20T10:05:00"))
    for _ in range(200):
        meter._send(raw)
    assert 0 < meter.sent < 200, "the line is full, and telegrams are lost"


def test_the_link_is_replaced_and_works_again(tmp_path: Path) -> None:
    first = P1Meter(tmp_path / "port", 7)
    first.close()
    second = P1Meter(tmp_path / "port", 7)
    try:
        raw = telegram(HOME, _ms("2026-11-20T10:05:00"))
        port = os.open(tmp_path / "port", os.O_RDONLY | os.O_NOCTTY)
        second._send(raw)
        assert os.read(port, len(raw)) == raw
        os.close(port)
    finally:
        second.close()
    assert [entry.name for entry in tmp_path.iterdir()] == ["port"]


def test_a_place_for_no_link_is_a_readable_error(tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match=r"nowhere/port: No such file or directory"):
        P1Meter(tmp_path / "nowhere" / "port", 7)
