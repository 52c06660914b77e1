"""Carries the messages of one channel, in a thread of its own: a dead channel delays no other."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from cloud_stream.notify.delivery import Channel, DeliveryError
from cloud_stream.notify.ledger import Ledger
from cloud_stream.notify.ledger_rows import GIVEN_UP, SENT, WAITING, Message
from wattline.backoff import Backoff
from wattline.errors import LogError

_log: Final = logging.getLogger("cloud_stream.notify")
FIRST_RETRY_S: Final = 2.0
LONGEST_RETRY_S: Final = 600.0
REFUSED_RETRY_S: Final = 3600.0
"""What was refused for good is tried again all the same, seldom: a person may mend what it was refused for."""
LOOK_S: Final = 1.0


def wait_s(attempts: int, *, permanent: bool) -> float:
    """How long a message waits after an attempt that failed.

    Args:
        attempts: How many there were.
        permanent: Whether the other side said that it will never take it.
    """
    backoff = Backoff(FIRST_RETRY_S, LONGEST_RETRY_S)
    backoff.attempts = attempts - 1
    return REFUSED_RETRY_S if permanent else backoff.next_s()


class Courier:
    """Sends what the ledger has for a channel, until it has arrived or is given up.

    Args:
        channel: Where to.
        ledger: What there is to send.
        give_up_after_ms: A message that was made longer ago is not tried again.
        now_ms: The wall clock, ms UTC.
    """

    def __init__(self, channel: Channel, ledger: Ledger, give_up_after_ms: int, now_ms: Callable[[], int]) -> None:
        self._channel = channel
        self._ledger = ledger
        self._give_up_after_ms = give_up_after_ms
        self._now_ms = now_ms
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._ended: tuple[Message, int] | None = None
        # A service may hang for ever inside a library; the process must be able to end all the same.
        self._thread = threading.Thread(target=self._run, name=f"courier {channel.name}", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def wake(self) -> None:
        """Look now: there may be something new."""
        self._wake.set()

    def stop(self) -> None:
        """Begin no other attempt."""
        self._stop.set()
        self._wake.set()

    def join(self, patience_s: float) -> None:
        """Wait for the attempt in the works; if it does not end in time, it is repeated at the next start."""
        self._thread.join(patience_s)

    def turn(self) -> bool:
        """Try one message, if one is due.

        Returns:
            Whether there was one.

        Raises:
            LogError: The ledger cannot be used now; call it again.
        """
        if self._ended is not None:
            self._ledger.finish(*self._ended)
            self._ended = None
        longest_ms = round(1000 * max(LONGEST_RETRY_S, REFUSED_RETRY_S))
        message = self._ledger.next_message(self._channel.name, self._now_ms(), longest_ms)
        if message is None:
            return False
        self._ended = self._attempt(self._ledger.begin(message))
        self._ledger.finish(*self._ended)
        self._ended = None
        return True

    def _attempt(self, message: Message) -> tuple[Message, int]:
        began_s = time.monotonic()
        try:
            self._channel.send(message)
        except DeliveryError as error:
            return self._failed(message, error)
        except Exception as error:  # noqa: BLE001 (a channel that fails in a way nobody thought of must go on trying)
            return self._failed(message, DeliveryError(f"sending failed with {type(error).__name__}"))
        took_ms = round(1000 * (time.monotonic() - began_s))
        _log.info(
            "message_sent channel=%s message=%s notices=%d attempts=%d took_ms=%d",
            message.channel, message.id, message.notices, message.attempts, took_ms,
        )  # fmt: skip
        return message._replace(state=SENT, error=""), 0

    def _failed(self, message: Message, error: DeliveryError) -> tuple[Message, int]:
        now_ms = self._now_ms()
        over = now_ms - message.made_ms >= self._give_up_after_ms
        pause_s = wait_s(message.attempts, permanent=error.permanent)
        _log.warning(
            "message_%s channel=%s message=%s attempts=%d problem=%r",
            "given_up" if over else "failed", message.channel, message.id, message.attempts, str(error),
        )  # fmt: skip
        return message._replace(state=GIVEN_UP if over else WAITING, error=str(error)), now_ms + round(1000 * pause_s)

    def _run(self) -> None:
        backoff = Backoff(0.1, 10.0)
        while not self._stop.is_set():
            try:
                busy = self.turn()
                backoff.reset()
            except LogError as error:
                _log.error("ledger_failed channel=%s problem=%r", self._channel.name, str(error))
                self._stop.wait(backoff.next_s())
                continue
            if not busy:
                self._wake.wait(LOOK_S)
                self._wake.clear()
