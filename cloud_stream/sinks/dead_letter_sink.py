"""Dead letters as a Bytewax sink, and refused rows as dead letters."""

import hashlib
import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from cloud_stream.errors import StoreUnavailableError
from cloud_stream.ports import DeadLetters, Rejected
from cloud_stream.records import DeadLetter
from wattline.backoff import Backoff

_log: Final = logging.getLogger("cloud_stream.sinks")
PARTITION: Final = "dead-letters"
PATIENCE_S: Final = 10.0


class DeadLetterPartition(StatefulSinkPartition[Sequence[DeadLetter], None]):
    """Keeps letters as they come.

    A full disk makes it wait for a while; then letters are given up, counted and
    logged, because a poison message must not stop the flow.

    Args:
        letters: Where they are kept.
        on_lost: Told how many letters were given up.
        patience_s: How long to wait.
    """

    def __init__(self, letters: DeadLetters, on_lost: Callable[[int], None], patience_s: float = PATIENCE_S) -> None:
        self._letters = letters
        self._on_lost = on_lost
        self._patience_s = patience_s

    def write_batch(self, values: list[Sequence[DeadLetter]]) -> None:
        """Keep the letters; they are on disk on return."""
        letters = [letter for some in values for letter in some]
        give_up_at_s = time.monotonic() + self._patience_s
        backoff = Backoff(0.05, 1.0)
        while True:
            try:
                self._letters.put(letters)
            except StoreUnavailableError as error:
                if time.monotonic() >= give_up_at_s:
                    self._on_lost(len(letters))
                    _log.error("dead_letters_lost count=%d problem=%r", len(letters), str(error))
                    return
                time.sleep(backoff.next_s())
            else:
                return

    def snapshot(self) -> None:
        """Nothing waits: `write_batch` has done it all."""


class DeadLetterSink(FixedPartitionedSink[Sequence[DeadLetter], None]):
    """Items are (any key, letters); one partition keeps them all.

    Args:
        open_letters: Opens where they are kept; called in the process that has the partition.
        on_lost: Told how many letters were given up.
    """

    def __init__(self, open_letters: Callable[[], DeadLetters], on_lost: Callable[[int], None]) -> None:
        self._open_letters = open_letters
        self._on_lost = on_lost

    def list_parts(self) -> list[str]:
        """The only one."""
        return [PARTITION]

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> DeadLetterPartition:  # noqa: ARG002 - the engine's signature
        """Open the partition."""
        return DeadLetterPartition(self._open_letters(), self._on_lost)


def rejected_letters(partition: str, rejected: Sequence[Rejected], now_ms: int) -> list[DeadLetter]:
    """What a store refused, as dead letters.

    A refused row has no place in the journal any more, so its own digest is its
    number: the same row refused again, after a restart, is held once.

    Args:
        partition: The sink's partition that it came through.
        rejected: The rows.
        now_ms: Booked as the time of receipt, ms UTC.
    """
    return [
        DeadLetter(
            journal="store",
            seq=int.from_bytes(hashlib.blake2b(found.row, digest_size=8).digest()) >> 1,
            index=0,
            received_ms=now_ms,
            topic="",
            reason=found.reason,
            detail=partition,
            payload=found.row,
        )
        for found in rejected
    ]
