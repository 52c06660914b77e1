"""Where the sensors' threads leave their readings for the pipeline's thread."""

import threading
from collections.abc import Sequence
from typing import Final, NamedTuple

from wattline.reading import Reading

MAX_READINGS: Final = 20_000
"""A sensor that delivers faster than the disk takes waits here."""

_WAIT_S: Final = 0.5


class Taken(NamedTuple):
    """What lay in the intake.

    Attributes:
        readings: In the order in which they came.
        marks: Source to the number of readings it has ever delivered.
    """

    readings: list[Reading]
    marks: dict[str, int]


class Intake:
    """A bounded buffer between threads.

    It wakes the taker only when it is half full: a tick per second for all
    sensors together costs a tenth of a wake-up for each reading.
    """

    def __init__(self, max_readings: int = MAX_READINGS) -> None:
        self._max_readings = max_readings
        self._readings: list[Reading] = []
        self._delivered: dict[str, int] = {}
        self._lock = threading.Lock()
        self._room = threading.Condition(self._lock)
        self._urgent = threading.Event()

    def offer(self, source: str, readings: Sequence[Reading], stop: threading.Event) -> int:
        """Leave readings; waits while the buffer is full.

        Returns:
            How many this source has ever delivered; the readings are dropped
            and not counted when `stop` is set while it waits.
        """
        with self._room:
            while len(self._readings) >= self._max_readings and not stop.is_set():
                self._room.wait(_WAIT_S)
            delivered = self._delivered.get(source, 0)
            if stop.is_set():
                return delivered
            self._readings.extend(readings)
            self._delivered[source] = delivered = delivered + len(readings)
            if len(self._readings) >= self._max_readings // 2:
                self._urgent.set()
        return delivered

    def take(self) -> Taken:
        """Everything that lies here; makes room."""
        with self._room:
            taken = Taken(self._readings, dict(self._delivered))
            self._readings = []
            self._urgent.clear()
            self._room.notify_all()
        return taken

    def wait(self, timeout_s: float) -> None:
        """Wait until it is worth taking, at most `timeout_s`."""
        self._urgent.wait(timeout_s)

    def hurry(self) -> None:
        """End the present wait."""
        self._urgent.set()
