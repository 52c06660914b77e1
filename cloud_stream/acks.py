"""Which batches are safe: merged into ranges, and told to each gateway at most every so often.

Pure but for its own memory: the time is a parameter, and what is due comes back as (gateway, acknowledgement).
"""

from collections.abc import Iterable, Sequence
from typing import Final

from cloud_stream.admission import BatchId
from wattline.wire import Ack

INTERVAL_MS: Final = 200
"""The least time between two acknowledgements to one gateway."""
MAX_RANGES: Final = 1000
"""Ranges in one acknowledgement, so that it stays a small message."""
_REMEMBERED: Final = 10_000


class AckLedger:
    """Collects what was committed and says when whom to tell.

    Call order: `add` after each commit; `due` whenever `next_due_ms` has come. Not safe to share between threads.
    """

    def __init__(self, interval_ms: int = INTERVAL_MS) -> None:
        self._interval_ms = interval_ms
        self._waiting: dict[str, dict[str, list[int]]] = {}
        self._told_ms: dict[str, int] = {}

    def add(self, batches: Iterable[BatchId]) -> None:
        """Note batches that are in the journal."""
        waiting = self._waiting
        for gateway, log, seq in batches:
            logs = waiting.get(gateway)
            if logs is None:
                logs = waiting[gateway] = {}
            seqs = logs.get(log)
            if seqs is None:
                logs[log] = [seq]
            else:
                seqs.append(seq)

    def due(self, now_ms: int) -> list[tuple[str, Ack]]:
        """Take out the acknowledgements that may be sent now.

        Args:
            now_ms: Of a clock that never goes back, in ms.
        """
        latest = now_ms - self._interval_ms
        ready = [g for g in self._waiting if self._told_ms.get(g, latest) <= latest]
        return self._take(ready, now_ms)

    def rest(self, now_ms: int) -> list[tuple[str, Ack]]:
        """Take out everything, due or not: the last words before the end."""
        return self._take(list(self._waiting), now_ms)

    def next_due_ms(self) -> int | None:
        """When `due` will have something; None when nothing waits."""
        if not self._waiting:
            return None
        return min(self._told_ms.get(g, -self._interval_ms) for g in self._waiting) + self._interval_ms

    def _take(self, gateways: Sequence[str], now_ms: int) -> list[tuple[str, Ack]]:
        acks: list[tuple[str, Ack]] = []
        for gateway in gateways:
            for log, seqs in self._waiting.pop(gateway).items():
                ranges = merge(seqs)
                acks += [
                    (gateway, Ack(log=log, seqs=ranges[i : i + MAX_RANGES])) for i in range(0, len(ranges), MAX_RANGES)
                ]
            self._told_ms[gateway] = now_ms
        if len(self._told_ms) > _REMEMBERED:
            self._forget_old(now_ms)
        return acks

    def _forget_old(self, now_ms: int) -> None:
        latest = now_ms - self._interval_ms
        self._told_ms = {g: told for g, told in self._told_ms.items() if told > latest}


def merge(seqs: Iterable[int]) -> list[tuple[int, int]]:
    """Numbers in any order, also repeated, as closed ascending ranges."""
    ranges: list[tuple[int, int]] = []
    for seq in sorted(set(seqs)):
        if ranges and seq == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], seq)
        else:
            ranges.append((seq, seq))
    return ranges
