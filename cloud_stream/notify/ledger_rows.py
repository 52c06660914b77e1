"""The notifier's tables, what they are asked and what is done to them: SQL on an open connection."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from cloud_stream.notify.alert_names import FIRING, RESOLVED, name_of, rank
from cloud_stream.notify.grouping import Step, WaitingGroup, step
from cloud_stream.records import Notice

TAKEN_REMEMBERED_MS: Final = 7 * 86_400_000
MESSAGE_KEPT_MS: Final = 7 * 86_400_000
MOST_RECORDS: Final = 10_000
MOST_OPEN: Final = 200_000
WAITING: Final = "waiting"
ATTEMPTING: Final = "attempting"
SENT: Final = "sent"
GIVEN_UP: Final = "given_up"

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS taken (key TEXT PRIMARY KEY, taken_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notices (
    id INTEGER PRIMARY KEY AUTOINCREMENT, alert TEXT NOT NULL, grp TEXT NOT NULL, state TEXT NOT NULL,
    came_ms INTEGER NOT NULL, payload BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS open_alerts (
    alert TEXT PRIMARY KEY, notice INTEGER NOT NULL, muted INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS waiting (
    channel TEXT NOT NULL, notice INTEGER NOT NULL, alert TEXT NOT NULL, PRIMARY KEY (channel, notice)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS waiting_by_alert ON waiting (channel, alert);
CREATE INDEX IF NOT EXISTS waiting_by_notice ON waiting (notice);
CREATE TABLE IF NOT EXISTS told (
    channel TEXT NOT NULL, alert TEXT NOT NULL, message TEXT NOT NULL, PRIMARY KEY (channel, alert)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS told_groups (
    channel TEXT NOT NULL, grp TEXT NOT NULL, told_ms INTEGER NOT NULL, PRIMARY KEY (channel, grp)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS messages (
    id TEXT PRIMARY KEY, channel TEXT NOT NULL, made_ms INTEGER NOT NULL, state TEXT NOT NULL,
    attempts INTEGER NOT NULL, next_ms INTEGER NOT NULL, error TEXT NOT NULL, notices INTEGER NOT NULL,
    payload BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS messages_by_channel ON messages (channel, state, made_ms);
CREATE TABLE IF NOT EXISTS records (
    channel TEXT NOT NULL, t_ms INTEGER NOT NULL, payload BLOB NOT NULL, PRIMARY KEY (channel, t_ms)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counts (name TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
"""


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """What a message says, as it is kept until it has arrived.

    Attributes:
        severity: The highest of its notices.
        chart: A PNG; empty without one.
        answers: The id of the message that told of what has ended now; "" without one.
    """

    subject: str
    text: str
    html: str
    severity: str
    chart: bytes = b""
    answers: str = ""


class Message(NamedTuple):
    """A message for one channel.

    Attributes:
        id: The same at every attempt.
        made_ms: When it was made, unique in its channel. attempts: how many were begun.
        state: `waiting`, `attempting`, `sent` or `given_up`.
        notices: How many are in it.
    """

    id: str
    channel: str
    made_ms: int
    state: str
    attempts: int
    error: str
    notices: int
    letter: Letter


class Record(NamedTuple):
    """A `notification` point to be: what the store shall know of a message, or of notices that nobody was told."""

    channel: str
    t_ms: int
    fields: Mapping[str, str | int]


class OpenAlert(NamedTuple):
    """An alert that fires. `muted`: nobody was told because of a silence."""

    alert: str
    notice: Notice
    muted: bool


UNFINISHED: Final = f"('{WAITING}', '{ATTEMPTING}')"
_ELIGIBLE: Final = f"""
    FROM waiting w JOIN notices n ON n.id = w.notice
    LEFT JOIN told t ON t.channel = w.channel AND t.alert = w.alert
    LEFT JOIN messages m ON m.id = t.message
    WHERE w.channel = ? AND (n.state != '{RESOLVED}' OR m.state IS NULL OR m.state NOT IN {UNFINISHED})
"""


