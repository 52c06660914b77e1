"""Which gateway stands on which site: the cloud's own word, whatever a payload claims.

One SQLite file, read from memory. Another process (the command line) may change it; `refresh` notices.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal, NamedTuple

from cloud_stream.errors import RegistryError
from wattline.sqlite_file import use_write_ahead_log

Policy = Literal["open", "enrolled"]
MAX_GATEWAYS: Final = 100_000
"""The most that register themselves, so that a flood of invented names ends somewhere."""
_BUSY_TIMEOUT_S: Final = 1.0
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS gateways (
    gateway TEXT PRIMARY KEY,
    site TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('admitted', 'revoked')),
    since_ms INTEGER NOT NULL
) WITHOUT ROWID
"""
_REPLACE: Final = "INSERT OR REPLACE INTO gateways VALUES (?, ?, ?, ?)"
_IGNORE: Final = "INSERT OR IGNORE INTO gateways VALUES (?, ?, ?, ?)"


class Gateway(NamedTuple):
    """One registered gateway.

    Attributes:
        state: `admitted` or `revoked`.
        since_ms: When it got this state and site, ms UTC.
    """

    gateway: str
    site: str
    state: str
    since_ms: int


class Registry:
    """The table of gateways.

    Args:
        path: The file; made where it is missing.
        policy: `open` registers a gateway with the site of its first message; `enrolled` admits only those known.

    Raises:
        RegistryError: The file can neither be opened nor made.
    """

    def __init__(self, path: Path, policy: Policy) -> None:
        self._path = path
        self._policy = policy
        self._version = -1
        self._known: dict[str, Gateway] = {}
        with self._guarded():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        try:
            with self._guarded():
                use_write_ahead_log(self._db)
                # A power cut may undo the newest registrations: the gateway's next message registers it again.
                self._db.execute("PRAGMA synchronous = NORMAL")
                self._db.execute(_SCHEMA)
            self.refresh()
        except RegistryError:
            self._db.close()
            raise

    def verdict(self, gateway: str, site: str, now_ms: Callable[[], int]) -> str:
        """Whether a message of `gateway` that claims `site` is admitted.

        Args:
            gateway: As its topic says; the broker vouches for that.
            site: As the payload says; "" when it says nothing.
            now_ms: Asked at a first registration, ms UTC.

        Returns:
            "" or the reason: `unknown_gateway`, `revoked_gateway`, `foreign_site`, `registry_full`.

        Raises:
            RegistryError: A first registration cannot be written now.
        """
        known = self._known.get(gateway)
        if known is None:
            if self._policy == "enrolled":
                return "unknown_gateway"
            if not site:
                return ""
            if len(self._known) >= MAX_GATEWAYS:
                return "registry_full"
            known = self._register(gateway, site, now_ms())
        if known.state != "admitted":
            return "revoked_gateway"
        return "" if site in ("", known.site) else "foreign_site"

    def refresh(self) -> None:
        """Take over what other processes changed.

        Raises:
            RegistryError: The file cannot be read now.
        """
        with self._guarded():
            (version,) = self._db.execute("PRAGMA data_version").fetchone()
            if version != self._version:
                self._known = {row.gateway: row for row in self._rows()}
                self._version = version

    def gateways(self) -> list[Gateway]:
        """Every gateway, by name.

        Raises:
            RegistryError: The file cannot be read now.
        """
        with self._guarded():
            return self._rows()

    def enrol(self, gateway: str, site: str, now_ms: int) -> None:
        """Admit a gateway on a site, whatever was known of it before.

        Raises:
            RegistryError: The file cannot be written now.
        """
        self._put(_REPLACE, Gateway(gateway, site, "admitted", now_ms))

    def revoke(self, gateway: str, now_ms: int) -> bool:
        """Admit a gateway no longer, under either policy.

        Returns:
            Whether it was registered at all.

        Raises:
            RegistryError: The file cannot be written now.
        """
        self.refresh()
        known = self._known.get(gateway)
        if known is not None:
            self._put(_REPLACE, known._replace(state="revoked", since_ms=now_ms))
        return known is not None

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _register(self, gateway: str, site: str, now_ms: int) -> Gateway:
        self._put(_IGNORE, Gateway(gateway, site, "admitted", now_ms))
        return self._known[gateway]

    def _put(self, statement: str, row: Gateway) -> None:
        with self._guarded():
            self._db.execute(statement, row)
            query = "SELECT * FROM gateways WHERE gateway = ?"
            self._known[row.gateway] = Gateway._make(self._db.execute(query, (row.gateway,)).fetchone())

    def _rows(self) -> list[Gateway]:
        return [Gateway._make(row) for row in self._db.execute("SELECT * FROM gateways ORDER BY gateway")]

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise RegistryError(f"{self._path}: {error}") from error
