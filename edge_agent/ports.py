"""The seams of the edge agent: what its stages expect of each other."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from wattline.reading import Reading
from wattline.wire import Event


class Sensor(Protocol):
    """The code that reads one meter.

    Call order: `open`, any number of `read`, `close`; after a `SensorError`
    only `close`, then perhaps `open` again. One thread calls it.
    """

    def open(self) -> None:
        """Connect to the meter.

        Raises:
            SensorError: It cannot be reached now.
        """

    def read(self, timeout_s: float) -> Sequence[Reading]:
        """Wait for readings.

        Args:
            timeout_s: The longest to block, in seconds.

        Returns:
            New readings in the order of their times; empty when none came.

        Raises:
            SensorError: The meter is gone; close and open again.
            EndOfReadingsError: There will never be more (a replayed file).
        """

    def close(self) -> None:
        """Let go of the device. May be called at any time, never raises."""


class Actuator(Protocol):
    """The code that switches one load's relay.

    Call order: `set` and `state` in any order; after a failure the next call connects again. `close` at the
    end, after which nothing else is called. One thread calls it. Every call returns within some seconds.
    """

    def set(self, on: bool) -> None:  # noqa: FBT001 (what is set)
        """Bring the relay there, and see that it is there where the relay can tell.

        Raises:
            WattlineError: It does not answer, or stays where it was; it may switch later all the same. Ours raise
                `ActuatorError`.
        """

    def state(self) -> bool | None:
        """Where the relay is; None when it does not tell, or has not yet.

        Raises:
            WattlineError: It does not answer, as above.
        """

    def close(self) -> None:
        """Let go of the connection; the relay stays where it is. Never raises."""


class Loads(Protocol):
    """The switchable loads, as the agent's main loop sees them; thread-safe."""

    def start(self) -> None:
        """Look after the relays from now on; once."""

    def events(self, now_ms: int) -> list[Event]:
        """Let time pass; returns what is to be told: answers to commands, and switches by hand."""

    def clock_set(self, by_ms: int) -> None:
        """The wall clock was set by so much."""

    def stop(self, now_ms: int, timeout_s: float) -> list[Event]:
        """Leave every load to itself, within the time and a little; returns what is to be told."""


class Detector(Protocol):
    """Judges intervals; high scores are anomalous."""

    @property
    def name(self) -> str:
        """The family and version, for events and births."""

    @property
    def threshold(self) -> float:
        """The score from which an interval is an anomaly."""

    def score(self, features: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Score N intervals at once.

        Args:
            features: float32[N, F] in the order of the feature contract.

        Returns:
            Scores float32[N] in 0..1, and whether each is an anomaly, bool[N].

        Raises:
            ModelError: The model failed on this input.
        """


class BatchRow(Protocol):
    """A row of an outbox; see `wattline.durable_log.Row`."""

    @property
    def seq(self) -> int:
        """Its number, unique under its writer."""

    @property
    def writer(self) -> str:
        """The log id it was written under."""

    @property
    def payload(self) -> bytes:
        """The JSON text of its frames (or events): the value behind the key."""


class Outbox(Protocol):
    """Keeps encoded batches until the cloud has them; thread-safe."""

    def put(self, payloads: Sequence[bytes], now_ms: int) -> int:
        """Keep batches durably.

        Returns:
            How many were kept; fewer than given when the disk is full (the
            rest stays with the caller, who tries again).
        """

    def pending(self, after_seq: int, limit: int) -> Sequence[BatchRow]:
        """Kept batches with higher numbers, oldest first, at most `limit`."""

    def acked(self, log: str, ranges: Sequence[tuple[int, int]]) -> bool:
        """Forget batches that the cloud has.

        Returns:
            Whether they are gone; False when the disk fails, and the caller tries again later.
        """

    def set_aside(self, row: BatchRow) -> bool:
        """Take a batch that is never acknowledged out of the way, counted.

        Returns:
            Whether it is; as `acked`.
        """

    def oldest(self, log: str) -> int:
        """The lowest number of `log` that is still held."""

    def clock_set(self, by_ms: int) -> None:
        """Book everything kept so much later: the clock that it was booked by has been set."""

    def counts(self) -> Mapping[str, float]:
        """Depth in rows and bytes, age and drops, for the status message."""
