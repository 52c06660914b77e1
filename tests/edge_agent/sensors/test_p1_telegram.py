"""P1 telegrams: cut out of any stream, checked, and read whatever the meter's generation."""

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dsmr_parser import telegram_specifications
from dsmr_parser.parsers import TelegramParser
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.sensors.p1_telegram import MAX_TELEGRAM_BYTES, MBusDevice, P1Framer, TelegramError, crc16, decode
from tests.edge_agent.sensors.p1_samples import (
    ELECTRICITY_V2,
    ELECTRICITY_V5,
    GAS,
    GAS_V2,
    IDENTIFICATION,
    crc16_bit_by_bit,
    telegram,
)

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
V5 = telegram(ELECTRICITY_V5 + GAS)
V2 = telegram(ELECTRICITY_V2 + GAS_V2, crc=False)


def utc_ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def frames(stream: bytes, size: int | None = None) -> list[bytes]:
    framer = P1Framer()
    size = size or max(len(stream), 1)
    return [frame for at in range(0, len(stream), size) for frame in framer.feed(stream[at : at + size])]


# ---------------------------------------------------------------- CRC


@given(st.binary(max_size=3000))
def test_the_fast_crc_is_the_defined_one(data: bytes) -> None:
    assert crc16(data) == crc16_bit_by_bit(data)


def test_crc_of_the_catalogue_check_string() -> None:
    assert crc16(b"123456789") == 0xBB3D


def test_crc_of_more_than_the_largest_telegram() -> None:
    data = bytes(range(256)) * 300
    assert crc16(data) == crc16_bit_by_bit(data)


# ---------------------------------------------------------------- framing


@pytest.mark.parametrize(
    ("stream", "expected", "dropped"),
    [
        pytest.param(V5, [V5.rstrip()], 0, id="one telegram"),
        pytest.param(V5 + V2, [V5.rstrip(), V2.rstrip()], 0, id="two telegrams"),
        pytest.param(b"9*kWh)\r\n!6EEE\r\n" + V5, [V5.rstrip()], 11, id="starts in mid-telegram"),
        pytest.param(V5[:100] + V5, [V5.rstrip()], 90, id="one was cut off"),
        pytest.param(b"\xff\x00/\x80" + V5, [V5.rstrip()], 4, id="noise with a slash before it"),
        pytest.param(b"/x!\x00" + V5, [V5.rstrip()], 4, id="noise that looks like an end"),
        pytest.param(b"/" + b"x" * MAX_TELEGRAM_BYTES + V5, [V5.rstrip()], MAX_TELEGRAM_BYTES + 1, id="too long"),
        pytest.param(b"/x!" + b"y" * 100 + V5, [V5.rstrip()], 103, id="no line end after the end mark"),
        pytest.param(V5[:-2], [], 0, id="the CRC may still grow"),
        pytest.param(V5.replace(b"\r\n", b"\n"), [V5.rstrip().replace(b"\r\n", b"\n")], 0, id="LF line ends"),
    ],
)
@pytest.mark.parametrize("size", [1, 7, None])
def test_telegrams_are_cut_out_of_the_stream(
    stream: bytes, expected: list[bytes], dropped: int, size: int | None
) -> None:
    framer = P1Framer()
    size = size or len(stream)
    found = [frame for at in range(0, len(stream), size) for frame in framer.feed(stream[at : at + size])]
    assert (found, framer.dropped_bytes) == (expected, dropped)


STREAM = st.lists(
    st.one_of(
        st.sampled_from([V5, V2, V5[:200], V5[300:], b"/", b"!", b"!12", b"\r\n", b"/\n!\n"]), st.binary(max_size=40)
    ),
    max_size=12,
).map(b"".join)


