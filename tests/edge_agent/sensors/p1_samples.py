"""P1 telegrams made by the rules of the standard, with values of our own."""

from collections.abc import Sequence

IDENTIFICATION = r"WTL5\TEST-METER-01"

ELECTRICITY_V5 = (
    "1-3:0.2.8(50)",
    "0-0:1.0.0(240115123456W)",
    "0-0:96.1.1(574154544C494E45303031)",
    "1-0:1.8.1(001234.567*kWh)",
    "1-0:1.8.2(002345.678*kWh)",
    "1-0:2.8.1(000010.000*kWh)",
    "1-0:2.8.2(000020.500*kWh)",
    "0-0:96.14.0(0002)",
    "1-0:1.7.0(01.234*kW)",
    "1-0:2.7.0(00.000*kW)",
    "1-0:99.97.0(1)(0-0:96.7.19)(230101000000W)(0000000240*s)",
    "0-0:96.13.0()",
    "1-0:32.7.0(231.5*V)",
    "1-0:31.7.0(005*A)",
    "1-0:21.7.0(01.234*kW)",
    "1-0:22.7.0(00.000*kW)",
)

GAS = ("0-1:24.1.0(003)", "0-1:96.1.0(47415331)", "0-1:24.2.1(240115123000W)(01234.567*m3)")

ELECTRICITY_V2 = ("0-0:96.1.1(574154544C494E45303031)", "1-0:1.8.1(00012.345*kWh)", "1-0:1.7.0(0001.50*kW)")

GAS_V2 = ("0-1:24.1.0(3)", "0-1:96.1.0(47415331)", "0-1:24.3.0(240715120000)(00)(60)(1)(0-1:24.2.1)(m3)", "(00042.125)")


def crc16_bit_by_bit(data: bytes) -> int:
    """CRC-16/ARC straight from its definition: the independent check of the fast one."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def telegram(lines: Sequence[str], *, crc: bool = True) -> bytes:
    """A whole telegram, from "/" to the last line end."""
    body = "\r\n".join([f"/{IDENTIFICATION}", "", *lines, "!"]).encode("ascii")
    return body + (b"%04X" % crc16_bit_by_bit(body) if crc else b"") + b"\r\n"
