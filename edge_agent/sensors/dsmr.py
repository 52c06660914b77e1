"""A DSMR P1 port read through a serial line: the electricity meter and, behind it, the gas meter."""

import logging
import os
import termios
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Annotated, Final, Literal, NamedTuple

import msgspec
import serial

from edge_agent.errors import SensorError
from edge_agent.sensors.p1_telegram import MBusDevice, P1Framer, Telegram, TelegramError, decode
from wattline.config import DurationMs
from wattline.reading import Reading
from wattline.wire import MeterInfo

_log = logging.getLogger("edge_agent.sensors")

_WAIT_S: Final = 0.1
"""One wait for bytes; `read` may outlast its time-out by this much."""

_CHUNK_BYTES: Final = 4096


class _Line(NamedTuple):
    baudrate: int
    bytesize: int
    parity: str


_PROFILES: Final = {
    "v2": _Line(9600, serial.SEVENBITS, serial.PARITY_EVEN),
    "v4": _Line(115200, serial.EIGHTBITS, serial.PARITY_NONE),
    "v5": _Line(115200, serial.EIGHTBITS, serial.PARITY_NONE),
}
"""DSMR 2.2 and 3 speak 9600 7E1, everything later 115200 8N1."""


class DsmrOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `[meter.options]` of a `dsmr` meter.

    Attributes:
        port: Device file, best a stable one below /dev/serial/by-id; or any
            URL pyserial knows, such as socket://host:port for a P1 bridge.
        profile: "v5", "v4", or "v2" for DSMR 2.2 and 3.
        baudrate: Bits a second; 0 for the profile's own.
        gas_meter: Id under which the gas meter's readings go out; "" to leave
            them.
        clock: "meter" stamps readings with the meter's clock (the gateway's
            where the meter has none), "gateway" always with the gateway's.
        stale_after: So long without a valid telegram is a failure.
    """

    port: Annotated[str, msgspec.Meta(min_length=1)]
    profile: Literal["v2", "v4", "v5"] = "v5"
    baudrate: Annotated[int, msgspec.Meta(ge=0, le=4_000_000)] = 0
    gas_meter: str = ""
    clock: Literal["meter", "gateway"] = "meter"
    stale_after: DurationMs = DurationMs(60_000)


def further_meters(options: DsmrOptions) -> dict[str, MeterInfo]:
    """The gas meter behind the port, where its readings are wanted."""
    gas = options.gas_meter
    return {"gas_meter": MeterInfo(id=gas, kind="gas", unit="m3")} if gas else {}


class TelegramReadings:
    """Turns telegrams into readings; remembers which gas reading it gave last."""

    def __init__(self, meter_id: str, options: DsmrOptions) -> None:
        self._meter_id = meter_id
        self._options = options
        self._last_gas: MBusDevice | None = None

    def of(self, telegram: Telegram, arrived_ms: int) -> list[Reading]:
        """The readings of one telegram, by time.

        Args:
            telegram: As decoded.
            arrived_ms: When it arrived by the gateway's clock, milliseconds UTC.

        Returns:
            Electricity whenever it has values; gas when it is enabled and
            this is not the reading that went out last.
        """
        meter_ms = arrived_ms if telegram.t_ms is None else telegram.t_ms
        shift_ms = arrived_ms - meter_ms if self._options.clock == "gateway" else 0
        readings = [Reading(self._meter_id, meter_ms + shift_ms, telegram.values)] if telegram.values else []
        gas = telegram.newest("gas") if self._options.gas_meter else None
        if gas is not None and gas.t_ms is not None and gas.value is not None and self._is_new(gas):
            self._last_gas = gas
            readings.append(Reading(self._options.gas_meter, gas.t_ms + shift_ms, {"gas_m3": gas.value}))
        return sorted(readings, key=lambda reading: reading.t_ms)

    def _is_new(self, gas: MBusDevice) -> bool:
        """The same meter with another time (its clock may be set back), or another meter with a later one.

        A dead predecessor's last reading must not come back while the live meter is out of contact.
        """
        last = self._last_gas
        if last is None or last.channel == gas.channel:
            return last is None or last.t_ms != gas.t_ms
        return (gas.t_ms or 0) > (last.t_ms or 0)


class DsmrSensor:
    """A `Sensor` over pyserial.

    Args:
        meter_id: Id of the electricity meter.
        options: The port and what to make of it.
        elapsed_s: A clock that never jumps, in seconds; only differences count.

    Attributes:
        rejected: Telegrams that were dropped, by reason, since it was made.
    """

    def __init__(self, meter_id: str, options: DsmrOptions, *, elapsed_s: Callable[[], float] = time.monotonic) -> None:
        self._meter_id = meter_id
        self._options = options
        self._elapsed_s = elapsed_s
        self._readings = TelegramReadings(meter_id, options)
        self._port: serial.Serial | None = None
        self._framer = P1Framer()
        self._alive_s = 0.0
        self.rejected: Counter[str] = Counter()

    def open(self) -> None:
        """Open the port alone for us and throw away what waited in it: it may be hours old."""
        self.close()
        line = _PROFILES[self._options.profile]
        try:
            self._port = serial.serial_for_url(
                self._options.port,
                baudrate=self._options.baudrate or line.baudrate,
                bytesize=line.bytesize,
                parity=line.parity,
                timeout=_WAIT_S,
                exclusive=True,
            )
            # Device files are flushed by opening them; connections to a P1 bridge are not.
            self._port.reset_input_buffer()
        except (OSError, ValueError, termios.error) as error:
            self.close()
            raise SensorError(f"{self._options.port}: {_plain(error)}") from error
        self._framer = P1Framer()
        self._alive_s = self._elapsed_s()

    def read(self, timeout_s: float) -> Sequence[Reading]:
        """Wait for a telegram; see `edge_agent.ports.Sensor`."""
        deadline_s = self._elapsed_s() + timeout_s
        while True:
            readings = self._decoded(self._receive())
            if readings:
                return readings
            now_s = self._elapsed_s()
            if now_s - self._alive_s > self._options.stale_after.seconds:
                raise SensorError(self._staleness())
            if now_s >= deadline_s:
                return []

    def close(self) -> None:
        """Close the port."""
        port, self._port = self._port, None
        if port is None:
            return
        try:
            port.close()
        except (OSError, termios.error) as error:
            _log.debug("event=close_failed meter=%s error=%s", self._meter_id, error)

    def _receive(self) -> bytes:
        if self._port is None:
            raise SensorError(f"{self._options.port}: not open")
        try:
            return self._port.read(max(1, min(self._port.in_waiting, _CHUNK_BYTES)))
        except (OSError, termios.error) as error:
            raise SensorError(f"{self._options.port}: {error}") from error

    def _decoded(self, data: bytes) -> list[Reading]:
        readings: list[Reading] = []
        for frame in self._framer.feed(data):
            try:
                telegram = decode(frame)
            except TelegramError as error:
                self._reject(error)
                continue
            self._alive_s = self._elapsed_s()
            readings += self._readings.of(telegram, arrived_ms=time.time_ns() // 1_000_000)
        return readings

    def _reject(self, error: TelegramError) -> None:
        if not self.rejected[error.reason]:
            _log.warning("event=telegram_rejected meter=%s reason=%s", self._meter_id, error.reason)
        self.rejected[error.reason] += 1

    def _staleness(self) -> str:
        rejected = ", ".join(f"{count} {reason}" for reason, count in self.rejected.items()) or "none rejected"
        return (
            f"{self._options.port}: no valid telegram for {self._options.stale_after.seconds:g} s "
            f"({rejected}, {self._framer.dropped_bytes} bytes dropped); check cable and profile"
        )


def _plain(error: Exception) -> str:
    """What the system says; pyserial repeats the port and the number around it."""
    number = getattr(error, "errno", None)
    return os.strerror(number) if number else str(error)


OPTIONS = DsmrOptions
SENSOR = DsmrSensor
