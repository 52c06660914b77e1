"""What one simulated gateway still has to deliver: the decisions, without network or clock.

A batch is a span of times; its payload is computed whenever it is sent, so a gateway holds months of backlog in
a few bytes. The rules are those of the real outbox: a batch is forgotten on its acknowledgement only, and sent
again after a time-out or on a new connection.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from simulators.randomness import IntArray

_LONG_AGO_MS: Final = -(2**62)


class Span(msgspec.Struct, frozen=True):
    """One batch: `count` readings of every meter from `first_ms` on, `step_ms` apart."""

    seq: int
    first_ms: int
    step_ms: int
    count: int

    def times(self) -> IntArray:
        """The readings' times in milliseconds UTC."""
        return self.first_ms + np.arange(self.count, dtype=np.int64) * self.step_ms


class GatewayLog:
    """The batches of one gateway under one log id.

    Args:
        most_times: The most times in one batch.
        max_inflight: How many batches may wait for an acknowledgement.
        resend_after_ms: When a batch without acknowledgement is sent again.
    """

    def __init__(self, most_times: int, max_inflight: int, resend_after_ms: int) -> None:
        self._most_times = most_times
        self._max_inflight = max_inflight
        self._resend_after_ms = resend_after_ms
        self._waiting: dict[int, Span] = {}
        self._inflight: dict[int, int] = {}
        self._last_seq = 0
        self._next_new = 1

    def add(self, from_ms: int, until_ms: int, step_ms: int) -> None:
        """Plan batches with the multiples of `step_ms` in [from_ms, until_ms)."""
        first = -(-from_ms // step_ms) * step_ms
        while first < until_ms:
            count = min(-(-(until_ms - first) // step_ms), self._most_times)
            self._last_seq += 1
            self._waiting[self._last_seq] = Span(self._last_seq, first, step_ms, count)
            first += count * step_ms

    def take(self, now_ms: int) -> list[tuple[Span, bool]]:
        """The batches to send now, and whether each goes out for the first time; they count as in flight."""
        again = []
        for seq, sent_ms in self._inflight.items():
            if now_ms - sent_ms < self._resend_after_ms:
                break
            again.append(seq)
        for seq in again:
            # Put at the end: the dict stays in the order of sending.
            del self._inflight[seq]
            self._inflight[seq] = now_ms
        chosen = [(self._waiting[seq], False) for seq in again]
        while len(self._inflight) < self._max_inflight and self._next_new <= self._last_seq:
            self._inflight[self._next_new] = now_ms
            chosen.append((self._waiting[self._next_new], True))
            self._next_new += 1
        return chosen

    def acknowledge(self, ranges: Sequence[tuple[int, int]]) -> int:
        """Forget the batches in these closed ranges that were sent; returns how many there were."""
        safe = [seq for first, last in ranges for seq in self._inflight if first <= seq <= last]
        for seq in dict.fromkeys(safe):
            del self._inflight[seq]
            del self._waiting[seq]
        return len(set(safe))

    def connection_lost(self) -> None:
        """Everything in flight is to be sent again on the next connection."""
        self._inflight = dict.fromkeys(sorted(self._inflight), _LONG_AGO_MS)

    @property
    def oldest(self) -> int:
        """The lowest number that is still held; the next one when all is safe."""
        return next(iter(self._waiting), self._last_seq + 1)

    @property
    def unacked(self) -> int:
        """Batches that were sent and are not acknowledged."""
        return len(self._inflight)

    @property
    def undelivered(self) -> int:
        """Batches that are not acknowledged, sent or not."""
        return len(self._waiting)
