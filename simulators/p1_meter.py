"""A smart meter that speaks DSMR P1: a simulated home's telegrams, every second, on a pseudo-terminal.

Telegrams follow the DSMR 5.0.2 P1 companion standard: CR LF line ends, OBIS lines, and a CRC16 over everything up to
and with the exclamation mark. Times are written as winter time (`W`, UTC+1) all year, which is unambiguous.
"""

import os
import pty
import termios
import threading
import time
import tty
from pathlib import Path
from typing import Final

import numpy as np

from simulators.errors import SimulationError
from simulators.household import Household, HouseholdOptions

_CRC_POLYNOMIAL: Final = 0xA001
_WINTER_S: Final = 3600
_GAS_EVERY_MS: Final = 300_000
_WRITE_TIMEOUT_S: Final = 0.5


def crc16(data: bytes) -> int:
    """The P1 port's checksum: CRC-16/ARC, reflected polynomial 0xA001, no final exclusive-or."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (_CRC_POLYNOMIAL if crc & 1 else 0)
    return crc


def telegram(home: Household, t_ms: int) -> bytes:
    """The telegram that a home's meter sends at an instant.

    Args:
        home: The home; its gas meter reports every five minutes.
        t_ms: The time, ms UTC, on a whole second.
    """
    now = home.electricity(np.array([t_ms], np.int64))
    gas_ms = t_ms - t_ms % _GAS_EVERY_MS
    gas = home.gas(np.array([gas_ms], np.int64))
    power_kw = float(now["power_w"][0]) / 1000
    voltage = float(now["voltage_v"][0])
    lines = [
        "/WTL5\\2WATTLINE-SIM",
        "",
        "1-3:0.2.8(50)",
        f"0-0:1.0.0({_stamp(t_ms)})",
        "0-0:96.1.1(57415454303031)",
        f"1-0:1.8.1({float(now['energy_import_kwh'][0]):010.3f}*kWh)",
        "1-0:1.8.2(000000.000*kWh)",
        "1-0:2.8.1(000000.000*kWh)",
        "1-0:2.8.2(000000.000*kWh)",
        "0-0:96.14.0(0001)",
        f"1-0:1.7.0({power_kw:06.3f}*kW)",
        "1-0:2.7.0(00.000*kW)",
        f"1-0:32.7.0({voltage:05.1f}*V)",
        f"1-0:31.7.0({round(power_kw * 1000 / max(voltage, 1)):03d}*A)",
        "0-1:24.1.0(003)",
        "0-1:96.1.0(57415454303032)",
        f"0-1:24.2.1({_stamp(gas_ms)})({float(gas['gas_m3'][0]):09.3f}*m3)",
        "!",
    ]
    body = "\r\n".join(lines).encode("ascii")
    return body + f"{crc16(body):04X}\r\n".encode("ascii")


def _stamp(t_ms: int) -> str:
    return time.strftime("%y%m%d%H%M%S", time.gmtime(t_ms // 1000 + _WINTER_S)) + "W"


class P1Meter:
    """The meter's end of a pseudo-terminal.

    Args:
        link: A symbolic link to the other end is made here: the port an agent opens.
        seed: Which home.
    """

    def __init__(self, link: Path, seed: int) -> None:
        self._home = Household(HouseholdOptions(seed=seed))
        self._master, slave = pty.openpty()
        tty.setraw(slave)
        termios.tcflush(slave, termios.TCIOFLUSH)
        self._slave = slave
        self.sent = 0
        part = link.with_name(f"{link.name}.part")
        try:
            part.unlink(missing_ok=True)
            part.symlink_to(os.ttyname(slave))
            part.replace(link)
        except OSError as error:
            raise SimulationError(f"{link}: {error.strerror}") from error
        os.set_blocking(self._master, False)

    def run(self, stop: threading.Event) -> None:
        """Send a telegram at every full second until `stop`; nobody needs to listen."""
        next_ms = _now_ms() // 1000 * 1000 + 1000
        while not stop.wait(max(0, next_ms - _now_ms()) / 1000):
            self._send(telegram(self._home, next_ms))
            next_ms = max(next_ms + 1000, _now_ms() // 1000 * 1000)

    def close(self) -> None:
        """Let go of the pseudo-terminal."""
        os.close(self._master)
        os.close(self._slave)

    def _send(self, data: bytes) -> None:
        """Write a telegram; a line that nobody reads fills up, and then telegrams are lost, as on a real one."""
        give_up_s = time.monotonic() + _WRITE_TIMEOUT_S
        while data and time.monotonic() < give_up_s:
            try:
                data = data[os.write(self._master, data) :]
            except BlockingIOError:
                termios.tcflush(self._slave, termios.TCIFLUSH)
                return
        self.sent += 1


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
