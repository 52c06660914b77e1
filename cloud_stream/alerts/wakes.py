"""Who has to be looked at when: times rounded up to a second, so that asking costs nothing while nothing is due."""

from collections.abc import Iterator
from heapq import heappop, heappush
from typing import Final, Generic, TypeVar

from cloud_stream.alerts.condition import NEVER

T = TypeVar("T")
_STEP_MS: Final = 1000


class Wakes(Generic[T]):
    """A calendar of things to look at."""

    def __init__(self) -> None:
        """Nothing is due."""
        self._heap: list[int] = []
        self._at: dict[int, list[T]] = {}

    @property
    def next_ms(self) -> int:
        """When the next thing is due; `NEVER` when there is none."""
        return self._heap[0] if self._heap else NEVER

    def add(self, thing: T, at_ms: int) -> None:
        """Have a thing looked at, not before `at_ms`."""
        slot = -(-at_ms // _STEP_MS) * _STEP_MS
        waiting = self._at.get(slot)
        if waiting is None:
            self._at[slot] = [thing]
            heappush(self._heap, slot)
        else:
            waiting.append(thing)

    def due(self, now_ms: int) -> Iterator[T]:
        """Take out what is due."""
        while self._heap and self._heap[0] <= now_ms:
            yield from self._at.pop(heappop(self._heap))
