"""Which batches were seen: per log a floor and a bounded set of ranges above it.

(gateway, log, seq) names a batch for ever. Everything up to the floor was seen
or will never come: the gateway says with `oldest` what it no longer holds. That
word is believed only a while later, because what it acknowledges may still lie
in another host's journal. Where memory is bounded, what was seen is forgotten,
never the other way round: a repeat taken for new is rebuilt, not lost.
"""

from bisect import bisect_right
from typing import Any, Final

IDLE_MS: Final = 90 * 24 * 3_600_000
"""Logs idle for longer are forgotten; late repeats then go to rebuilding."""
OLDEST_DELAY_MS: Final = 15 * 60_000
"""How long `oldest` must have been said before it raises the floor."""
MAX_LOGS: Final = 64
"""Logs a gateway may have, which needs two; beyond, the one silent for longest is forgotten."""
MAX_RANGES: Final = 1024
"""Ranges a log may have; beyond, the lowest is forgotten."""


class LogDedup:
    """The numbers of one log: seen up to `floor`, and in ranges above it."""

    __slots__ = ("ends", "floor", "said", "said_ms", "seen_ms", "starts")

    def __init__(self, floor: int = 0) -> None:
        """Everything up to `floor` counts as seen."""
        self.floor = floor
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.seen_ms = 0
        self.said = 0
        self.said_ms = 0

    def add(self, seq: int, oldest: int, now_ms: int) -> bool:
        """Note a batch.

        Args:
            seq: Its number.
            oldest: The lowest number the gateway still holds.
            now_ms: When.

        Returns:
            Whether it is new.
        """
        self.seen_ms = now_ms
        new = self._note(seq)
        oldest = min(oldest, seq)  # what is sent is held: anything else is a confused gateway's word
        if oldest > self.said and now_ms - self.said_ms >= OLDEST_DELAY_MS:
            self._raise_floor(self.said - 1)
            self.said, self.said_ms = oldest, now_ms
        if len(self.starts) > MAX_RANGES:
            del self.starts[0], self.ends[0]
        return new

    def _note(self, seq: int) -> bool:
        if seq <= self.floor:
            return False
        place = bisect_right(self.starts, seq)
        if place and seq <= self.ends[place - 1]:
            return False
        self._insert(place, seq)
        if self.starts[0] == self.floor + 1:
            self.floor = self.ends.pop(0)
            self.starts.pop(0)
        return True

    def _insert(self, place: int, seq: int) -> None:
        """Put a number between two ranges, joining what becomes one."""
        joins_left = place > 0 and self.ends[place - 1] == seq - 1
        joins_right = place < len(self.starts) and self.starts[place] == seq + 1
        if joins_left and joins_right:
            self.ends[place - 1] = self.ends.pop(place)
            self.starts.pop(place)
        elif joins_left:
            self.ends[place - 1] = seq
        elif joins_right:
            self.starts[place] = seq
        else:
            self.starts.insert(place, seq)
            self.ends.insert(place, seq)

    def _raise_floor(self, floor: int) -> None:
        floor = max(floor, self.floor)
        while self.starts and self.starts[0] <= floor + 1:
            floor = max(floor, self.ends.pop(0))
            self.starts.pop(0)
        self.floor = floor


class Dedup:
    """All logs of a shard's gateways."""

    def __init__(self) -> None:
        """Nothing seen."""
        self._gateways: dict[str, dict[str, LogDedup]] = {}

    def __len__(self) -> int:
        """How many logs are remembered."""
        return sum(map(len, self._gateways.values()))

    def add(self, gateway: str, log: str, seq: int, oldest: int, now_ms: int) -> bool:
        """Note a batch; whether it is new."""
        logs = self._gateways.setdefault(gateway, {})
        entry = logs.get(log)
        if entry is None:
            if len(logs) >= MAX_LOGS:
                del logs[min(logs, key=lambda name: logs[name].seen_ms)]
            entry = logs[log] = LogDedup()
        return entry.add(seq, oldest, now_ms)

    def forget_idle(self, now_ms: int) -> None:
        """Forget logs that were silent for `IDLE_MS`."""
        for gateway, logs in list(self._gateways.items()):
            for name in [name for name, log in logs.items() if log.seen_ms < now_ms - IDLE_MS]:
                del logs[name]
            if not logs:
                del self._gateways[gateway]

    def snapshot(self) -> tuple[Any, ...]:
        """A picklable copy."""
        return tuple(
            ((gateway, name), log.floor, tuple(log.starts), tuple(log.ends), log.seen_ms)
            for gateway, logs in self._gateways.items()
            for name, log in logs.items()
        )

    def restore(self, state: tuple[Any, ...]) -> None:
        """Take a snapshot back."""
        for (gateway, name), floor, starts, ends, seen_ms in state:
            log = self._gateways.setdefault(gateway, {})[name] = LogDedup(floor)
            log.starts, log.ends, log.seen_ms = list(starts), list(ends), seen_ms
