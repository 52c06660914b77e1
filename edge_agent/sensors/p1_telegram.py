"""DSMR P1 telegrams: from bytes in any pieces to values, without any port.

`P1Framer` cuts telegrams out of a byte stream, `decode` reads one. Covers
DSMR 2.2, 3, 4 and 5 and the national variants of the same form (e-MUCS
Belgium, Luxembourg, Sweden, Austria's open port): "/" identification, OBIS
lines, "!" and from version 4 on a CRC16.

Source: DSMR 5.0.2 P1 companion standard, chapters 5 and 6; IEC 62056-21, which
keeps "/" and "!" out of every other place of a telegram.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from math import isnan, nan
from typing import Final, Literal

import msgspec

from wattline.errors import WattlineError
from wattline.obis import (
    MBUS_IDS,
    MBUS_KINDS,
    MBUS_QUANTITIES,
    MBUS_READINGS,
    MBUS_TYPE,
    REGISTERS,
    convert,
    quantities,
)

Reason = Literal["crc", "crc_missing", "garbled"]


class TelegramError(WattlineError):
    """These bytes are not a telegram; drop them, count them, wait for the next.

    Attributes:
        reason: "crc" the sum is wrong; "crc_missing" a meter of version 4 or
            later sent none; "garbled" the text is no telegram.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: Reason = reason


class MBusDevice(msgspec.Struct, frozen=True):
    """A meter behind the electricity meter: gas, water, heat.

    Attributes:
        channel: 1 to 4, in the order of installation.
        kind: "gas", "water", "heat", "cooling", "electricity" or "other".
        equipment_id: As the device calls itself; "" when not paired.
        t_ms: When it took its reading, milliseconds UTC; None when it never
            did: not paired, or a date before 2000.
        value: Its register in the unit of its quantity (m3, kWh); None
            without a time, or in a unit that does not fit.
    """

    channel: int
    kind: str
    equipment_id: str
    t_ms: int | None
    value: float | None


class Telegram(msgspec.Struct, frozen=True):
    """Everything Wattline takes from one telegram.

    Attributes:
        identification: The meter's make and model, without the "/".
        version: As sent: "42", "50", in Belgium "50217"; "" before DSMR 4.
        equipment_id: Of the electricity meter; "" when it sends none.
        t_ms: The meter's clock, milliseconds UTC; None without a valid one.
        values: Quantity to value of the electricity meter.
        devices: The M-Bus devices by channel, dead ones included.
    """

    identification: str
    version: str
    equipment_id: str
    t_ms: int | None
    values: Mapping[str, float]
    devices: tuple[MBusDevice, ...]

    def newest(self, kind: str) -> MBusDevice | None:
        """The device of that kind with the newest reading.

        A swapped meter leaves its dead predecessor on a channel for ever, so
        neither the first nor the last channel is the right one.
        """
        alive = [device for device in self.devices if device.kind == kind and device.value is not None]
        return max(alive, key=lambda device: device.t_ms or 0, default=None)


# ---------------------------------------------------------------- framing

MAX_TELEGRAM_BYTES: Final = 8192
"""A DSMR 5 telegram with two text messages stays under 4 KiB."""

_MAX_TRAILER_BYTES: Final = 16
_START: Final = ord("/")
_MARK: Final = re.compile(rb"[/!]")
_LINE_END: Final = re.compile(rb"[\r\n/]")


