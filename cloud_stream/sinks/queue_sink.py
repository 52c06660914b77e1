"""A durable queue as a Bytewax sink: what the flow wants the world to do, put once."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeVar

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from cloud_stream.keyed_queue import KeyedQueue
from wattline.backoff import Backoff
from wattline.errors import LogError

T = TypeVar("T")
_log: Final = logging.getLogger("cloud_stream.sinks")
PARTITION: Final = "queue-0"
"""For ever: recovery state goes by this name."""
FIRST_RETRY_S: Final = 0.05
LONGEST_RETRY_S: Final = 5.0
BACK_IN_PYTHON_S: Final = 1.0
"""A wait is cut into such pieces, so that a signal is seen."""

Encode = Callable[[T], tuple[str, bytes]]
"""Gives an item's key and payload."""


class QueuePartition(StatefulSinkPartition[T, None], Generic[T]):
    """Puts items as they come; while the disk is full or broken the flow waits.

    Args:
        queue: Where they go.
        encode: See `Encode`.
    """

    def __init__(self, queue: KeyedQueue, encode: Encode[T]) -> None:
        self._queue = queue
        self._encode = encode

    def write_batch(self, values: list[T]) -> None:
        """Put the items; they are on disk on return."""
        rows = [self._encode(value) for value in values]
        backoff = Backoff(FIRST_RETRY_S, LONGEST_RETRY_S)
        while True:
            try:
                self._queue.put(rows)
            except LogError as error:
                if backoff.attempts == 0:
                    _log.error("queue_waits rows=%d problem=%r", len(rows), str(error))
                _pause(backoff.next_s())
            else:
                if backoff.attempts:
                    _log.info("queue_goes_on rows=%d attempts=%d", len(rows), backoff.attempts)
                return

    def snapshot(self) -> None:
        """Nothing waits: `write_batch` has put it all."""

    def close(self) -> None:
        """Close the queue at the end of finite input."""
        self._queue.close()


class QueueSink(FixedPartitionedSink[T, None], Generic[T]):
    """Items are (any key, value); one partition keeps them all, so that they stay in order.

    Args:
        path: The queue's file, on the disk of the process that reads it.
        max_bytes: Of what waits, see `KeyedQueue`.
        encode: See `Encode`; called in the process that has the partition.
    """

    def __init__(self, path: Path, max_bytes: int, encode: Encode[T]) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._encode = encode

    def list_parts(self) -> list[str]:
        """The only one."""
        return [PARTITION]

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> QueuePartition[T]:  # noqa: ARG002 - the engine's signature
        """Open the partition."""
        return QueuePartition(KeyedQueue(self._path, self._max_bytes), self._encode)


def _pause(seconds: float) -> None:
    end_s = time.monotonic() + seconds
    while (left_s := end_s - time.monotonic()) > 0:
        time.sleep(min(left_s, BACK_IN_PYTHON_S))
