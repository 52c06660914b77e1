"""Silences: which alerts nobody is told of, until when, and who said so."""

import hashlib
import sqlite3
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final

import msgspec

from cloud_stream.notify.alert_names import name_of
from cloud_stream.records import Notice
from cloud_stream.sqlite_book import SqliteBook

FOR_EVER_MS: Final = 2**53
KEPT_AFTER_END_MS: Final = 7 * 86_400_000
MOST: Final = 10_000
SILENCES_SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS silences (id TEXT PRIMARY KEY, payload BLOB NOT NULL) WITHOUT ROWID;"
)


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts that match are recorded, and nobody is told.

    Attributes:
        id: Eight characters.
        rule: Exact name or glob ("power*"). site: likewise. meter: likewise. severity: likewise.
        alert: The id of one alert that was acknowledged: the silence ends with it; "" otherwise.
        from_ms: Inclusive, ms UTC. until_ms: exclusive, ms UTC.
    """

    id: str
    rule: str = "*"
    site: str = "*"
    meter: str = "*"
    severity: str = "*"
    alert: str = ""
    from_ms: int
    until_ms: int
    comment: str = ""
    author: str = ""

    def is_active(self, now_ms: int) -> bool:
        """Whether it is in force."""
        return self.from_ms <= now_ms < self.until_ms

    def matches(self, notice: Notice) -> bool:
        """Whether it is about a notice."""
        if self.alert:
            return self.alert == name_of(notice).id
        pairs = (
            (notice.group, self.rule),
            (notice.site, self.site),
            (notice.meter, self.meter),
            (notice.severity, self.severity),
        )
        return all(fnmatchcase(value, pattern) for value, pattern in pairs)


def silence_of(notice: Notice, silences: Iterable[Silence], now_ms: int) -> Silence | None:
    """The first silence in force that is about a notice."""
    return next((one for one in silences if one.is_active(now_ms) and one.matches(notice)), None)


def silence_id(silence: Silence) -> str:
    """An id for a new silence: of what it says, so that saying it twice is one silence."""
    content = msgspec.json.encode(msgspec.structs.replace(silence, id=""))
    return hashlib.blake2b(content, digest_size=4).hexdigest()


class SilenceBook:
    """All silences, in a file that the notifier and the command line share.

    Args:
        book: A file that has `SILENCES_SCHEMA`.
    """

    def __init__(self, book: SqliteBook) -> None:
        self._book = book

    def all(self) -> list[Silence]:
        """In force, to come, and lately ended, by their beginning.

        Raises:
            LogBrokenError: The file cannot be read now.
        """
        rows = self._book.read(lambda db: db.execute("SELECT payload FROM silences").fetchall())
        found = [msgspec.json.decode(payload, type=Silence) for (payload,) in rows]
        return sorted(found, key=lambda silence: (silence.from_ms, silence.id))

    def add(self, silence: Silence, now_ms: int) -> Silence:
        """Keep a silence, and forget those that ended a week ago.

        Args:
            silence: Its `id` is made here.
            now_ms: The wall clock, ms UTC.

        Returns:
            The silence with its id.

        Raises:
            LogError: It cannot be kept now.
        """
        kept = msgspec.structs.replace(silence, id=silence_id(silence))
        old = [one.id for one in self.all() if one.until_ms < now_ms - KEPT_AFTER_END_MS]

        def write(db: sqlite3.Connection) -> None:
            db.executemany("DELETE FROM silences WHERE id = ?", ((one,) for one in old))
            db.execute("INSERT OR REPLACE INTO silences VALUES (?, ?)", (kept.id, msgspec.json.encode(kept)))

        self._book.change(write, 1024)
        return kept

    def end(self, ids: Iterable[str], now_ms: int) -> list[str]:
        """End silences now.

        Returns:
            The ids of those that were in force or to come.

        Raises:
            LogError: They cannot be ended now.
        """
        wanted = set(ids)
        ended = [one for one in self.all() if one.id in wanted and one.until_ms > now_ms]
        rows = [(msgspec.json.encode(msgspec.structs.replace(one, until_ms=now_ms)), one.id) for one in ended]
        if rows:
            self._book.change(
                lambda db: db.executemany("UPDATE silences SET payload = ? WHERE id = ?", rows).rowcount,
            )
        return [one.id for one in ended]