@given(STREAM, st.lists(st.integers(min_value=0, max_value=5000), max_size=12))
def test_any_pieces_give_the_same_telegrams_and_counts(stream: bytes, cuts: list[int]) -> None:
    whole, pieces = P1Framer(), P1Framer()
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    found = [frame for start, end in pairwise(edges) for frame in pieces.feed(stream[start:end])]
    assert found == whole.feed(stream)
    assert pieces.dropped_bytes == whole.dropped_bytes


@pytest.mark.parametrize("pattern", [b"/", b"!", b"/!", b"/!\n", b"/x", b"\r\n", b"\x00\xff", b"/!0000\r\n"])
def test_a_megabyte_of_noise_leaves_a_small_buffer(pattern: bytes) -> None:
    framer = P1Framer()
    largest = 0
    noise = (pattern * (1 << 20))[: 1 << 20]
    for at in range(0, len(noise), 4096):
        framer.feed(noise[at : at + 4096])
        largest = max(largest, len(framer._buffer))
    assert largest <= 2 * MAX_TELEGRAM_BYTES


@pytest.mark.parametrize("check_crc", [True, False])
@given(noise=st.binary(max_size=2000))
def test_noise_raises_nothing_but_telegram_errors(noise: bytes, *, check_crc: bool) -> None:
    for frame in [*frames(noise), b"/" + noise + b"!", noise]:
        with suppress(TelegramError):
            decode(frame, check_crc=check_crc)


@given(st.integers(min_value=0, max_value=len(V5) - 9), st.binary(min_size=1, max_size=1))
def test_a_changed_byte_never_passes_the_crc(at: int, byte: bytes) -> None:
    damaged = V5[:at] + byte + V5[at + 1 :]
    if damaged != V5:
        with pytest.raises(TelegramError):
            decode(damaged)


# ---------------------------------------------------------------- checking


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        pytest.param(V5.replace(b"01.234*kW", b"01.235*kW"), "crc", id="a changed value"),
        pytest.param(telegram(ELECTRICITY_V5, crc=False), "crc_missing", id="version 5 without CRC"),
        pytest.param(V2.replace(b"*kWh)", b"*kW"), "garbled", id="damaged, and no CRC to tell"),
        pytest.param(V2.replace(b"1-0:1.8.1(00012.345*kWh)\r\n", b"1-0:1.8.1(00012.3"), "garbled", id="lost bytes"),
        pytest.param(b"/x\r\n", "garbled", id="no end"),
        pytest.param(b"x!\r\n", "garbled", id="no start"),
        pytest.param(b"", "garbled", id="nothing"),
    ],
)
def test_what_is_no_telegram_is_refused_with_a_reason(bad: bytes, reason: str) -> None:
    with pytest.raises(TelegramError) as caught:
        decode(bad)
    assert caught.value.reason == reason


def _with_short_crc() -> bytes:
    """A telegram whose CRC starts with 0, written without it and in lower case."""
    for number in range(10_000):
        sent = telegram((*ELECTRICITY_V5, f"0-0:96.13.0({number:04})"))
        body, _, crc = sent.rstrip().rpartition(b"!")
        if crc.startswith(b"0") and crc.lower() != crc:
            return body + b"!" + crc.lstrip(b"0").lower() + b"\r\n"
    raise AssertionError


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(V5, id="CR LF"),
        pytest.param(V5.replace(b"\r\n", b"\n"), id="LF: the CRC is still over CR LF"),
        pytest.param(_with_short_crc(), id="unpadded, lower-case CRC"),
    ],
)
def test_a_valid_crc_is_recognised(sent: bytes) -> None:
    assert decode(sent).version == "50"


# ---------------------------------------------------------------- values


def test_a_version_5_telegram() -> None:
    read = decode(V5)
    assert (read.identification, read.version, read.equipment_id) == (IDENTIFICATION, "50", "WATTLINE001")
    assert read.t_ms == utc_ms("2024-01-15T11:34:56")
    assert read.values == {
        "energy_import_kwh": 3580.245,
        "energy_export_kwh": 30.5,
        "power_w": 1234.0,
        "power_l1_w": 1234.0,
        "voltage_l1_v": 231.5,
        "current_l1_a": 5.0,
    }
    assert read.devices == (MBusDevice(1, "gas", "GAS1", utc_ms("2024-01-15T11:30:00"), 1234.567),)