class Intake:
    """Takes notices in, inside one transaction."""

    def __init__(self, db: sqlite3.Connection, channels: Sequence[str], least: int, now_ms: int) -> None:
        self._db = db
        self._channels = channels
        self._least = least
        self._now_ms = now_ms

    def take(self, notices: Iterable[Notice]) -> None:
        """See `Ledger.take`."""
        for notice in notices:
            row = (notice.key.encode(errors="backslashreplace").decode(), self._now_ms)
            if self._db.execute("INSERT OR IGNORE INTO taken VALUES (?, ?)", row).rowcount:
                self._take(notice)

    def _take(self, notice: Notice) -> None:
        alert = name_of(notice).id
        values = (alert, notice.group, notice.state, self._now_ms, msgspec.msgpack.encode(notice))
        number = self._db.execute(
            "INSERT INTO notices (alert, grp, state, came_ms, payload) VALUES (?, ?, ?, ?, ?)", values
        ).lastrowid
        _count(self._db, f"taken_{notice.state}")
        if notice.state == FIRING:
            self._db.execute("INSERT OR REPLACE INTO open_alerts VALUES (?, ?, 0)", (alert, number))
        elif notice.state == RESOLVED:
            self._db.execute("DELETE FROM open_alerts WHERE alert = ?", (alert,))
            self._end_acknowledgement(alert)
        if notice.state != RESOLVED and rank(notice.severity) < self._least:
            _count(self._db, "below_min_severity")
            _record(self._db, "", self._now_ms, _unsent("below_min_severity", [notice]))
            return
        told = [self._step(channel, alert, notice, int(number or 0)) for channel in self._channels]
        if notice.state in (FIRING, RESOLVED) and told and Step.WAIT not in told and Step.CANCEL in told:
            _count(self._db, "cancelled")
            _record(self._db, "", self._now_ms, _unsent("cancelled", [notice]))

    def _step(self, channel: str, alert: str, notice: Notice, number: int) -> Step:
        own = (channel, alert)
        told = self._db.execute("SELECT 1 FROM told WHERE channel = ? AND alert = ?", own).fetchone() is not None
        query = """SELECT n.id, n.state FROM waiting w JOIN notices n ON n.id = w.notice
                   WHERE w.channel = ? AND w.alert = ? AND n.state IN (?, ?)"""
        waits = self._db.execute(query, (*own, FIRING, RESOLVED)).fetchall()
        decided = step(notice.state, told=told, waits=waits[-1][1] if waits else "")
        if decided is not Step.SKIP and notice.state in (FIRING, RESOLVED):
            gone = ((channel, waiting) for waiting, _ in waits)
            self._db.executemany("DELETE FROM waiting WHERE channel = ? AND notice = ?", gone)
        if decided is Step.WAIT:
            self._db.execute("INSERT OR IGNORE INTO waiting VALUES (?, ?, ?)", (channel, number, alert))
        return decided

    def _end_acknowledgement(self, alert: str) -> None:
        found = "json_extract(payload, '$.alert') = ?"
        self._db.execute(f"DELETE FROM silences WHERE {found}", (alert,))  # noqa: S608 (a constant)


def notice_of(payload: bytes) -> Notice:
    """A notice as the tables keep it."""
    return msgspec.msgpack.decode(payload, type=Notice)


def _count(db: sqlite3.Connection, name: str, n: int = 1) -> None:
    query = "INSERT INTO counts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET count = count + excluded.count"
    db.execute(query, (name, n))


def _unsent(state: str, notices: Sequence[Notice], error: str = "") -> dict[str, str | int]:
    subject = f"{notices[0].group}: {notices[0].title}"[:200]
    return {"state": state, "subject": subject, "notices": len(notices), "attempts": 0, "error": error}


def _record(
    db: sqlite3.Connection, channel: str, t_ms: int, fields: Mapping[str, str | int], *, fresh: bool = True
) -> None:
    """Keep what the store shall know; a fresh one gets a time that no other of its channel has."""
    if fresh:
        row = db.execute("SELECT max(t_ms) FROM records WHERE channel = ?", (channel,)).fetchone()
        t_ms = max(t_ms, int(row[0] or 0) + 1)
    db.execute("INSERT OR REPLACE INTO records VALUES (?, ?, ?)", (channel, t_ms, msgspec.msgpack.encode(fields)))


def mute(db: sqlite3.Connection, muted: Mapping[int, str], now_ms: int) -> None:
    """See `Ledger.mute`."""
    by_silence: dict[tuple[str, str], list[Notice]] = {}
    for number, silence in muted.items():
        row = db.execute("SELECT payload FROM notices WHERE id = ?", (number,)).fetchone()
        if row is not None and db.execute("DELETE FROM waiting WHERE notice = ?", (number,)).rowcount:
            notice = notice_of(row[0])
            by_silence.setdefault((silence, notice.group), []).append(notice)
            db.execute("UPDATE open_alerts SET muted = 1 WHERE notice = ?", (number,))
    for (silence, _), notices in by_silence.items():
        _count(db, "silenced", len(notices))
        _record(db, "", now_ms, _unsent("silenced", notices, f"silence {silence}"))


def unmute(db: sqlite3.Connection, alerts: Sequence[str], channels: Sequence[str], now_ms: int) -> None:
    """See `Ledger.unmute`."""
    for alert in alerts:
        row = db.execute("SELECT notice FROM open_alerts WHERE alert = ? AND muted = 1", (alert,)).fetchone()
        if row is None:
            continue
        db.execute("UPDATE open_alerts SET muted = 0 WHERE alert = ?", (alert,))
        db.execute("UPDATE notices SET came_ms = ? WHERE id = ?", (now_ms, row[0]))
        for channel in channels:
            db.execute("INSERT OR IGNORE INTO waiting VALUES (?, ?, ?)", (channel, row[0], alert))


def groups(db: sqlite3.Connection, channel: str) -> list[WaitingGroup]:
    """See `Ledger.groups`."""
    query = f"""SELECT n.grp, min(n.came_ms), max(n.came_ms),
        (SELECT told_ms FROM told_groups g WHERE g.channel = w.channel AND g.grp = n.grp)
        {_ELIGIBLE} GROUP BY n.grp"""  # noqa: S608 (a constant)
    return [WaitingGroup(*row) for row in db.execute(query, (channel,))]


