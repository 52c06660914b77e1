"""What the network thread took and the writer has not: a queue with a bound that pauses reading, and grouping."""

import threading
from collections import deque
from typing import Final, NamedTuple

MAX_BYTES: Final = 64 << 20
MAX_MESSAGES: Final = 20_000
GROUP_BYTES: Final = 2 << 20
"""A larger group would hold the interpreter's lock too long in one transaction."""
GROUP_MESSAGES: Final = 1000
"""Half of what the broker may have in flight, so that it never waits for a whole group."""


class Incoming(NamedTuple):
    """One message from the broker.

    Attributes:
        generation: Of the connection it came by.
        mid: What to acknowledge to the broker; 0 for QoS 0.
    """

    generation: int
    mid: int
    topic: str
    payload: bytes


class Inbox:
    """A queue for one producer and one consumer, without a lock between them.

    Call order: the producer stops calling `put` while `full`; the consumer calls `take` in a loop.
    """

    def __init__(self, *, max_bytes: int = MAX_BYTES, max_messages: int = MAX_MESSAGES) -> None:
        self._max_bytes = max_bytes
        self._max_messages = max_messages
        self._queue: deque[Incoming] = deque()
        self._some = threading.Event()
        self._enough = threading.Event()
        self._put_bytes = 0
        self._taken_bytes = 0

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def held_bytes(self) -> int:
        """The payloads that wait."""
        return self._put_bytes - self._taken_bytes

    @property
    def full(self) -> bool:
        """Whether the producer must stop reading."""
        return self.held_bytes >= self._max_bytes or len(self._queue) >= self._max_messages

    def put(self, message: Incoming) -> None:
        """Append a message."""
        self._put_bytes += len(message.payload)
        self._queue.append(message)
        if not self._some.is_set():
            self._some.set()
        if not self._enough.is_set() and self._is_enough():
            self._enough.set()

    def take(self, *, timeout_s: float, linger_s: float) -> list[Incoming]:
        """Take a group.

        Args:
            timeout_s: How long to wait for a first message.
            linger_s: How long to wait for more once there is one, unless the group is large enough before.

        Returns:
            The oldest messages, empty after the time-out.
        """
        if not self._some.wait(timeout_s):
            return []
        self._enough.wait(linger_s)
        self._some.clear()
        self._enough.clear()
        group = self._pop_group()
        if self._queue:
            self._some.set()
            if self._is_enough():
                self._enough.set()
        return group

    def _is_enough(self) -> bool:
        return self.held_bytes >= GROUP_BYTES or len(self._queue) >= GROUP_MESSAGES

    def _pop_group(self) -> list[Incoming]:
        group: list[Incoming] = []
        size = 0
        while self._queue and size < GROUP_BYTES and len(group) < GROUP_MESSAGES:
            message = self._queue.popleft()
            size += len(message.payload)
            group.append(message)
        self._taken_bytes += size
        return group