def test_a_version_2_telegram_has_no_clock_and_its_gas_on_two_lines() -> None:
    read = decode(V2)
    assert (read.version, read.t_ms) == ("", None)
    assert read.values == {"energy_import_kwh": 12.345, "power_w": 1500.0}
    assert read.devices == (MBusDevice(1, "gas", "GAS1", utc_ms("2024-07-15T10:00:00"), 42.125),)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param("1-0:1.7.0*255(000557.29*W)", {"power_w": 557.29}, id="*255 as EasyMeter writes it"),
        pytest.param("1-0:31.7.0.255(001*A)", {"current_l1_a": 1.0}, id=".255 as old texts write it"),
        pytest.param("1-0:1.8.0*01(000557.29*kWh)", {}, id="a billing period's register is not the current one"),
        pytest.param("1-0:1.7.0(-00.250*kW)", {"power_w": -250.0}, id="signed power"),
        pytest.param("1-0:1.7.0(01.193*kw)", {"power_w": 1193.0}, id="lower-case unit"),
        pytest.param("1-0:32.7.0(----*V)", {}, id="no number"),
        pytest.param("1-0:32.7.0(nan*V)", {}, id="nan is no number"),
        pytest.param("1-0:32.7.0(1_0*V)", {}, id="nor is what only Python reads"),
        pytest.param("1-0:32.7.0()", {}, id="empty"),
    ],
)
def test_electricity_lines(line: str, expected: Mapping[str, float]) -> None:
    assert decode(telegram([line])).values == expected


@pytest.mark.parametrize(
    ("sent", "utc"),
    [
        pytest.param("251026023000S", "2025-10-26T00:30:00", id="autumn, first 02:30"),
        pytest.param("251026023000W", "2025-10-26T01:30:00", id="autumn, second 02:30"),
        pytest.param("250330015959W", "2025-03-30T00:59:59", id="spring, last second of winter"),
        pytest.param("250330030000S", "2025-03-30T01:00:00", id="spring, first second of summer"),
        pytest.param("250330015959", "2025-03-30T00:59:59", id="spring without flag, last second of winter"),
        pytest.param("250330030000", "2025-03-30T01:00:00", id="spring without flag, first second of summer"),
        pytest.param("251026023000", "2025-10-26T00:30:00", id="autumn without flag: the first 02:30"),
        pytest.param("251026030000", "2025-10-26T02:00:00", id="autumn without flag, first second of winter"),
        pytest.param("240229120000W", "2024-02-29T11:00:00", id="leap day"),
        pytest.param("230229120000W", None, id="no such day"),
        pytest.param("250000000000W", None, id="a clock that was never set"),
        pytest.param("", None, id="empty"),
        pytest.param("24011512345W", None, id="a digit short"),
    ],
)
def test_the_meters_clock(sent: str, utc: str | None) -> None:
    assert decode(telegram([f"0-0:1.0.0({sent})"])).t_ms == (utc_ms(utc) if utc else None)


@given(st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2060, 1, 1)))  # noqa: DTZ001 - local time
def test_a_time_without_flag_follows_the_european_rule(local: datetime) -> None:
    local = local.replace(microsecond=0)
    exists = local.replace(tzinfo=AMSTERDAM).astimezone(UTC).astimezone(AMSTERDAM).replace(tzinfo=None) == local
    read = decode(telegram([f"0-0:1.0.0({local:%y%m%d%H%M%S})"]))
    if exists:
        assert read.t_ms == local.replace(tzinfo=AMSTERDAM).timestamp() * 1000


