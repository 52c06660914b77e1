"""`wattline cloud dispatch`: takes orders from the queue to the broker, until SIGTERM."""

import logging
import math
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from typing import Final

import msgspec

from cloud_stream.config import BrokerConfig, CloudConfig
from cloud_stream.config_sections import CommandsConfig
from cloud_stream.dispatch.link import Answered, Link, LinkError, WrongVersionError, protocols
from cloud_stream.dispatch.orders import open_orders
from cloud_stream.dispatch.outgoing import Due, Outgoing
from cloud_stream.engine import now_ms
from cloud_stream.keyed_queue import KeyedQueue
from wattline.backoff import Backoff
from wattline.errors import ConfigError, LogError
from wattline.stop_signals import called_on_stop

_log: Final = logging.getLogger("cloud_stream.dispatch")
TURN_S: Final = 0.1
FIRST_RETRY_S: Final = 0.2
LONGEST_RETRY_S: Final = 20.0
LOOKED_AT: Final = 1000
"""Orders of the queue that are looked at; more wait behind them."""


def run_dispatch(config: CloudConfig) -> int:
    """Send orders until SIGTERM or SIGINT.

    Args:
        config: The cloud's configuration, with a `[commands]` section.

    Returns:
        The exit status.

    Raises:
        ConfigError: The section is missing, or a secret or certificate cannot be used.
    """
    if config.commands is None:
        raise ConfigError("commands", "the section is missing: no load may be switched")
    with closing(open_orders(config.commands)) as orders:
        dispatcher = Dispatcher(orders, broker_of(config.broker, config.commands), config.commands.client_id)
        with called_on_stop(dispatcher.stop):
            dispatcher.run()
    return 0


def broker_of(broker: BrokerConfig, commands: CommandsConfig) -> BrokerConfig:
    """The broker as the dispatcher reaches it: with its own user, where it has one."""
    if not commands.username:
        return broker
    return msgspec.structs.replace(broker, username=commands.username, password_file=commands.password_file)


class Dispatcher:
    """The loop between the queue and the broker.

    Attributes:
        counts: Orders by how they ended, `connections`, `connection_failures`, `unheard` (nobody listened),
            `queue_failures`.
    """

    def __init__(
        self, orders: KeyedQueue, broker: BrokerConfig, client_id: str, now: Callable[[], int] = now_ms
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            orders: The queue.
            broker: Where it goes.
            client_id: Who sends it.
            now: The wall clock, ms UTC.
        """
        self.counts: Counter[str] = Counter()
        self._queue = orders
        self._broker = broker
        self._client_id = client_id
        self._now_ms = now
        self._stop = threading.Event()
        self._outgoing = Outgoing()
        self._mids: dict[int, Due] = {}
        self._protocols = protocols(broker)
        self._backoff = Backoff(FIRST_RETRY_S, LONGEST_RETRY_S)
        self._queue_fails = False

    def stop(self) -> None:
        """End `run` soon; from any thread."""
        self._stop.set()

    def run(self) -> None:
        """Connect, send and settle until `stop`; a lost broker is connected to again.

        Raises:
            ConfigError: A secret or certificate cannot be used.
        """
        _log.info("dispatch_started broker=%s:%d", self._broker.address.host, self._broker.address.port)
        while not self._stop.is_set():
            try:
                link = self._connect()
            except LinkError as error:
                self._lost(str(error))
                continue
            try:
                self._serve(link)
            except LinkError as error:
                self._lost(str(error))
            finally:
                link.close()
        self._settle()
        _log.info("dispatch_stopped %s", " ".join(f"{name}={n}" for name, n in sorted(self.counts.items())))

    def _connect(self) -> Link:
        try:
            link = Link(self._broker, self._client_id, self._protocols[0])
        except WrongVersionError:
            self._protocols.append(self._protocols.pop(0))
            raise
        self.counts["connections"] += 1
        _log.info("dispatch_connected mqtt=%s", link.version)
        return link

    def _serve(self, link: Link) -> None:
        self._backoff.reset()
        while not self._stop.is_set():
            self._look()
            for due in self._outgoing.due(self._now_ms()):
                self._send(link, due)
            for answered in link.events(TURN_S):
                self._take(answered)
            self._settle()

    def _send(self, link: Link, due: Due) -> None:
        order = due.order
        lasts_s = max(1, math.ceil((order.expires_ms - self._now_ms()) / 1000))
        mid = link.send(order.gateway, due.payload, lasts_s)
        self._mids[mid] = due
        self._outgoing.sent(due.seq)

    def _take(self, answered: Answered) -> None:
        due = self._mids.pop(answered.mid, None)
        if due is None:
            return
        order = due.order
        if not answered.problem:
            self._outgoing.acknowledged(due.seq)
            _log.info(
                "order_sent id=%r gateway=%s load=%r action=%s", order.id, order.gateway, order.load, order.action
            )
            return
        self.counts["unheard"] += 1
        self._outgoing.refused(due.seq, self._now_ms())
        _log.warning("order_unheard id=%r gateway=%s reason=%s", order.id, order.gateway, answered.problem)

    def _lost(self, problem: str) -> None:
        """Note it, and wait; what expires meanwhile is settled all the same."""
        self.counts["connection_failures"] += 1
        self._mids.clear()
        self._outgoing.connection_lost()
        wait_s = self._backoff.next_s()
        if self._backoff.attempts <= 3 or self._backoff.attempts % 20 == 0:  # noqa: PLR2004 (an outage of days stays a few lines)
            _log.warning("dispatch_disconnected problem=%r retry_in_s=%.1f", problem, wait_s)
        self._look()
        self._outgoing.expire(self._now_ms())
        self._settle()
        self._stop.wait(wait_s)

    def _look(self) -> None:
        """Take what is new in the queue; one that cannot be read now is looked at again."""
        try:
            self._outgoing.load(self._queue.waiting(LOOKED_AT))
        except LogError as error:
            self._note_queue(error)
        else:
            self._queue_fails = False

    def _settle(self) -> None:
        """Let go of what is done with; what the disk does not take is told it again, and not sent again."""
        by_outcome: dict[str, list[int]] = {}
        for seq, how in self._outgoing.ended.items():
            by_outcome.setdefault(how, []).append(seq)
        for how, seqs in by_outcome.items():
            try:
                self._queue.settle(seqs, how)
            except LogError as error:
                self._note_queue(error)
                return
            self.counts[how] += len(seqs)
            self._outgoing.forget(seqs)
            if how != "sent":
                _log.warning("orders_not_sent outcome=%s count=%d", how, len(seqs))

    def _note_queue(self, error: LogError) -> None:
        self.counts["queue_failures"] += 1
        if not self._queue_fails:
            _log.error("orders_unreadable problem=%r", str(error))
        self._queue_fails = True
