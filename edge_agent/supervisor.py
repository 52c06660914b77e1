"""One thread for each sensor: open, read, close, and again, whatever happens.

A sensor that fails is closed, waited for and opened again; it stops neither the
others nor anything behind the intake.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, Protocol, runtime_checkable

from edge_agent.errors import EndOfReadingsError
from edge_agent.intake import Intake
from edge_agent.ports import Sensor
from wattline.backoff import Backoff
from wattline.errors import WattlineError

_log: Final = logging.getLogger("edge_agent.supervisor")

READ_TIMEOUT_S: Final = 1.0
_FIRST_WAIT_S: Final = 0.5
_LONGEST_WAIT_S: Final = 60.0


@runtime_checkable
class SeekableSensor(Protocol):
    """A sensor that can resume where it was: optional, recognised by its method."""

    def committed(self, readings: int) -> None:
        """The first so many readings since `open` are on disk; called between reads."""


@runtime_checkable
class RejectingSensor(Protocol):
    """A sensor that leaves out what its meter or file says: optional, recognised by its attribute."""

    rejected: Mapping[str, int]
    """How often, by reason: few reasons, each an identifier."""


class SensorRunner:
    """The life of one sensor.

    Attributes:
        meter: The meter's id.
        counts: `opened`, `failed`, `readings`, since the start.
        state: `new`, `reading`, `waiting` (to open again) or `ended`.
        last_reading_ms: When the newest reading was taken; 0 before.
    """

    def __init__(self, meter: str, sensor: Sensor, intake: Intake) -> None:
        self.meter = meter
        self.counts: Counter[str] = Counter()
        self.state = "new"
        self.last_reading_ms = 0
        self._sensor = sensor
        self._intake = intake
        self._durable = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"sensor-{meter}", daemon=True)

    @property
    def rejected(self) -> Counter[str]:
        """What the sensor left out, by reason."""
        # A copy, for the sensor's thread goes on counting.
        return Counter(dict(self._sensor.rejected)) if isinstance(self._sensor, RejectingSensor) else Counter()

    def start(self) -> None:
        """Open the sensor and read it from now on."""
        self._thread.start()

    def request_stop(self) -> None:
        """End soon; does not wait."""
        self._stop.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; False when the sensor hangs."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def durable(self, readings: int) -> None:
        """So many of the readings ever delivered are on disk."""
        self._durable = readings

    def _run(self) -> None:
        backoff = Backoff(_FIRST_WAIT_S, _LONGEST_WAIT_S)
        while not self._stop.is_set():
            try:
                self._live(backoff)
            except EndOfReadingsError:
                break
            except WattlineError as error:
                self._failed(backoff, str(error))
            except Exception as error:  # noqa: BLE001 (a bug in one sensor must not stop the others)
                _log.debug("sensor_bug meter=%s", self.meter, exc_info=True)
                self._failed(backoff, f"{type(error).__name__}: {error}")
        self.state = "ended"
        _log.info("sensor_ended meter=%s readings=%d", self.meter, self.counts["readings"])

    def _live(self, backoff: Backoff) -> None:
        """From open to close; only a failure, the end of the readings or a stop ends it."""
        base = delivered = self.counts["readings"]
        try:
            self._sensor.open()
            self.counts["opened"] += 1
            self.state = "reading"
            told = base
            while not self._stop.is_set():
                told = self._tell_committed(base, told)
                readings = self._sensor.read(READ_TIMEOUT_S)
                if readings:
                    delivered = self._intake.offer(self.meter, readings, self._stop)
                    self.counts["readings"] = delivered
                    self.last_reading_ms = readings[-1].t_ms
                    backoff.reset()
        except EndOfReadingsError:
            self._await_durable(base, delivered)
            raise
        finally:
            self._sensor.close()

    def _await_durable(self, base: int, delivered: int) -> None:
        """At the end of a file: tell the sensor that its last reading is safe."""
        self.state = "ended"
        while self._durable < delivered and not self._stop.wait(0.1):
            pass
        self._tell_committed(base, base)

    def _tell_committed(self, base: int, told: int) -> int:
        durable = self._durable
        if durable > told and isinstance(self._sensor, SeekableSensor):
            self._sensor.committed(durable - base)
        return durable

    def _failed(self, backoff: Backoff, error: str) -> None:
        self.counts["failed"] += 1
        self.state = "waiting"
        wait_s = backoff.next_s()
        if backoff.attempts <= 3 or backoff.attempts % 20 == 0:  # noqa: PLR2004 (a meter that is away for days)
            _log.warning(
                "sensor_failed meter=%s error=%s attempts=%d retry_in_s=%.1f",
                self.meter, error, backoff.attempts, wait_s,
            )  # fmt: skip
        self._stop.wait(wait_s)


class Supervisor:
    """All sensors of the gateway."""

    def __init__(self, runners: Sequence[SensorRunner]) -> None:
        self._runners = tuple(runners)

    def start(self) -> None:
        """Start every sensor's thread."""
        for runner in self._runners:
            runner.start()

    def stop(self, timeout_s: float) -> None:
        """End every sensor; one that hangs is left behind, logged."""
        for runner in self._runners:
            runner.request_stop()
        deadline = time.monotonic() + timeout_s
        for runner in self._runners:
            if not runner.join(max(0.0, deadline - time.monotonic())):
                _log.warning("sensor_hangs meter=%s", runner.meter)

    def durable(self, marks: Mapping[str, int]) -> None:
        """Pass on how many readings of each meter's sensor are on disk."""
        for runner in self._runners:
            runner.durable(marks.get(runner.meter, 0))

    @property
    def all_ended(self) -> bool:
        """Whether no sensor will ever deliver again."""
        return all(runner.state == "ended" for runner in self._runners)

    @property
    def delivered(self) -> int:
        """Readings that sensors have delivered since the start."""
        return sum(runner.counts["readings"] for runner in self._runners)

    def figures(self) -> dict[str, float]:
        """For the status message: sensors by state, failures, readings, and by reason what was left out."""
        states = Counter(runner.state for runner in self._runners)
        figures = {f"sensors_{state}": float(n) for state, n in states.items()}
        figures["sensor_failures"] = float(sum(runner.counts["failed"] for runner in self._runners))
        figures["readings"] = float(self.delivered)
        rejected = sum((runner.rejected for runner in self._runners), Counter[str]())
        return figures | {f"rejected_{reason}": float(n) for reason, n in rejected.items()}
