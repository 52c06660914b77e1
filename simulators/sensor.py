"""A sensor that reads a simulated home; the edge agent loads it by the name `simulated`.

```toml
[[meter]]
id = "sim-electricity"
kind = "electricity"
sensor = "simulated"
[meter.options]
kind = "electricity"
seed = 7
sample_interval = "1s"
history = "14d"
faults = [{kind = "spike", per_day = 4}, {kind = "night_load", per_day = 0.3}]
fault_log = "var/faults.jsonl"
boiler = {name = "boiler", element_w = 2000}
```
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import msgspec
import numpy as np

from simulators.boiler import BoilerOptions
from simulators.boiler_meter import BoilerBehindMeter
from simulators.faults import Fault, FaultPlan, FaultRule, check_rules
from simulators.household import DEFAULT_ORIGIN_MS, Household, HouseholdOptions
from simulators.randomness import Columns, IntArray
from wattline.config import DurationMs
from wattline.errors import ConfigError
from wattline.reading import Reading

_LOG: Final = logging.getLogger("simulators")
_MOST_AT_ONCE: Final = 2000
_DECIMALS: Final = {
    "power_w": 0,
    "voltage_v": 1,
    "energy_import_kwh": 3,
    "gas_m3": 3,
    "temperature_c": 2,
    "humidity_pct": 1,
    "occupancy": 0,
    "water_c": 1,
}
"""What real meters show."""


class MeterKind(StrEnum):
    """Which of the home's meters."""

    ELECTRICITY = "electricity"
    GAS = "gas"
    BUILDING = "building"


QUANTITIES: Final = {
    MeterKind.ELECTRICITY: ("power_w", "voltage_v", "energy_import_kwh"),
    MeterKind.GAS: ("gas_m3",),
    MeterKind.BUILDING: ("temperature_c", "humidity_pct", "occupancy"),
}


class SimulatedOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options of a simulated meter.

    Attributes:
        kind: electricity | gas | building.
        seed: Which home; meters of one home share it.
        sample_interval: Time between live readings, in simulated time.
        speed: Simulated seconds in a real one.
        start: "now" or an ISO 8601 time: where live readings start.
        history: How much of the time before `start` is read first, as fast as it is taken.
        history_interval: Time between readings of the history.
        faults: What goes wrong, and how often.
        fault_log: Where the label of every injected fault is appended as a JSON line; a restarted agent repeats
            the labels of what it reads again.
        registers_from: The register's origin; the same origin continues the same register.
        utc_offset_hours: Local mean time minus UTC.
        ev: Whether the home charges an electric car.
        boiler: Behind an electricity meter: an electric boiler that a `simulated` relay can switch.
        state_file: Remembers the boiler over a restart; the agent names one.
    """

    kind: MeterKind = MeterKind.ELECTRICITY
    seed: int = 1
    sample_interval: DurationMs = DurationMs(1000)
    speed: Annotated[float, msgspec.Meta(gt=0, le=1e6)] = 1.0
    start: str = "now"
    history: DurationMs = DurationMs(0)
    history_interval: DurationMs = DurationMs(60_000)
    faults: tuple[FaultRule, ...] = ()
    fault_log: Path | None = None
    registers_from: str = ""
    utc_offset_hours: Annotated[float, msgspec.Meta(ge=-14, le=14)] = 0.0
    ev: bool = False
    boiler: BoilerOptions | None = None
    state_file: Path | None = None


class Progress(msgspec.Struct, frozen=True):
    """How far a sensor has read: everything up to and including `read_until_ms`.

    Attributes:
        live_from_ms: Where the history ends.
    """

    read_until_ms: int
    live_from_ms: int


def due_times(options: SimulatedOptions, progress: Progress, now_ms: int) -> IntArray:
    """The times to read now: multiples of the interval, oldest first, at most 2000."""
    in_history = progress.read_until_ms < progress.live_from_ms
    step_ms = int(options.history_interval if in_history else options.sample_interval)
    end_ms = min(now_ms, progress.live_from_ms if in_history else now_ms)
    first = progress.read_until_ms // step_ms + 1
    count = min(max(end_ms // step_ms - first + 1, 0), _MOST_AT_ONCE)
    return np.arange(first, first + count, dtype=np.int64) * step_ms


class SimulatedSensor:
    """One meter of one simulated home (satisfies the edge agent's `Sensor`).

    Args:
        meter_id: The meter's id.
        options: What it is and how fast it goes.
        clock_ms: The real time in milliseconds UTC.

    Raises:
        ConfigError: The options do not go together.
    """

    def __init__(self, meter_id: str, options: SimulatedOptions, *, clock_ms: Callable[[], int] | None = None) -> None:
        _check(options)
        self._meter = meter_id
        self._options = options
        self._clock_ms = clock_ms or _system_clock_ms
        origin_ms = _parse_time("registers_from", options.registers_from) if options.registers_from else None
        offset_ms = round(options.utc_offset_hours * 3_600_000)
        home = HouseholdOptions(
            seed=options.seed,
            ev=options.ev,
            utc_offset_ms=offset_ms,
            origin_ms=DEFAULT_ORIGIN_MS if origin_ms is None else origin_ms,
        )
        household = Household(home)
        self._source = _source(household, options.kind)
        self._boiler: BoilerBehindMeter | None = None
        if options.boiler is not None:
            self._boiler = BoilerBehindMeter(options.boiler, household, self._source, options.state_file)
            self._source = self._boiler.columns
        self._plan = FaultPlan(
            rules=options.faults,
            seed=options.seed,
            meter=meter_id,
            origin_ms=home.origin_ms,
            utc_offset_ms=offset_ms,
        )
        self._logged: Fault | None = None
        self._progress: Progress | None = None
        self._clock_start_ms = 0
        self._closed = threading.Event()

    def open(self) -> None:
        """Start the simulated time; opened again, it goes on where it was."""
        self._closed.clear()
        if self._progress is None:
            self._clock_start_ms = self._clock_ms()
            start_ms = self._start_ms()
            known_ms = self._boiler.restore(start_ms) if self._boiler is not None else 0
            self._progress = Progress(max(start_ms - self._options.history - 1, known_ms), start_ms)

    def read(self, timeout_s: float) -> Sequence[Reading]:
        """Readings that are due; waits up to `timeout_s` seconds for the next."""
        if self._progress is None or self._closed.is_set():
            return []
        times = self._take_due(self._progress)
        if not len(times):
            self._closed.wait(min(self._until_next_s(self._progress), timeout_s))
            times = self._take_due(self._progress)
        return self._measure(times) if len(times) else []

    def close(self) -> None:
        """Wake a waiting `read`."""
        self._closed.set()

    def _take_due(self, progress: Progress) -> IntArray:
        times = due_times(self._options, progress, self._now_ms())
        if not len(times) and progress.read_until_ms < progress.live_from_ms <= self._now_ms():
            # The history's last step need not fall on its end: what is left of it holds no reading.
            self._progress = Progress(progress.live_from_ms, progress.live_from_ms)
            return self._take_due(self._progress)
        if len(times):
            self._progress = Progress(int(times[-1]), progress.live_from_ms)
        return times

    def _measure(self, times: IntArray) -> list[Reading]:
        faulted = self._plan.inject(self._source, times)
        self._log_labels(faulted.labels)
        if self._boiler is not None:
            self._boiler.save()
        names = tuple(faulted.columns)
        rounded = [np.round(faulted.columns[name], _DECIMALS[name]).tolist() for name in names]
        rows = zip(faulted.t_ms.tolist(), *rounded, strict=True)
        return [Reading(self._meter, t_ms, dict(zip(names, row, strict=True))) for t_ms, *row in rows]

    def _log_labels(self, labels: Sequence[Fault]) -> None:
        """Append new labels; a log that cannot be written does not stop the meter."""
        new = [label for label in labels if self._logged is None or label > self._logged]
        if not new:
            return
        self._logged = new[-1]
        if self._options.fault_log is None:
            return
        try:
            with self._options.fault_log.open("ab") as file:
                file.write(b"".join(msgspec.json.encode(label) + b"\n" for label in new))
        except OSError as error:
            _LOG.warning("event=fault_log_failed meter=%s labels=%d error=%s", self._meter, len(new), error)

    def _start_ms(self) -> int:
        return self._clock_start_ms if self._options.start == "now" else _parse_time("start", self._options.start)

    def _now_ms(self) -> int:
        passed_ms = self._clock_ms() - self._clock_start_ms
        return self._start_ms() + round(passed_ms * self._options.speed)

    def _until_next_s(self, progress: Progress) -> float:
        """Real seconds until the next live reading is due."""
        step_ms = int(self._options.sample_interval)
        next_ms = (progress.read_until_ms // step_ms + 1) * step_ms
        return max((next_ms - self._now_ms()) / self._options.speed, 1) / 1000


def _source(home: Household, kind: MeterKind) -> Callable[[IntArray], Columns]:
    meters = {
        MeterKind.ELECTRICITY: home.electricity,
        MeterKind.GAS: home.gas,
        MeterKind.BUILDING: home.building,
    }
    return meters[kind]


def _check(options: SimulatedOptions) -> None:
    for name in ("sample_interval", "history_interval"):
        if getattr(options, name) <= 0:
            raise ConfigError(name, "must be longer than 0")
    if options.boiler is not None and options.kind is not MeterKind.ELECTRICITY:
        raise ConfigError("boiler", 'needs kind = "electricity"')
    problem = check_rules(options.faults, QUANTITIES[options.kind])
    if problem:
        raise ConfigError("faults", problem)
    if options.start != "now":
        _parse_time("start", options.start)


def _parse_time(where: str, text: str) -> int:
    """An ISO 8601 time; without an offset it is UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(where, f'expected an ISO 8601 time such as "2026-01-01T00:00:00Z", got {text!r}') from None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _system_clock_ms() -> int:
    return time.time_ns() // 1_000_000


OPTIONS = SimulatedOptions
SENSOR = SimulatedSensor
