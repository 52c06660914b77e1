"""One turn of the notifier: takes notices in, applies silences, makes messages, tells the store."""

import hashlib
import logging
import time
from collections.abc import Sequence
from typing import Final

import msgspec

from cloud_stream.config_sections import NotifyConfig
from cloud_stream.errors import StoreError
from cloud_stream.keyed_queue import KeyedQueue, QueueRow
from cloud_stream.notify.alert_names import RESOLVED, name_of
from cloud_stream.notify.chart import Curve, draw, read_curve
from cloud_stream.notify.delivery import Channel
from cloud_stream.notify.grouping import Pace, budget, messages_due
from cloud_stream.notify.ledger import Ledger
from cloud_stream.notify.ledger_rows import WAITING, Letter, Message
from cloud_stream.notify.messages import word_message
from cloud_stream.notify.notice_rows import read_notice
from cloud_stream.notify.silences import silence_of
from cloud_stream.ports import Store
from cloud_stream.records import Notice, Point
from cloud_stream.sites import Sites
from wattline.errors import DecodeError

_log: Final = logging.getLogger("cloud_stream.notify")
MEASUREMENT: Final = "notification"
TAKEN_AT_ONCE: Final = 1000
BATCHES_A_TURN: Final = 10
"""After so many, other things have their turn."""
MOST_KEPT: Final = 200_000
"""Above so many notices in the ledger, more stay in the queue, which drops its oldest when it is full."""
RECORDS_AT_ONCE: Final = 500
STORE_PAUSE_S: Final = 30.0
"""A store that did not answer is left alone for so long: no message waits for its chart."""