def eligible(db: sqlite3.Connection, channel: str, groups: Sequence[str]) -> dict[int, Notice]:
    """See `Ledger.notices`."""
    query = f"SELECT n.id, n.payload {_ELIGIBLE} AND n.grp IN (SELECT value FROM json_each(?)) ORDER BY n.id"  # noqa: S608 (a constant)
    rows = db.execute(query, (channel, msgspec.json.encode(groups).decode()))
    return {number: notice_of(payload) for number, payload in rows}


def post(db: sqlite3.Connection, message: Message, notices: Mapping[int, Notice]) -> None:
    """See `Ledger.post`."""
    for number, notice in notices.items():
        own = (message.channel, name_of(notice).id)
        db.execute("DELETE FROM waiting WHERE channel = ? AND notice = ?", (message.channel, number))
        if notice.state == FIRING:
            db.execute("INSERT OR REPLACE INTO told VALUES (?, ?, ?)", (*own, message.id))
        elif notice.state == RESOLVED:
            db.execute("DELETE FROM told WHERE channel = ? AND alert = ?", own)
    for group in {notice.group for notice in notices.values()}:
        db.execute("INSERT OR REPLACE INTO told_groups VALUES (?, ?, ?)", (message.channel, group, message.made_ms))
    payload = msgspec.msgpack.encode(message.letter)
    values = (message.id, message.channel, message.made_ms, message.state, 0, 0, "", message.notices, payload)
    db.execute("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
    _count(db, "made")
    _record(db, message.channel, message.made_ms, _message_fields(message), fresh=False)


def _message_fields(message: Message) -> dict[str, str | int]:
    subject = message.letter.subject
    return {
        "state": message.state, "subject": subject, "notices": message.notices,
        "attempts": message.attempts, "error": message.error,
    }  # fmt: skip


def set_state(db: sqlite3.Connection, message: Message, next_ms: int) -> None:
    """Write down how far a message is."""
    values = (message.state, message.attempts, next_ms, message.error, message.id)
    db.execute("UPDATE messages SET state = ?, attempts = ?, next_ms = ?, error = ? WHERE id = ?", values)


def finish(db: sqlite3.Connection, message: Message, next_ms: int) -> None:
    """See `Ledger.finish`."""
    set_state(db, message, next_ms)
    if message.state == GIVEN_UP:  # who was never told of a beginning is not told of the end
        own = (message.channel, message.id)
        db.execute(
            f"""DELETE FROM waiting WHERE channel = ? AND notice IN (SELECT id FROM notices WHERE state = '{RESOLVED}')
            AND alert IN (SELECT alert FROM told WHERE channel = ? AND message = ?)""",  # noqa: S608 (a constant)
            (message.channel, *own),
        )
        db.execute("DELETE FROM told WHERE channel = ? AND message = ?", own)
    _count(db, "failed" if message.state == WAITING else message.state)
    _record(db, message.channel, message.made_ms, _message_fields(message), fresh=False)


def tidy(db: sqlite3.Connection, give_up_after_ms: int, now_ms: int) -> None:
    """See `Ledger.tidy`."""
    old = "SELECT id FROM notices WHERE came_ms < ?"
    expired = db.execute(f"DELETE FROM waiting WHERE notice IN ({old})", (now_ms - give_up_after_ms,))  # noqa: S608 (a constant)
    if expired.rowcount:
        _count(db, "expired", expired.rowcount)
    db.execute(
        "DELETE FROM told "
        "WHERE alert NOT IN (SELECT alert FROM open_alerts) AND alert NOT IN (SELECT alert FROM waiting)"
    )
    db.execute("DELETE FROM taken WHERE taken_ms < ?", (now_ms - TAKEN_REMEMBERED_MS,))
    db.execute(
        f"DELETE FROM messages WHERE state NOT IN {UNFINISHED} AND made_ms < ? "  # noqa: S608 (a constant)
        "AND id NOT IN (SELECT message FROM told)",
        (now_ms - MESSAGE_KEPT_MS,),
    )
    db.execute("DELETE FROM told_groups WHERE told_ms < ?", (now_ms - MESSAGE_KEPT_MS,))
    db.execute(
        "DELETE FROM open_alerts WHERE alert IN (SELECT alert FROM open_alerts ORDER BY notice DESC LIMIT -1 OFFSET ?)",
        (MOST_OPEN,),
    )
    db.execute(
        "DELETE FROM notices "
        "WHERE id NOT IN (SELECT notice FROM waiting) AND id NOT IN (SELECT notice FROM open_alerts)"
    )
    surplus = db.execute("SELECT count(*) FROM records").fetchone()[0] - MOST_RECORDS
    if surplus > 0:
        db.execute(
            "DELETE FROM records WHERE (channel, t_ms) IN (SELECT channel, t_ms FROM records ORDER BY t_ms LIMIT ?)",
            (surplus,),
        )
        _count(db, "records_dropped", surplus)
    db.execute("PRAGMA incremental_vacuum(256)").fetchall()
