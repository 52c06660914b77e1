"""Sends what the outboxes hold, and forgets only what was acknowledged.

One thread: it connects, says its birth, keeps both windows full (events first,
then readings), resends, and notes acknowledgements. The decisions are in
`publisher_state`, the connection in `mqtt`.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from edge_agent.config import BrokerConfig
from edge_agent.errors import PublishError
from edge_agent.lane import Lane, NumberedOutbox
from edge_agent.mqtt import Connection, Puback, Received, RefusedError, Retained, VersionUnsupportedError, Wake
from edge_agent.publisher_state import Flight, Limits, Silence, merged
from wattline import topics
from wattline.backoff import Backoff
from wattline.errors import DecodeError, WattlineError
from wattline.wire import Status, decode_ack, encode

_log: Final = logging.getLogger("edge_agent.publisher")

FORGET_INTERVAL_MS: Final = 1_000
NEWS_INTERVAL_MS: Final = 1_000
"""Births follow each other at this distance at least."""
_FAR_MS: Final = 1 << 40
_LONGEST_WAIT_MS: Final = 1_000
_GOODBYE_S: Final = 2.0
_MAX_SEQ: Final = 2**62
_VERSIONS: Final = {"auto": ("5", "3.1.1"), "5": ("5",), "3.1.1": ("3.1.1",)}


@dataclass(frozen=True, slots=True)
class PublisherConfig:
    """What the publisher needs to know.

    Attributes:
        trust_broker: A PUBACK is enough to forget a batch.
        silence_after_ms: So long without an acknowledgement is worth a warning.
    """

    gateway: str
    site: str
    broker: BrokerConfig
    limits: Limits
    trust_broker: bool = False
    status_interval_ms: int = 60_000
    silence_after_ms: int = 600_000


class Publisher:
    """The thread that talks to the broker.

    Attributes:
        counts: What happened since the start: connects, publishes, refusals..
        connected: Whether there is a session with the broker now.
    """

    def __init__(
        self,
        config: PublisherConfig,
        events: NumberedOutbox,
        readings: NumberedOutbox,
        birth: Callable[[], Status],
        figures: Callable[[], Mapping[str, float]],
        on_command: Callable[[Received], None] | None = None,
    ) -> None:
        """Make it; `start` runs it.

        Args:
            config: Who and where.
            events: The outbox that always goes first.
            readings: The outbox with the backlog.
            birth: Makes the status of now; its state, session, logs and
                outbox figures are filled in here.
            figures: Further figures for the status message.
            on_command: Takes commands, durably; None where nothing can be switched, and nothing is subscribed to.
        """
        self.counts: Counter[str] = Counter()
        self._config = config
        self._ack_topic = topics.down(config.gateway, topics.Down.ACK)
        self._command_topic = topics.down(config.gateway, topics.Down.COMMAND)
        self._on_command = on_command
        self._lanes = (
            Lane(config.gateway, config.site, topics.Up.EVENTS, events, config.limits),
            Lane(config.gateway, config.site, topics.Up.READINGS, readings, config.limits),
        )
        self._birth = birth
        self._figures = figures
        self.connected = False
        self._news = False
        self._wake = Wake()
        self._stop = threading.Event()
        self._drain_until_s = float("inf")
        self._versions = list(_VERSIONS[config.broker.protocol])
        self._session = 0
        self._silence = Silence(config.silence_after_ms)
        self._mids: dict[int, tuple[Lane, Flight]] = {}
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    def start(self) -> None:
        """Connect, and publish from now on."""
        self._thread.start()

    def wake(self) -> None:
        """Tell it that an outbox has something new."""
        self._wake.set()

    def announce(self) -> None:
        """Tell it that the birth has something new to say; it is said soon, not at once: relays may flap."""
        self._news = True
        self._wake.set()

    def stop(self, drain_timeout_s: float) -> None:
        """Send what is waiting, say goodbye, and end; returns within the time and a little."""
        self._drain_until_s = time.monotonic() + drain_timeout_s
        self._stop.set()
        self._wake.set()
        self._thread.join(drain_timeout_s + 2 * _GOODBYE_S)

    @property
    def alive(self) -> bool:
        """Whether its thread runs; between `start` and `stop` anything else is a defect."""
        return self._thread.is_alive()

    @property
    def in_flight(self) -> int:
        """Batches sent and not acknowledged."""
        return sum(len(lane.window) for lane in self._lanes)

    @property
    def waiting(self) -> int:
        """Batches on disk that the cloud has not acknowledged, sent or not."""
        return sum(int(lane.outbox.counts().get("rows", 0)) for lane in self._lanes)

    @property
    def idle(self) -> bool:
        """Whether nothing waits, neither in a window nor in an outbox."""
        return not any(len(lane.window) or lane.acked or lane.outbox.pending(0, 1) for lane in self._lanes)

    def _run(self) -> None:
        backoff = Backoff(0.5, 30.0)
        wait_s = 0.0
        while not self._stop.is_set():
            try:
                self._pause(wait_s)
                self._live_one_connection(backoff)
            except WattlineError as error:
                wait_s = self._lost(str(error), backoff)
            except Exception as error:  # noqa: BLE001 (a bug must cost a connection, not the way to the cloud)
                self.counts["bugs"] += 1
                _log.debug("publisher_bug", exc_info=True)
                wait_s = self._lost(f"{type(error).__name__}: {error}", backoff)
        self._forget()

    def _live_one_connection(self, backoff: Backoff) -> None:
        connection = self._connect()
        try:
            backoff.reset()
            if not self._config.trust_broker:
                connection.subscribe(self._ack_topic)
            self._ask_for_commands(connection)
            self.connected = True
            self._say_birth(connection)
            self._serve(connection)
            self._say_goodbye(connection)
            connection.close()
        finally:
            self.connected = False
            connection.abandon()

    def _ask_for_commands(self, connection: Connection) -> None:
        """Readings go on where the broker's rules do not know commands yet."""
        if self._on_command is None:
            return
        try:
            connection.subscribe(self._command_topic)
        except RefusedError as error:
            self.counts["commands_unreadable"] += 1
            if self.counts["commands_unreadable"] == 1:
                _log.error("no_commands error=%s", error)

    def _connect(self) -> Connection:
        self._session = max(self._session + 1, time.time_ns() // 1_000_000)
        will = self._status_message("offline", "will")
        connection = Connection(self._config.broker, self._config.gateway, self._versions[0], will)
        try:
            connection.open()
        except VersionUnsupportedError:
            self._versions.append(self._versions.pop(0))
            connection.abandon()
            raise
        except PublishError:
            connection.abandon()
            raise
        self.counts["connects"] += 1
        _log.info("connected url=%s mqtt=%s session=%d", self._config.broker.url, connection.version, self._session)
        return connection

    def _lost(self, error: str, backoff: Backoff) -> float:
        """Note the end of a connection; returns the seconds to wait before the next."""
        self.counts["connection_failures"] += 1
        now_ms = _now_ms()
        self._mids.clear()
        self._silence.disconnected()
        for lane in self._lanes:
            lane.window.connection_lost(now_ms)
        wait_s = backoff.next_s()
        if backoff.attempts <= 3 or backoff.attempts % 20 == 0:  # noqa: PLR2004 (an outage of days must stay a few lines)
            _log.warning("disconnected error=%s attempts=%d retry_in_s=%.1f", error, backoff.attempts, wait_s)
        return wait_s

    def _pause(self, wait_s: float) -> None:
        deadline = time.monotonic() + wait_s
        while not self._stop.is_set() and (left_s := deadline - time.monotonic()) > 0:
            self._wake.wait(left_s)
        self._forget()

    def _serve(self, connection: Connection) -> None:
        forget_ms = born_ms = _now_ms()
        while not self._drained():
            now_ms = _now_ms()
            if now_ms >= forget_ms or self._stop.is_set():
                self._forget()
                forget_ms = now_ms + FORGET_INTERVAL_MS
            status_ms = born_ms + min(self._config.status_interval_ms, NEWS_INTERVAL_MS if self._news else _FAR_MS)
            if now_ms >= status_ms:
                self._say_birth(connection)
                born_ms = now_ms
            self._warn_of_silence(now_ms)
            next_ms = min(status_ms, self._send_due(connection, now_ms))
            for event in connection.pump(max(0, next_ms - _now_ms()) / 1000, self._wake):
                self._take(event, connection)

    def _send_due(self, connection: Connection, now_ms: int) -> int:
        """Send from both lanes, events first; returns when to look again."""
        next_ms = now_ms + (_LONGEST_WAIT_MS if self._busy() else 5 * _LONGEST_WAIT_MS)
        for lane in self._lanes:
            lane.load(now_ms)
            # One of the broker's places is left for births and the goodbye.
            free = connection.receive_maximum - 1 - len(self._mids)
            for flight in lane.window.due(now_ms)[: max(0, free)]:
                mid = connection.publish(lane.topic, lane.payload(flight))
                lane.window.sent(flight, now_ms)
                self._silence.sent(now_ms)
                self._mids[mid] = (lane, flight)
                self.counts["publishes"] += 1
            next_ms = min(next_ms, max(lane.window.next_due_ms(next_ms), now_ms + 20))
        return next_ms

    def _warn_of_silence(self, now_ms: int) -> None:
        if self._silence.is_news(now_ms):
            self.counts["silences"] += 1
            _log.warning(
                "no_acknowledgements for_s=%d hint=is the cloud running, and may this gateway read its %s",
                self._config.silence_after_ms // 1000,
                self._ack_topic,
            )

    def _busy(self) -> bool:
        return self._stop.is_set() or any(len(lane.window) or lane.acked for lane in self._lanes)

    def _take(self, event: Puback | Received, connection: Connection) -> None:
        if isinstance(event, Received):
            self._take_message(event)
            connection.settle(event)
            return
        lane, flight = self._mids.pop(event.mid, (None, None))
        if event.refused:
            self.counts["refused"] += 1
            if self.counts["refused"] == 1:
                _log.error("publish_refused reason=%s", event.refused)
        elif lane is not None and flight is not None and self._config.trust_broker:
            self._acked(lane, flight.row.writer, [(flight.row.seq, flight.row.seq)])

    def _take_message(self, message: Received) -> None:
        if message.topic == self._ack_topic:
            self._take_ack(message)
        elif message.topic == self._command_topic and self._on_command is not None:
            self.counts["commands"] += 1
            self._on_command(message)
        else:
            self.counts["strays"] += 1

    def _take_ack(self, message: Received) -> None:
        try:
            ack = decode_ack(message.payload)
        except DecodeError as error:
            self.counts["bad_acks"] += 1
            _log.warning("bad_ack reason=%s", error.reason)
            return
        ranges = merged((max(1, first), min(last, _MAX_SEQ)) for first, last in ack.seqs)
        for lane in self._lanes:
            # Both outboxes number their rows under ids of their own: an ack can only hit one.
            self._acked(lane, ack.log, ranges)

    def _acked(self, lane: Lane, log: str, ranges: list[tuple[int, int]]) -> None:
        count = lane.window.acked(log, ranges)
        self.counts["acked"] += count
        if count:
            self._silence.acked()
            lane.acked.add(log, ranges)

    def _forget(self) -> None:
        for lane in self._lanes:
            lane.forget()

    def _drained(self) -> bool:
        return self._stop.is_set() and (time.monotonic() > self._drain_until_s or self.idle)

    def _say_birth(self, connection: Connection) -> None:
        self._news = False
        message = self._status_message("online", "")
        connection.publish(message.topic, message.payload, retain=True)
        self.counts["births"] += 1

    def _say_goodbye(self, connection: Connection) -> None:
        message = self._status_message("offline", "shutdown")
        mid = connection.publish(message.topic, message.payload, retain=True)
        deadline = time.monotonic() + _GOODBYE_S
        while time.monotonic() < deadline:
            for event in connection.pump(0.1):
                if isinstance(event, Puback) and event.mid == mid:
                    return
                self._take(event, connection)

    def _own_figures(self) -> dict[str, float]:
        own: dict[str, float] = {f"publisher_{name}": n for name, n in self.counts.items()}
        own["publisher_resends"] = sum(lane.window.resends for lane in self._lanes)
        return own | {"in_flight": self.in_flight}

    def _status_message(self, state: str, reason: str) -> Retained:
        status = self._birth()
        status.state, status.reason, status.session = state, reason, self._session
        if state == "offline":
            status.loads = []
        if reason != "will":  # written in advance: no time and no figures of the end; the cloud books it when it comes
            status.t = time.time_ns() // 1_000_000
            status.logs = [lane.outbox.log_id for lane in self._lanes]
            status.outbox = {**self._lanes[1].outbox.counts(), **self._figures(), **self._own_figures()}
        return Retained(topics.up(self._config.gateway, topics.Up.STATUS), encode(status))


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
