"""What the notifier knows, in one file: who waits for which notice, who was told what, and every message's state.

Every method is one transaction, so that a kill -9 leaves it as if a whole method had been called or not.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from cloud_stream.notify import ledger_rows as rows
from cloud_stream.notify.alert_names import RESOLVED, rank
from cloud_stream.notify.grouping import HOUR_MS, WaitingGroup
from cloud_stream.notify.ledger_rows import ATTEMPTING, Letter, Message, OpenAlert, Record
from cloud_stream.notify.silences import SILENCES_SCHEMA, SilenceBook
from cloud_stream.records import Notice
from cloud_stream.sqlite_book import SqliteBook


class Ledger:
    """The notifier's file; safe to share between threads.

    Args:
        folder: Holds it.

    Attributes:
        silences: Kept in the same file.
    """

    def __init__(self, folder: Path) -> None:
        self._book = SqliteBook(folder / "notifier.db", rows.SCHEMA + SILENCES_SCHEMA)
        self.silences = SilenceBook(self._book)

    def take(self, notices: Sequence[Notice], channels: Sequence[str], least: str, now_ms: int) -> None:
        """Take notices in, once each, and decide which channel waits for which.

        Args:
            notices: In the order in which they were decided.
            channels: All that there are.
            least: Less severe notices are recorded only.
            now_ms: The wall clock, ms UTC.

        Raises:
            LogError: None was taken.
        """
        size = sum(512 + len(notice.text) * 2 for notice in notices) * (1 + len(channels))
        self._book.change(lambda db: rows.Intake(db, channels, rank(least), now_ms).take(notices), size)

    def mute(self, muted: Mapping[int, str], now_ms: int) -> None:
        """Let nobody wait for these notices: notice to the id of the silence that is about it.

        Raises:
            LogError: Nothing was changed.
        """
        self._book.change(lambda db: rows.mute(db, muted, now_ms))

    def unmute(self, alerts: Sequence[str], channels: Sequence[str], now_ms: int) -> None:
        """Let every channel wait for alerts that still fire and whose silence is over.

        Raises:
            LogError: Nothing was changed.
        """
        self._book.change(lambda db: rows.unmute(db, alerts, channels, now_ms))

    def waiting_notices(self) -> dict[int, Notice]:
        """Every firing notice or information that a channel waits for, by its number."""
        query = "SELECT id, payload FROM notices WHERE state != ? AND id IN (SELECT notice FROM waiting)"
        return self._book.read(
            lambda db: {number: rows.notice_of(payload) for number, payload in db.execute(query, (RESOLVED,))}
        )

    def open_alerts(self) -> list[OpenAlert]:
        """What fires now."""
        query = "SELECT o.alert, n.payload, o.muted FROM open_alerts o JOIN notices n ON n.id = o.notice ORDER BY n.id"
        return self._book.read(
            lambda db: [
                OpenAlert(alert, rows.notice_of(payload), bool(muted)) for alert, payload, muted in db.execute(query)
            ]
        )

    def muted_alerts(self) -> list[OpenAlert]:
        """What fires now, and nobody was told because of a silence."""
        query = "SELECT o.alert, n.payload FROM open_alerts o JOIN notices n ON n.id = o.notice WHERE o.muted = 1"
        return self._book.read(
            lambda db: [OpenAlert(alert, rows.notice_of(payload), muted=True) for alert, payload in db.execute(query)]
        )

    def groups(self, channel: str) -> list[WaitingGroup]:
        """What a channel waits for; the end of an alert is left out until its beginning has arrived."""
        return self._book.read(lambda db: rows.groups(db, channel))

    def notices(self, channel: str, groups: Sequence[str]) -> dict[int, Notice]:
        """What a channel waits for of some groups, as in `groups`, by its number."""
        return self._book.read(lambda db: rows.eligible(db, channel, groups))

    def pace(self, channel: str, now_ms: int) -> tuple[list[int], list[int]]:
        """When a channel's messages of the last hour were made, and how often each unfinished one was tried."""

        def ask(db: sqlite3.Connection) -> tuple[list[int], list[int]]:
            recent = db.execute(
                "SELECT made_ms FROM messages WHERE channel = ? AND made_ms > ?", (channel, now_ms - HOUR_MS)
            ).fetchall()
            query = f"SELECT attempts FROM messages WHERE channel = ? AND state IN {rows.UNFINISHED}"  # noqa: S608 (a constant)
            return [made_ms for (made_ms,) in recent], [tried for (tried,) in db.execute(query, (channel,))]

        return self._book.read(ask)

    def answered(self, channel: str, alert: str) -> str:
        """The id of the message that told a channel that an alert fires; "" without one."""
        query = "SELECT message FROM told WHERE channel = ? AND alert = ?"
        row = self._book.read(lambda db: db.execute(query, (channel, alert)).fetchone())
        return str(row[0]) if row else ""

    def post(self, message: Message, notices: Mapping[int, Notice]) -> None:
        """Keep a message that was made of what its channel waited for; from now on it is sent, as it is.

        Raises:
            LogError: There is no such message.
        """
        size = len(message.letter.html) + len(message.letter.text) + len(message.letter.chart) + 256 * len(notices)
        self._book.change(lambda db: rows.post(db, message, notices), size)

    def last_made_ms(self, channel: str) -> int:
        """When the newest message or record of a channel was made; 0 without one."""
        query = """SELECT max(ms) FROM (SELECT max(made_ms) AS ms FROM messages WHERE channel = ?1
                   UNION ALL SELECT max(t_ms) FROM records WHERE channel = ?1)"""
        row = self._book.read(lambda db: db.execute(query, (channel,)).fetchone())
        return int(row[0] or 0)

    def next_message(self, channel: str, now_ms: int, longest_wait_ms: int) -> Message | None:
        """The message to be tried now, the oldest first; a time too far ahead is a clock that was set back."""
        query = f"""SELECT id, channel, made_ms, state, attempts, error, notices, payload FROM messages
            WHERE channel = ? AND state IN {rows.UNFINISHED} AND (next_ms <= ? OR next_ms > ?)
            ORDER BY made_ms LIMIT 1"""  # noqa: S608 (a constant)
        values = (channel, now_ms, now_ms + longest_wait_ms)
        row = self._book.read(lambda db: db.execute(query, values).fetchone())
        return None if row is None else Message._make((*row[:7], msgspec.msgpack.decode(row[7], type=Letter)))

    def begin(self, message: Message) -> Message:
        """Write down that an attempt begins: after a kill nobody knows whether it arrived, and it is sent again.

        Raises:
            LogError: It is not written down, and must not begin.
        """
        begun = message._replace(state=ATTEMPTING, attempts=message.attempts + 1)
        self._book.change(lambda db: rows.set_state(db, begun, 0))
        return begun

    def finish(self, message: Message, next_ms: int) -> None:
        """Write down how an attempt ended.

        Args:
            message: With its new state and error.
            next_ms: When it is tried again, if it is.

        Raises:
            LogError: It is not written down; do it again, not the attempt.
        """
        self._book.change(lambda db: rows.finish(db, message, next_ms))

    def records(self, limit: int) -> list[Record]:
        """What the store has not been told, oldest first."""
        query = "SELECT channel, t_ms, payload FROM records ORDER BY t_ms LIMIT ?"
        return self._book.read(
            lambda db: [
                Record(channel, t_ms, msgspec.msgpack.decode(payload))
                for channel, t_ms, payload in db.execute(query, (limit,))
            ]
        )

    def forget_records(self, records: Sequence[Record]) -> None:
        """Let records go that the store has; one that has changed since stays.

        Raises:
            LogError: They are still there.
        """
        gone = [(one.channel, one.t_ms, msgspec.msgpack.encode(one.fields)) for one in records]
        query = "DELETE FROM records WHERE channel = ? AND t_ms = ? AND payload = ?"
        self._book.change(lambda db: db.executemany(query, gone).rowcount)

    def waiting_count(self) -> int:
        """How many notices are kept: those that somebody waits for, and what fires."""
        return int(self._book.read(lambda db: db.execute("SELECT count(*) FROM notices").fetchone()[0]))

    def tidy(self, give_up_after_ms: int, now_ms: int) -> None:
        """Forget what is not needed any more, and give up what a channel has waited for too long.

        Raises:
            LogError: It is all still there.
        """
        self._book.change(lambda db: rows.tidy(db, give_up_after_ms, now_ms))

    def counts(self) -> Mapping[str, int]:
        """How often each thing ever happened, by name."""
        return self._book.read(lambda db: dict(db.execute("SELECT name, count FROM counts").fetchall()))

    def unfinished(self) -> Mapping[str, int]:
        """Messages that are neither sent nor given up, by channel."""
        query = f"SELECT channel, count(*) FROM messages WHERE state IN {rows.UNFINISHED} GROUP BY channel"  # noqa: S608 (a constant)
        return self._book.read(lambda db: dict(db.execute(query).fetchall()))

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        self._book.close()
