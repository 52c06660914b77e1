"""A desk and couriers on real files, with a clock that the test sets."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cloud_stream.config_sections import NotifyConfig
from cloud_stream.keyed_queue import KeyedQueue
from cloud_stream.notify.courier import Courier
from cloud_stream.notify.delivery import Channel, DeliveryError
from cloud_stream.notify.desk import Desk
from cloud_stream.notify.ledger import Ledger
from cloud_stream.notify.ledger_rows import Message
from cloud_stream.notify.notice_rows import notice_row
from cloud_stream.records import Notice, Point
from cloud_stream.sites import Sites
from cloud_stream.stores.sqlite import SqliteStore
from tests.cloud_stream.notify.notices import NOW_MS
from wattline.config import DurationMs

GROUP_WAIT_MS: Final = 10_000
RETENTION_MS: Final = 4000 * 86_400_000


class Letterbox:
    """A channel that takes messages, or refuses them while `problem` is set."""

    takes_charts = False

    def __init__(self, name: str = "json:1") -> None:
        self.name = name
        self.problem = ""
        self.attempts = 0
        self.taken: list[Message] = []

    def send(self, message: Message) -> None:
        self.attempts += 1
        if self.problem:
            raise DeliveryError(self.problem)
        self.taken.append(message)

    @property
    def subjects(self) -> list[str]:
        return [message.letter.subject for message in self.taken]


class Rig:
    """Everything but the process around it.

    Attributes:
        now_ms: The clock.
    """

    def __init__(self, folder: Path, channels: Sequence[Channel], **settings: object) -> None:
        self.now_ms = NOW_MS
        self.folder = folder
        self.channels = channels
        usual = {"dir": folder, "group_wait": DurationMs(GROUP_WAIT_MS), "group_interval": DurationMs(60_000)}
        self.config = NotifyConfig(**(usual | settings))  # type: ignore[arg-type]
        self.queue = KeyedQueue(self.config.queue_file, 64 << 20, lambda: self.now_ms)
        self.store = SqliteStore(folder / "wattline.db", RETENTION_MS)
        self.store.prepare()
        self._open()

    def _open(self) -> None:
        self.ledger = Ledger(self.folder)
        self.desk = Desk(self.config, self.channels, self.queue, self.ledger, self.store, Sites())
        self.couriers = [
            Courier(channel, self.ledger, self.config.give_up_after, lambda: self.now_ms) for channel in self.channels
        ]

    def restart(self) -> None:
        """Lose everything that is not in a file."""
        self.ledger.close()
        self._open()

    def tell(self, *notices: Notice) -> None:
        """Put notices in the queue, as the flow does."""
        self.queue.put([notice_row(notice) for notice in notices])

    def turn(self, forward_ms: int = 0) -> None:
        """Let time pass, decide, and send what is due."""
        self.now_ms += forward_ms
        self.desk.turn(self.now_ms)
        for courier in self.couriers:
            while courier.turn():
                continue

    def run(self, length_ms: int, step_ms: int = 1000) -> None:
        """Turn until so much time has passed."""
        for _ in range(0, length_ms, step_ms):
            self.turn(step_ms)

    def points(self) -> list[Point]:
        """What the store was told."""
        return list(self.store.points("notification", {}, 0, NOW_MS * 2))

    def close(self) -> None:
        self.queue.close()
        self.ledger.close()
        self.store.close()
