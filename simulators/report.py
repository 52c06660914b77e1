"""What a fleet has sent, counted: the truth that a store is compared with."""

import csv
import os
from pathlib import Path
from typing import IO, Final

import msgspec
import numpy as np

from simulators.profiles import QUANTITIES, SCALES, MeterTable
from simulators.randomness import IntArray
from wattline.errors import ConfigError

CSV_HEADER: Final = ("gateway", "site", "meter", "t_ms", *QUANTITIES)


class MeterReport(msgspec.Struct):
    """The distinct readings of one meter that were sent at least once.

    Attributes:
        sums: The sum of the sent values of each quantity.
    """

    readings: int = 0
    first_ms: int | None = None
    last_ms: int | None = None
    sums: dict[str, float] = {}


class GatewayReport(msgspec.Struct):
    """One gateway's part."""

    gateway: str
    site: str
    log: str
    meters: dict[str, MeterReport]
    readings: int = 0
    batches: int = 0
    unacked: int = 0
    unsent: int = 0


class Totals(msgspec.Struct):
    """The whole fleet.

    Attributes:
        readings: Distinct readings that were sent; resent ones count once.
        batches: Distinct batches that were sent.
        publishes: Publishes of batches, resent ones included.
        resends: Publishes of batches that had been sent before.
        pubacks: Batches that the broker took.
        refused: Batches that the broker refused.
        acked: Distinct batches that were acknowledged and forgotten.
        bad_acks: Messages on `down/ack` that could not be read.
        unacked: Batches that were sent and not acknowledged when the run ended.
        unsent: Batches that were never sent.
        connects: Successful connections.
        reconnects: Those after a gateway's first.
        failed_connects: Attempts that ended without a connection.
        sums: The sum of all sent values of each quantity.
    """

    readings: int = 0
    batches: int = 0
    publishes: int = 0
    resends: int = 0
    pubacks: int = 0
    refused: int = 0
    acked: int = 0
    bad_acks: int = 0
    unacked: int = 0
    unsent: int = 0
    connects: int = 0
    reconnects: int = 0
    failed_connects: int = 0
    sums: dict[str, float] = {}


class FleetReport(msgspec.Struct):
    """What a run has sent.

    Attributes:
        protocol: The MQTT version spoken: 5 or 3.1.1.
        last_error: The last reason for a failed connection; "" without one.
        cpu_s: Processor time of this process in the run.
    """

    started_ms: int
    ended_ms: int
    protocol: str
    totals: Totals
    gateways: list[GatewayReport]
    last_error: str = ""
    cpu_s: float = 0.0


class GatewayTally:
    """Counts what one gateway sends; the sums are exact until they are reported."""

    def __init__(self, gateway: str, site: str, log: str, meters: MeterTable) -> None:
        self._head = (gateway, site, log)
        self._meters = meters
        self._sums = np.zeros((len(QUANTITIES), len(meters.ids)), dtype=np.int64)
        self._first_ms: int | None = None
        self._last_ms: int | None = None
        self.times = 0
        self.batches = 0

    def count(self, t_ms: IntArray, values: tuple[IntArray, IntArray]) -> None:
        """A batch goes out for the first time."""
        self.batches += 1
        self.times += len(t_ms)
        first_ms, last_ms = int(t_ms[0]), int(t_ms[-1])
        self._first_ms = first_ms if self._first_ms is None else min(self._first_ms, first_ms)
        self._last_ms = last_ms if self._last_ms is None else max(self._last_ms, last_ms)
        self._sums += np.stack(values).sum(axis=2)

    def report(self, unacked: int, unsent: int) -> GatewayReport:
        """What was counted so far."""
        rows = zip(self._meters.ids, *self._sums.tolist(), strict=True)
        meters = {meter: MeterReport(self.times, self._first_ms, self._last_ms, _scaled(sums)) for meter, *sums in rows}
        gateway, site, log = self._head
        readings = self.times * len(meters)
        return GatewayReport(gateway, site, log, meters, readings, self.batches, unacked, unsent)

    def sums(self) -> list[int]:
        """The sum over the meters of each quantity, in its integer unit."""
        return [int(row.sum()) for row in self._sums]


class ReadingsFile:
    """Every distinct reading that was sent, as rows of a CSV file."""

    def __init__(self, path: Path) -> None:
        self._file: IO[str] = path.open("w", newline="")
        self._rows = csv.writer(self._file)
        self._rows.writerow(CSV_HEADER)

    def write(self, gateway: str, site: str, meters: MeterTable, t_ms: IntArray, values: tuple[IntArray, ...]) -> None:
        """Add a batch."""
        columns = [(column / scale).tolist() for column, scale in zip(values, SCALES, strict=True)]
        times = t_ms.tolist()
        for meter, *quantities in zip(meters.ids, *columns, strict=True):
            readings = zip(times, *quantities, strict=True)
            self._rows.writerows((gateway, site, meter, *reading) for reading in readings)

    def close(self) -> None:
        """Write what is buffered."""
        self._file.close()


def add_sums(totals: Totals, tallies: list[GatewayTally]) -> None:
    """Put the exact sums of all gateways into the totals."""
    summed = [sum(column) for column in zip(*(tally.sums() for tally in tallies), strict=True)]
    totals.sums = _scaled(summed)


def check_writable(path: Path) -> None:
    """Say before the run that its report could not be saved after it.

    Raises:
        ConfigError: The folder is missing or may not be written.
    """
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise ConfigError("--report", f"{path.parent} is no folder that can be written")


def save(report: FleetReport, path: Path) -> None:
    """Write the report as JSON, whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    part.replace(path)


def _scaled(sums: list[int]) -> dict[str, float]:
    return {name: total / scale for name, total, scale in zip(QUANTITIES, sums, SCALES, strict=True)}