class P1Framer:
    """Cuts whole telegrams out of a byte stream; result and counters do not depend on the pieces.

    The stream may start anywhere. What lies outside a telegram, belongs to
    one that was cut off, or grows past the limit, is dropped and counted. The
    buffer never holds more than two telegrams' limit.

    Attributes:
        dropped_bytes: Bytes that became part of no telegram, line ends aside.
    """

    def __init__(self, max_bytes: int = MAX_TELEGRAM_BYTES) -> None:
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._scanned = 0
        self.dropped_bytes = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes as they arrive.

        Returns:
            The telegrams that these bytes completed, "/" to the last byte
            before the line end that closes them.
        """
        telegrams: list[bytes] = []
        for start in range(0, len(data), self._max_bytes):
            self._buffer += data[start : start + self._max_bytes]
            while self._advance(telegrams):
                pass
        return telegrams

    def _advance(self, telegrams: list[bytes]) -> bool:
        """One step: skip to a start, restart, emit or give up; False when more bytes are needed."""
        if not self._buffer:
            return False
        if self._buffer[0] != _START:
            start = self._buffer.find(b"/")
            self._drop(start if start >= 0 else len(self._buffer))
            return start >= 0
        mark = _MARK.search(self._buffer, max(self._scanned, 1), self._max_bytes)
        if mark is None:
            return self._give_up_at(self._max_bytes)
        if mark.group() == b"/":
            self._drop(mark.start())
            return True
        return self._finish(mark.start(), telegrams)

    def _finish(self, bang: int, telegrams: list[bytes]) -> bool:
        limit = bang + _MAX_TRAILER_BYTES
        end = _LINE_END.search(self._buffer, bang, limit)
        if end is None:
            return self._give_up_at(limit, scanned=bang)
        if end.group() == b"/":
            self._drop(end.start())
            return True
        telegrams.append(bytes(self._buffer[: end.start()]))
        self._remove(end.start())
        return True

    def _give_up_at(self, limit: int, scanned: int | None = None) -> bool:
        if len(self._buffer) < limit:
            self._scanned = len(self._buffer) if scanned is None else scanned
            return False
        self._drop(1)
        return True

    def _drop(self, count: int) -> None:
        dropped = self._buffer[:count]
        self.dropped_bytes += count - dropped.count(b"\r") - dropped.count(b"\n")
        self._remove(count)

    def _remove(self, count: int) -> None:
        del self._buffer[:count]
        self._scanned = 0


# ---------------------------------------------------------------- CRC

_MIRRORED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_FOLDS: Final = tuple((15 << step, 1 << step, (1 << (15 << step)) - 1) for step in range(12, -1, -1))


def crc16(data: bytes) -> int:
    """CRC16 as P1 uses it (polynomial x16+x15+x2+1, reflected, start 0; "CRC-16/ARC").

    Works on all bits at once as one big integer, ten times faster than a
    table byte by byte. The polynomial is (x+1)(x^15+x+1), and squaring keeps
    a trinomial sparse: x^(15k) = x^k + 1 modulo the second factor for every
    power of two k. So the part above bit 15k is folded down by two shifts,
    with k halved until 15 bits remain; modulo x+1 the remainder is the parity.
    """
    remainder = int.from_bytes(data.translate(_MIRRORED), "big") << 16
    parity = remainder.bit_count() & 1
    for bits, shift, mask in _FOLDS:
        while high := remainder >> bits:
            remainder = (remainder & mask) ^ high ^ (high << shift)
    if remainder.bit_count() & 1 != parity:
        remainder ^= 0x8003
    return int(f"{remainder:016b}"[::-1], 2)


# ---------------------------------------------------------------- decoding

_TRAILER: Final = re.compile(rb"![ \t]*([0-9A-Fa-f]{0,4})[ \t]*\Z")
_GROUPS: Final = r"(?:\([^()\n]*\))+"
_OBJECT: Final = re.compile(rf"^(\d+-\d+:\d+[.:]\d+\.\d+)(?:[.*]255)?({_GROUPS})$", re.MULTILINE)
_OBJECT_LINE: Final = re.compile(rf"[\d:.*&-]+{_GROUPS}")
_AMOUNT: Final = re.compile(r"\((-?\d+(?:\.\d*)?)(?:\*([^()*]*))?\)")
_CHANNELS: Final = ("0-1:", "0-2:", "0-3:", "0-4:")

Objects = Mapping[str, str]
"""OBIS code to its groups as sent, such as "(161129200000W)(00981.443*m3)"."""


def decode(telegram: bytes, *, check_crc: bool = True) -> Telegram:
    """Read one telegram as `P1Framer` delivers it.

    Line ends may be CR LF or, from adapters that rewrite them, LF alone: the
    CRC is then taken as the meter made it, over CR LF.

    Args:
        telegram: From "/" to the CRC; line ends after it do not matter.
        check_crc: False for texts edited by people.

    Raises:
        TelegramError: The CRC is wrong or missing, or this is no telegram.
    """
    telegram = telegram.rstrip(b"\r\n")
    trailer = _TRAILER.search(telegram, max(len(telegram) - _MAX_TRAILER_BYTES, 0))
    if trailer is None or telegram[0] != _START:
        raise TelegramError("garbled", "no text from / to !")
    checked = bool(trailer[1]) and check_crc
    if checked:
        _verify(telegram[: trailer.start() + 1], int(trailer[1], 16))
    head, _, body = telegram[1 : trailer.start()].decode("latin-1").replace("\r", "").partition("\n")
    body = body.replace("\n(", "(")
    if not checked and check_crc:
        _require_object_lines(body)
    objects = dict(_OBJECT.findall(body))
    version = _version(objects)
    if not trailer[1] and version >= "4" and check_crc:
        raise TelegramError("crc_missing", f"version {version} without CRC")
    return _telegram(head, version, objects)


def _verify(covered: bytes, expected: int) -> None:
    if b"\r" not in covered:
        covered = covered.replace(b"\n", b"\r\n")
    actual = crc16(covered)
    if actual != expected:
        raise TelegramError("crc", f"computed {actual:04X}, sent {expected:04X}")


def _require_object_lines(body: str) -> None:
    """Without a CRC the form is all there is to tell a telegram from a damaged one."""
    for line in body.split("\n"):
        if line and not _OBJECT_LINE.fullmatch(line):
            raise TelegramError("garbled", f"not an OBIS line: {line[:40]!r}")


def _telegram(head: str, version: str, objects: Objects) -> Telegram:
    return Telegram(
        identification=head.strip(),
        version=version,
        equipment_id=_first_text(objects, ("0-0:96.1.1", "0-0:42.0.0", "0-0:96.1.0", "1-0:0.0.0")),
        t_ms=_time_ms(objects.get("0-0:1.0.0", "")[1:-1]),
        values=quantities((code, *_amount(objects[code])) for code in objects if code in REGISTERS),
        devices=tuple(_devices(objects)),
    )


def _version(objects: Objects) -> str:
    return objects.get("1-3:0.2.8", objects.get("0-0:96.1.4", "()"))[1:-1]


def _amount(groups: str) -> tuple[float, str]:
    """Number and unit of a group such as "(00.244*kW)"; NaN when it is no number."""
    match = _AMOUNT.fullmatch(groups)
    if match is None:
        return nan, ""
    return float(match[1]), match[2] or ""


def _first_text(objects: Objects, codes: Iterable[str]) -> str:
    """The first id that is not empty; P1 sends ids as hexadecimal ASCII."""
    sent = next((objects[code][1:-1] for code in codes if objects.get(code, "()") != "()"), "")
    try:
        text = bytes.fromhex(sent).decode("ascii")
    except ValueError:
        return sent
    return text if text.isprintable() else sent


# ---------------------------------------------------------------- M-Bus devices


def _devices(objects: Objects) -> Iterable[MBusDevice]:
    channels: dict[int, dict[str, str]] = {}
    for code, groups in objects.items():
        if code.startswith(_CHANNELS):
            channels.setdefault(int(code[2]), {})[code[4:]] = groups
    for channel, registers in sorted(channels.items()):
        if MBUS_TYPE in registers or not registers.keys().isdisjoint(MBUS_READINGS):
            yield _device(channel, registers)


def _device(channel: int, registers: Objects) -> MBusDevice:
    number = registers.get(MBUS_TYPE, "()")[1:-1]
    kind = MBUS_KINDS.get(int(number), "other") if number.isdecimal() else "other"
    code = next((code for code in MBUS_READINGS if code in registers), "")
    groups = registers.get(code, "()")[1:-1].split(")(")
    t_ms = _time_ms(groups[0])
    value = None if t_ms is None else _mbus_value(kind, groups, unit_before=code == "24.3.0")
    return MBusDevice(channel, kind, _first_text(registers, MBUS_IDS), t_ms, value)


def _mbus_value(kind: str, groups: list[str], *, unit_before: bool) -> float | None:
    """The last group is the value; its unit stands with it or, in the two-line form, in the group before."""
    if kind not in MBUS_QUANTITIES:
        return None
    value, unit = _amount(f"({groups[-1]})")
    if unit_before and not unit:
        unit = groups[-2]
    scaled = convert(value, unit, MBUS_QUANTITIES[kind][1])
    return None if isnan(scaled) else scaled


# ---------------------------------------------------------------- time

_TIME: Final = re.compile(r"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)([SW]?)")
_FIRST_YEAR_OF_1900S: Final = 70
_HOUR: Final = timedelta(hours=1)


def _time_ms(sent: str) -> int | None:
    """YYMMDDhhmmss with S (summer, UTC+2) or W (winter, UTC+1); before DSMR 4 without a flag.

    All countries with P1 keep Central European Time. A flagless time follows
    the European rule; the hour that autumn repeats is taken as its first.

    Returns:
        Milliseconds UTC; None for no time, an impossible one ("632525252525W"
        of a device that was never paired) or one before 2000 ("700101...").
    """
    match = _TIME.fullmatch(sent)
    if match is None or int(match[1]) >= _FIRST_YEAR_OF_1900S:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    try:
        local = datetime(2000 + year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    summer = match[7] == "S" if match[7] else _is_summer(local)
    return int((local - (2 if summer else 1) * _HOUR).timestamp()) * 1000


def _is_summer(local: datetime) -> bool:
    """The European rule in local time: last Sunday of March, 02:00, to last Sunday of October, 03:00."""
    start = _last_sunday(local.year, 3) + 2 * _HOUR
    end = _last_sunday(local.year, 10) + 3 * _HOUR
    return start <= local < end


def _last_sunday(year: int, month: int) -> datetime:
    last = datetime(year, month, 31, tzinfo=UTC)
    return last - timedelta(days=(last.weekday() + 1) % 7)