# ---------------------------------------------------------------- M-Bus devices


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param(
            ("0-1:24.1.0(003)", "0-1:96.1.1()", "0-1:24.2.3(632525252525W)(00000.000)"),
            MBusDevice(1, "gas", "", None, None),
            id="Belgian gas meter that was never paired",
        ),
        pytest.param(
            ("0-1:24.1.0(003)", "0-1:96.1.0(47)", "0-1:24.2.1(700101010000W)(00000000)"),
            MBusDevice(1, "gas", "G", None, None),
            id="1970 and no unit: it never took a reading",
        ),
        pytest.param(
            ("0-1:24.1.0(003)", "0-1:24.2.1(240115120000W)(00007.5)"),
            MBusDevice(1, "gas", "", utc_ms("2024-01-15T11:00:00"), 7.5),
            id="the only usual unit may be missing",
        ),
        pytest.param(
            ("0-1:24.1.0(003)", "0-1:24.2.1(240115120000W)(00000.000*m3)"),
            MBusDevice(1, "gas", "", utc_ms("2024-01-15T11:00:00"), 0.0),
            id="a glitch to 0 m3 stays visible",
        ),
        pytest.param(
            ("0-2:24.1.0(007)", "0-2:24.2.1(240115120000W)(00872.234*m3)"),
            MBusDevice(2, "water", "", utc_ms("2024-01-15T11:00:00"), 872.234),
            id="water",
        ),
        pytest.param(
            ("0-4:24.1.0(012)", "0-4:24.2.1(240115120000W)(00003.600*GJ)"),
            MBusDevice(4, "heat", "", utc_ms("2024-01-15T11:00:00"), 1000.0),
            id="heat in GJ",
        ),
        pytest.param(
            ("0-4:24.1.0(004)", "0-4:24.2.1(240115120000W)(00003.600)"),
            MBusDevice(4, "heat", "", utc_ms("2024-01-15T11:00:00"), None),
            id="heat without unit means nothing",
        ),
        pytest.param(
            ("0-1:24.1.0()", "0-1:24.2.1(240115120000W)(00001.000*m3)"),
            MBusDevice(1, "other", "", utc_ms("2024-01-15T11:00:00"), None),
            id="does not say what it is",
        ),
        pytest.param(
            ("0-3:24.1.0(003)", "0-3:96.1.0()"), MBusDevice(3, "gas", "", None, None), id="an empty place for gas"
        ),
    ],
)
def test_m_bus_devices(lines: tuple[str, ...], expected: MBusDevice) -> None:
    assert decode(telegram(lines)).devices == (expected,)


def _gas(channel: int, time: str, value: str) -> tuple[str, str]:
    return f"0-{channel}:24.1.0(003)", f"0-{channel}:24.2.1({time})({value})"


@pytest.mark.parametrize(
    ("lines", "channel"),
    [
        pytest.param(
            _gas(1, "170316120000W", "00123.456*m3") + _gas(2, "240115120000W", "00001.000*m3"), 2, id="dead 1, live 2"
        ),
        pytest.param(
            _gas(1, "240115120000W", "00001.000*m3") + _gas(2, "170316120000W", "00123.456*m3"), 1, id="live 1, dead 2"
        ),
        pytest.param(
            _gas(1, "700101010000W", "00000000") + _gas(2, "240115120000W", "00001.000*m3"), 2, id="1 never read"
        ),
        pytest.param(_gas(1, "632525252525W", "00000.000"), None, id="none alive"),
        pytest.param((), None, id="none at all"),
    ],
)
def test_the_newest_reading_is_the_live_gas_meter(lines: tuple[str, ...], channel: int | None) -> None:
    newest = decode(telegram(ELECTRICITY_V5 + lines)).newest("gas")
    assert (newest.channel if newest else None) == channel


def test_a_channel_with_a_switch_and_no_meter_is_no_device() -> None:
    assert decode(telegram(["0-3:96.3.10(0)"])).devices == ()


