"""What waits to be written: a bounded queue between the dataflow and a writer's thread."""

import threading
from collections import deque
from collections.abc import Iterable

from cloud_stream.records import Columns, Write


def points_in(write: Write) -> int:
    """How many rows a write is."""
    return len(write.t_ms) if isinstance(write, Columns) else len(write)


class Backlog:
    """A queue that keeps what the reader has seen until the reader calls it safe.

    Any thread calls `put` and `flush`; one thread, the reader, calls the rest.

    Args:
        max_points: `put` waits while more are held. One write may be larger than that.
    """

    def __init__(self, max_points: int) -> None:
        self._max_points = max_points
        self._writes: deque[Write] = deque()
        self._points = 0
        self._arrivals = 0
        self._flushing = 0
        self._failure: BaseException | None = None
        self._closing = False
        self._changed = threading.Condition()

    def put(self, writes: Iterable[Write]) -> None:
        """Add writes in order; waits for room.

        Raises:
            RuntimeError: The reader has died, or the queue is closed.
        """
        with self._changed:
            for write in writes:
                self._changed.wait_for(lambda: self._points <= self._max_points or self._over())
                self._check()
                points = points_in(write)
                if points:
                    self._writes.append(write)
                    self._points += points
                    self._arrivals += 1
                    self._changed.notify_all()

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything is safe.

        Returns:
            Whether it is.

        Raises:
            RuntimeError: The reader has died.
        """
        with self._changed:
            self._flushing += 1
            self._changed.notify_all()
            try:
                self._changed.wait_for(lambda: not self._writes or self._failure is not None, timeout_s)
                if self._failure is not None:
                    self._check()
                return not self._writes
            finally:
                self._flushing -= 1

    def close(self) -> None:
        """Take no more; the reader sees it at `closing`."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def fail(self, failure: BaseException) -> None:
        """Tell everybody that the reader is gone."""
        with self._changed:
            self._failure = failure
            self._changed.notify_all()

    @property
    def closing(self) -> bool:
        """Whether `close` was called."""
        return self._closing

    @property
    def points(self) -> int:
        """How many points are not safe yet."""
        return self._points

    @property
    def arrivals(self) -> int:
        """How many writes ever came."""
        return self._arrivals

    @property
    def pressed(self) -> bool:
        """Whether somebody waits in `flush` or for room."""
        with self._changed:
            return bool(self._writes) and (self._flushing > 0 or self._points > self._max_points)

    def head(self, max_points: int) -> list[Write]:
        """The oldest writes: as many as fit, and at least one if there is any. They stay in the queue."""
        with self._changed:
            taken: list[Write] = []
            points = 0
            for write in self._writes:
                points += points_in(write)
                if taken and points > max_points:
                    break
                taken.append(write)
            return taken

    def settle(self, count: int) -> None:
        """The oldest `count` writes are safe."""
        with self._changed:
            for _ in range(count):
                self._points -= points_in(self._writes.popleft())
            self._changed.notify_all()

    def await_work(self, timeout_s: float) -> None:
        """Wait until the queue holds something or closes."""
        with self._changed:
            self._changed.wait_for(lambda: self._writes or self._closing, timeout_s)

    def await_arrival(self, after: int, timeout_s: float) -> None:
        """Wait until a write came after the first `after` ones, or the queue closes."""
        with self._changed:
            self._changed.wait_for(lambda: self._arrivals > after or self._closing, timeout_s)

    def _over(self) -> bool:
        return self._closing or self._failure is not None

    def _check(self) -> None:
        if self._failure is not None:
            raise RuntimeError("the store's writer has died") from self._failure
        if self._closing:
            raise RuntimeError("the store's writer is closed")