class Desk:
    """Decides what is sent; couriers send it. Used from one thread.

    Args:
        config: Of the notifier.
        channels: Where messages go.
        queue: Where notices come from.
        ledger: What the notifier knows.
        store: Told of messages, and asked for charts.
        sites: Their time zones.
    """

    def __init__(
        self,
        config: NotifyConfig,
        channels: Sequence[Channel],
        queue: KeyedQueue,
        ledger: Ledger,
        store: Store,
        sites: Sites,
    ) -> None:
        self._config = config
        self._channels = channels
        self._names = [channel.name for channel in channels]
        self._queue = queue
        self._ledger = ledger
        self._store = store
        self._sites = sites
        self._pace = Pace(config.group_wait, config.group_interval, config.max_per_hour)
        self._store_after_s = 0.0
        self._charts: dict[tuple[str, int], bytes] = {}

    def turn(self, now_ms: int) -> bool:
        """Do what is due.

        Returns:
            Whether there are new messages.

        Raises:
            LogError: A file of ours cannot be used now; call it again.
        """
        self._take(now_ms)
        self._apply_silences(now_ms)
        self._charts.clear()
        made = [self._make_messages(channel, now_ms) for channel in self._channels]
        self._tell_store()
        return any(made)

    def tidy(self, now_ms: int) -> None:
        """Forget what is not needed any more; call it every minute or so.

        Raises:
            LogError: As `turn`.
        """
        self._ledger.tidy(self._config.give_up_after, now_ms)

    def _take(self, now_ms: int) -> None:
        """Move batches from the queue to the ledger: first kept there, then let go here; a repeat is recognised."""
        if self._ledger.waiting_count() >= MOST_KEPT:
            return
        for _ in range(BATCHES_A_TURN):
            if not self._take_batch(now_ms):
                return

    def _take_batch(self, now_ms: int) -> bool:
        rows = self._queue.waiting(TAKEN_AT_ONCE)
        notices = {row.seq: notice for row in rows if (notice := _decoded(row)) is not None}
        if notices:
            self._ledger.take(list(notices.values()), self._names, self._config.min_severity, now_ms)
        self._queue.settle(list(notices), "taken")
        self._queue.settle([row.seq for row in rows if row.seq not in notices], "unreadable")
        return len(rows) == TAKEN_AT_ONCE

    def _apply_silences(self, now_ms: int) -> None:
        silences = self._ledger.silences.all()
        active = [silence for silence in silences if silence.is_active(now_ms)]
        if active:
            found = {number: silence_of(one, active, now_ms) for number, one in self._ledger.waiting_notices().items()}
            muted = {number: silence.id for number, silence in found.items() if silence is not None}
            if muted:
                self._ledger.mute(muted, now_ms)
        speak = [one.alert for one in self._ledger.muted_alerts() if silence_of(one.notice, active, now_ms) is None]
        if speak:
            self._ledger.unmute(speak, self._names, now_ms)

    def _make_messages(self, channel: Channel, now_ms: int) -> bool:
        allowed = budget(*self._ledger.pace(channel.name, now_ms), self._pace, now_ms)
        if allowed <= 0:  # known at once, where a hundred thousand notices may wait
            return False
        made = messages_due(self._ledger.groups(channel.name), self._pace, allowed, now_ms)
        for names in made:
            self._make_message(channel, names, now_ms)
        return bool(made)

    def _make_message(self, channel: Channel, groups: Sequence[str], now_ms: int) -> None:
        notices = self._ledger.notices(channel.name, groups)
        if not notices:
            return
        made_ms = max(now_ms, self._ledger.last_made_ms(channel.name) + 1)
        told = list(notices.values())
        chart = self._chart(told, now_ms) if channel.takes_charts else b""
        words = word_message(told, self._sites, self._config.link, now_ms, has_chart=bool(chart))
        letter = Letter(
            subject=words.subject, text=words.text, html=words.html, severity=words.severity,
            chart=chart, answers=self._answered(channel.name, told),
        )  # fmt: skip
        name = _message_name(channel.name, made_ms, told)
        self._ledger.post(Message(name, channel.name, made_ms, WAITING, 0, "", len(told), letter), notices)
        _log.info("message_made channel=%s message=%s notices=%d", channel.name, name, len(told))

    def _answered(self, channel: str, notices: Sequence[Notice]) -> str:
        ended = next((one for one in notices if one.state == RESOLVED), None)
        return self._ledger.answered(channel, name_of(ended).id) if ended else ""

    def _chart(self, notices: Sequence[Notice], now_ms: int) -> bytes:
        """A picture of what a single notice is about; of several, of the one site that they are all at."""
        notice = _pictured(notices)
        if notice is None or time.monotonic() < self._store_after_s:
            return b""
        key = (notice.key, now_ms)
        if key not in self._charts:
            self._charts[key] = self._draw(notice, now_ms)
        return self._charts[key]

    def _draw(self, notice: Notice, now_ms: int) -> bytes:
        try:
            curve: Curve | None = read_curve(self._store, notice, now_ms)
        except StoreError as error:
            self._leave_store(error)
            return b""
        if curve is None:
            return b""
        try:
            return draw(curve, self._sites.of(notice.site).zone)
        except Exception:  # noqa: BLE001 (a picture is a courtesy: whatever is wrong, the message must go out)
            _log.exception("chart_failed notice=%s", notice.key)
            return b""

    def _tell_store(self) -> None:
        if time.monotonic() < self._store_after_s:
            return
        records = self._ledger.records(RECORDS_AT_ONCE)
        if not records:
            return
        points = [Point(MEASUREMENT, {"channel": one.channel}, one.t_ms, one.fields) for one in records]
        try:
            refused = self._store.write([], points)
        except StoreError as error:
            self._leave_store(error)
            return
        if refused:
            _log.error("records_refused count=%d reason=%s", len(refused), refused[0].reason)
        self._ledger.forget_records(records)

    def _leave_store(self, error: StoreError) -> None:
        self._store_after_s = time.monotonic() + STORE_PAUSE_S
        _log.warning("store_failed problem=%r", str(error))


def _pictured(notices: Sequence[Notice]) -> Notice | None:
    measured = [one for one in notices if one.quantity]
    if len({name_of(one).id for one in notices}) == 1:
        return measured[-1] if measured else None
    of_site = [one for one in measured if one.level == "site"]
    return of_site[0] if of_site and len({one.site for one in notices}) == 1 else None


def _decoded(row: QueueRow) -> Notice | None:
    try:
        return read_notice(row.payload)
    except DecodeError as error:
        _log.error("notice_unreadable seq=%d problem=%r", row.seq, str(error))
        return None


def _message_name(channel: str, made_ms: int, notices: Sequence[Notice]) -> str:
    """A message's id: of what makes it this message, so that it needs no chance."""
    content = msgspec.json.encode([channel, made_ms, [notice.key for notice in notices[:100]]])
    return f"wattline-{hashlib.blake2b(content, digest_size=12).hexdigest()}"