# ---------------------------------------------------------------- real telegrams


@pytest.mark.parametrize(
    ("name", "specification"),
    [
        ("V2_2", telegram_specifications.V2_2),
        ("V3", telegram_specifications.V3),
        ("V4_2", telegram_specifications.V4),
        ("V5", telegram_specifications.V5),
        ("FLUVIUS_V171", telegram_specifications.BELGIUM_FLUVIUS),
    ],
)
def test_real_telegrams_read_as_an_independent_parser_reads_them(
    corpus: Path, name: str, specification: dict[str, Any]
) -> None:
    raw = (corpus / "captures" / "dsmr_p1" / f"dsmr_parser_TELEGRAM_{name}.txt").read_bytes()
    ours = decode(frames(raw)[0])
    theirs = {key: value for key, value in TelegramParser(specification).parse(raw.decode("ascii")) if value}

    def number(key: str) -> float:
        return float(theirs[key].value)

    used = number("ELECTRICITY_USED_TARIFF_1") + number("ELECTRICITY_USED_TARIFF_2")
    returned = number("ELECTRICITY_DELIVERED_TARIFF_1") + number("ELECTRICITY_DELIVERED_TARIFF_2")
    power_kw = number("CURRENT_ELECTRICITY_USAGE") - number("CURRENT_ELECTRICITY_DELIVERY")
    assert ours.values["energy_import_kwh"] == pytest.approx(used)
    assert ours.values["energy_export_kwh"] == pytest.approx(returned)
    assert ours.values["power_w"] == pytest.approx(1000 * power_kw)
    for phase in (1, 2, 3):
        for key, ours_name in (
            (f"INSTANTANEOUS_VOLTAGE_L{phase}", f"voltage_l{phase}_v"),
            (f"INSTANTANEOUS_CURRENT_L{phase}", f"current_l{phase}_a"),
        ):
            assert (key in theirs) == (ours_name in ours.values)
            if key in theirs:
                assert ours.values[ours_name] == number(key)
    if "P1_MESSAGE_TIMESTAMP" in theirs:
        assert ours.t_ms == theirs["P1_MESSAGE_TIMESTAMP"].value.timestamp() * 1000


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param(
            "ESY5Q3DA1004_V304",
            {"energy_import_kwh": 32549.5061662, "power_w": 1688.21, "power_l1_w": 557.29, "power_l2_w": 521.62}
            | {"power_l3_w": 609.3},
            id="EasyMeter: *255, watts, no CRC, a serial number after the end",
        ),
        pytest.param(
            "SAGEMCOM_T210_D_R",
            {"energy_import_kwh": 6545.766, "energy_export_kwh": 0.058, "power_w": 286.0},
            id="Sagemcom: watt-hours, total beside tariffs",
        ),
    ],
)
def test_real_telegrams_of_other_countries(corpus: Path, name: str, expected: dict[str, float]) -> None:
    raw = (corpus / "captures" / "dsmr_p1" / f"dsmr_parser_TELEGRAM_{name}.txt").read_bytes()
    [frame] = frames(raw)
    assert decode(frame).values == expected


def _expected_values(electricity: dict[str, Any]) -> dict[str, float]:
    """A JSON file's values in our words; it counts in Wh and W, import and export apart."""
    registers = electricity.get("total") or {
        way: sum(tariff[way] for tariff in electricity["tariffs"].values()) for way in ("received", "returned")
    }
    values = {
        "energy_import_kwh": registers["received"] / 1000,
        "energy_export_kwh": registers["returned"] / 1000,
        "power_w": electricity["powerReceivedTotal"] - electricity["powerReturnedTotal"],
    }
    for phase in ("l1", "l2", "l3"):
        if "powerReceived" in electricity:
            imported, exported = electricity["powerReceived"][phase], electricity["powerReturned"][phase]
            values[f"power_{phase}_w"] = imported - exported
        if "voltage" in electricity:
            values[f"voltage_{phase}_v"] = electricity["voltage"][phase]
        if "current" in electricity:
            values[f"current_{phase}_a"] = electricity["current"][phase]
    return values


