"""One gateway of a fleet: its log, its readings and its session, woken by the fleet's loop."""

import random
from typing import Final

import msgspec

from simulators.fleet_config import AckMode, FleetConfig, gateway_id, meter_ids, site_id
from simulators.gateway_link import Dialect, GatewayLink
from simulators.gateway_log import GatewayLog, Span
from simulators.profiles import Profiles, frames_of, meter_table, values_at
from simulators.report import GatewayReport, GatewayTally, ReadingsFile, Totals
from wattline import wire
from wattline.errors import DecodeError
from wattline.topics import Up

_FIRST_BACKOFF_MS: Final = 300
_READY_TIMEOUT_MS: Final = 5000
_MISC_INTERVAL_MS: Final = 1000
_VERSIONS: Final = {"simulator": "1"}


class FleetState(msgspec.Struct):
    """What the gateways of one fleet share; the loop's thread alone touches it."""

    config: FleetConfig
    profiles: Profiles
    dialect: Dialect
    totals: Totals
    start_ms: int
    now_ms: int
    end_ms: int | None = None
    readings_file: ReadingsFile | None = None
    last_error: str = ""


class SimulatedGateway:
    """A gateway; the fleet's loop calls it when its socket can be used or its time has come.

    Args:
        shared: The fleet's state; `shared.now_ms` is the time of every call.
        index: Which gateway, from 0.
        log_id: The id of its log, new in every run.
    """

    def __init__(self, shared: FleetState, index: int, log_id: str) -> None:
        config = shared.config
        self.gateway = gateway_id(config, index)
        self.link: GatewayLink | None = None
        self.goodbye_done = False
        self._shared = shared
        self._site = site_id(config, index)
        self._log_id = log_id
        self._meters = meter_table(config.seed, meter_ids(config, index))
        self._log = GatewayLog(
            max(config.most_readings // config.meters, 1), config.max_inflight, config.resend_after_ms
        )
        self._tally = GatewayTally(self.gateway, self._site, log_id, self._meters)
        self._random = random.Random(f"{config.seed} {self.gateway}")
        self._planned_ms = shared.start_ms
        if config.backlog_ms:
            self._log.add(shared.start_ms - config.backlog_ms, shared.start_ms, config.backlog_interval_ms)
        # Spread over the flush interval, as gateways that were switched on one by one are.
        self._next_flush_ms = shared.start_ms + config.flush_ms * (index + 1) // config.gateways
        self._next_connect_ms = shared.start_ms + 2 * index
        self._connected_before = False
        self._backoff_ms = _FIRST_BACKOFF_MS
        self._session = 0
        self._ready = False
        self._ready_by_ms = 0
        self._mids: dict[int, int] = {}
        self._goodbye_mid = 0

    def wake(self) -> int:
        """Do what is due; returns when to wake it again, in milliseconds."""
        now_ms = self._shared.now_ms
        if now_ms >= self._next_flush_ms:
            self._next_flush_ms += self._shared.config.flush_ms
            self.plan(now_ms)
        if self.link is None and now_ms >= self._next_connect_ms:
            self._connect()
        if self.link is not None:
            self.link.misc()
        if self.link is not None and not self._ready and now_ms >= self._ready_by_ms:
            self.link.give_up("no answer to CONNECT or SUBSCRIBE")
        self.send()
        next_ms = min(self._next_flush_ms, now_ms + _MISC_INTERVAL_MS)
        return next_ms if self.link is not None else min(next_ms, self._next_connect_ms)

    def plan(self, until_ms: int) -> None:
        """Make the readings up to a time into batches."""
        end_ms = self._shared.end_ms
        until_ms = until_ms if end_ms is None else min(until_ms, end_ms)
        if until_ms > self._planned_ms:
            self._log.add(self._planned_ms, until_ms, self._shared.config.interval_ms)
            self._planned_ms = until_ms

    def send(self) -> None:
        """Publish what may be in flight now."""
        if self._ready and self.link is not None and not self._goodbye_mid:
            link = self.link
            for span, is_new in self._log.take(self._shared.now_ms):
                self._publish(link, span, is_new=is_new)

    def say_goodbye(self) -> None:
        """Publish the death of an orderly end; `goodbye_done` follows when the broker has it."""
        if self.link is None or not self._ready:
            self.goodbye_done = True
        elif not self._goodbye_mid:
            self._goodbye_mid = self.link.publish(Up.STATUS, self._status("offline", "shutdown"), retain=True)

    def close(self) -> None:
        """End the session where there is one."""
        if self.link is not None:
            self.link.close()
            self.link = None

    @property
    def undelivered(self) -> int:
        """Batches without acknowledgement, sent or not."""
        return self._log.undelivered

    @property
    def tally(self) -> GatewayTally:
        """What it has sent."""
        return self._tally

    def report(self) -> GatewayReport:
        """What it has sent, and what is left."""
        return self._tally.report(self._log.unacked, self._log.undelivered - self._log.unacked)

    def link_ready(self) -> None:
        """Connected and subscribed: birth, then the batches."""
        self._ready = True
        self._backoff_ms = _FIRST_BACKOFF_MS
        totals = self._shared.totals
        totals.connects += 1
        totals.reconnects += self._connected_before
        self._connected_before = True
        if self.link is not None:
            self.link.publish(Up.STATUS, self._status("online"), retain=True)

    def link_lost(self, reason: str) -> None:
        """Not connected: everything in flight is doubtful."""
        if not self._ready:
            self._shared.totals.failed_connects += 1
        self._shared.last_error = reason
        self.link, self._ready = None, False
        self.goodbye_done = self._goodbye_mid > 0
        self._mids.clear()
        self._log.connection_lost()
        pause_ms = self._backoff_ms * self._random.uniform(0.5, 1.0)
        self._next_connect_ms = self._shared.now_ms + round(pause_ms)
        self._backoff_ms = min(self._backoff_ms * 2, self._shared.config.backoff_max_ms)

    def published(self, mid: int, *, accepted: bool) -> None:
        """The broker has taken or refused a message of this connection."""
        if mid == self._goodbye_mid:
            self.goodbye_done = True
        seq = self._mids.pop(mid, None)
        if seq is None:
            return
        totals = self._shared.totals
        if not accepted:
            totals.refused += 1
            return
        totals.pubacks += 1
        if self._shared.config.ack is AckMode.BROKER:
            totals.acked += self._log.acknowledge([(seq, seq)])

    def acknowledged(self, payload: bytes) -> None:
        """The cloud names batches that are safe."""
        try:
            ack = wire.decode_ack(payload)
        except DecodeError:
            self._shared.totals.bad_acks += 1
            return
        if ack.log == self._log_id and self._shared.config.ack is AckMode.CLOUD:
            self._shared.totals.acked += self._log.acknowledge(ack.seqs)

    def _connect(self) -> None:
        # The same number in birth and death, and another one for every connection.
        self._session = max(self._session + 1, self._shared.now_ms)
        self._ready_by_ms = self._shared.now_ms + _READY_TIMEOUT_MS
        will = self._status("offline", "will")
        link = GatewayLink(self.gateway, self._shared.config.broker, self._shared.dialect, will, self)
        try:
            link.connect()
        except (OSError, ValueError) as error:
            link.give_up(str(error))
        else:
            # The connection may have ended within: then the loss is noted already.
            self.link = link if link.alive else None

    def _publish(self, link: GatewayLink, span: Span, *, is_new: bool) -> None:
        t_ms = span.times()
        values = values_at(self._shared.profiles, self._meters, t_ms)
        batch = wire.Batch(
            v=wire.VERSION,
            gateway=self.gateway,
            site=self._site,
            log=self._log_id,
            seq=span.seq,
            oldest=self._log.oldest,
            frames=frames_of(self._meters, t_ms, values),
        )
        mid = link.publish(Up.READINGS, wire.encode(batch))
        # A message number of a connection that just broke means another message on the next one.
        if link.alive:
            self._mids[mid] = span.seq
        totals = self._shared.totals
        totals.publishes += 1
        totals.resends += not is_new
        if is_new:
            totals.batches += 1
            totals.readings += len(t_ms) * len(self._meters.ids)
            self._tally.count(t_ms, values)
            if self._shared.readings_file is not None:
                self._shared.readings_file.write(self.gateway, self._site, self._meters, t_ms, values)

    def _status(self, state: str, reason: str = "") -> bytes:
        born = state == "online"
        meters = [wire.MeterInfo(id=meter, kind="electricity") for meter in self._meters.ids] if born else []
        status = wire.Status(
            v=wire.VERSION,
            gateway=self.gateway,
            site=self._site,
            state=state,
            session=self._session,
            t=0 if reason == "will" else self._shared.now_ms,
            reason=reason,
            versions=_VERSIONS if born else {},
            meters=meters,
            logs=[self._log_id] if born else [],
        )
        return wire.encode(status)
