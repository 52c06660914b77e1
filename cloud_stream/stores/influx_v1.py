"""The dialect of InfluxDB 1.x: `/write` and `/query` with a database's name."""

import base64
import logging
from collections.abc import Iterator
from typing import Final

from cloud_stream.errors import StoreRejectedError, StoreUnavailableError
from cloud_stream.stores.http import Answer, HttpConnection
from cloud_stream.stores.influx import BAD_REQUEST, FORBIDDEN, NO_CONTENT, UNAUTHORIZED, read_tables
from cloud_stream.stores.influxql import PARAMETERS, identifier

_log: Final = logging.getLogger("cloud_stream.stores")
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS


class InfluxV1:
    """A `Backend` for InfluxDB 1.x.

    Args:
        url: Where it listens.
        database: Its name; made in `prepare` where it is missing.
        retention_ms: Of a database that `prepare` makes; an existing one keeps its own.
        username: "" where the server asks for none.
        password: Goes into a header only.
    """

    def __init__(self, url: str, database: str, retention_ms: int, username: str = "", password: str = "") -> None:
        headers = {}
        if username:
            credentials = base64.b64encode(f"{username}:{password}".encode()).decode()
            headers["Authorization"] = f"Basic {credentials}"
        self._http = HttpConnection(url, headers)
        self._database = database
        self._retention_ms = retention_ms

    def prepare(self) -> None:
        """See `Store.prepare`.

        Database and retention are made in one statement, so that no crash
        leaves a database that keeps everything for ever.
        """
        try:
            for answer in self._http.lines("/query", {"q": self._creation()}):
                self._note(answer)
        except StoreRejectedError as error:
            # Who may only write cannot make a database, and need not when it is there.
            probe = self.write(b"")
            if probe.status != NO_CONTENT:
                raise StoreRejectedError(f"{self._database}: {probe.status} {probe.problem or error}") from None

    def write(self, body: bytes) -> Answer:
        """See `Backend.write`."""
        return self._http.request("POST", "/write", {"db": self._database, "precision": "ms"}, body)

    def query(self, statements: str) -> Iterator[Answer]:
        """See `Backend.query`."""
        return self._http.lines("/query", {"db": self._database, "q": statements, **PARAMETERS})

    def close(self) -> None:
        """See `Backend.close`."""
        self._http.close()

    def _creation(self) -> str:
        retention_h = max(1, self._retention_ms // HOUR_MS)
        return (
            f"CREATE DATABASE {identifier(self._database)} WITH DURATION {retention_h}h "
            f"REPLICATION 1 SHARD DURATION {shard_duration_h(self._retention_ms)}h NAME {identifier('autogen')}"
        )

    def _note(self, answer: Answer) -> None:
        if answer.status in (BAD_REQUEST, UNAUTHORIZED, FORBIDDEN):
            raise StoreRejectedError(f"{answer.status} {answer.problem}")
        try:
            list(read_tables(answer))
        except StoreUnavailableError as error:
            if "conflicts" not in str(error):
                raise
            _log.warning("retention_differs database=%s kept=the database's own", self._database)


def shard_duration_h(retention_ms: int) -> int:
    """How much time a file of the database covers: what InfluxDB chooses itself."""
    if retention_ms < 2 * DAY_MS:
        return 1
    return 24 if retention_ms < 180 * DAY_MS else 7 * 24