NODE_NAMES = (
    "dsmr-2.2-kfm-1",
    "dsmr-3.0-spec-example",
    "dsmr-4.0-isk-1",
    "dsmr-4.0-spec-example",
    "dsmr-4.2-kfm-1",
    "dsmr-4.2.2-spec-example",
    "dsmr-5.0-ene-1",
    "dsmr-5.0-spec-example",
    "dsmr-5.0-spec-example-lowercase",
    "dsmr-luxembourgh-spec-example",
    "emucs-p1-v2.1.1-spec-example-1",
    "iskra-mt-382-no-crc",
    "kamstrup-OMNIA-e-meter-three-phase",
)


def _node_case(corpus: Path, name: str) -> tuple[bytes, dict[str, Any]]:
    folder = corpus / "captures" / "dsmr_dlms_node" / "dsmr"
    lines = (folder / f"{name}.txt").read_bytes().split(b"\n")
    # The JSON passes over codes that end in .255; we read them (see the electricity lines above).
    text = b"\n".join(line for line in lines if b".255(" not in line)
    # One of the texts was copied without its last line.
    return (text if b"!" in text else text + b"!"), json.loads((folder / f"{name}.json").read_bytes())


def _local_iso(t_ms: int | None) -> str | None:
    """As the JSON files write times: the meter's local time with a Z behind it."""
    return None if t_ms is None else f"{datetime.fromtimestamp(t_ms / 1000, AMSTERDAM):%Y-%m-%dT%H:%M:%S}.000Z"


@pytest.mark.parametrize("name", NODE_NAMES)
def test_real_and_standard_telegrams_have_the_values_of_their_json(corpus: Path, name: str) -> None:
    text, expected = _node_case(corpus, name)
    [frame] = frames(text + b"\n")
    read = decode(frame, check_crc=False)
    assert read.values == pytest.approx(_expected_values(expected["electricity"]))
    devices = {str(device.channel): (_local_iso(device.t_ms), device.value) for device in read.devices}
    assert devices == {
        channel: (device.get("timestamp"), device.get("value")) for channel, device in expected["mBus"].items()
    }


@pytest.mark.parametrize("name", [name for name in NODE_NAMES if name != "kamstrup-OMNIA-e-meter-three-phase"])
def test_the_clock_is_that_of_the_json(corpus: Path, name: str) -> None:
    text, expected = _node_case(corpus, name)
    read = decode(text, check_crc=False)
    assert _local_iso(read.t_ms) == expected["metadata"].get("timestamp")


def test_a_clock_that_was_never_set_is_no_time(corpus: Path) -> None:
    text, _ = _node_case(corpus, "kamstrup-OMNIA-e-meter-three-phase")
    assert decode(text, check_crc=False).t_ms is None


@pytest.mark.parametrize("name", NODE_NAMES)
def test_the_crc_judges_as_the_json_does(corpus: Path, name: str) -> None:
    text, expected = _node_case(corpus, name)
    if expected.get("crcValid", True):
        decode(text)
    else:
        with pytest.raises(TelegramError) as caught:
            decode(text)
        assert caught.value.reason == "crc"


def test_a_real_serial_log_gives_all_its_telegrams(corpus: Path) -> None:
    stream = (corpus / "captures" / "dsmr_p1_stream" / "ttyUSB0-raw.part_dev.txt").read_bytes()
    read = [decode(frame) for frame in frames(stream, size=61)]
    times = [telegram.t_ms for telegram in read]
    assert len(read) == 120
    assert times[0] == utc_ms("2019-03-24T14:05:19")
    assert times == sorted(set(times), key=lambda t_ms: t_ms or 0)
    assert {len(telegram.values) for telegram in read} == {12}
