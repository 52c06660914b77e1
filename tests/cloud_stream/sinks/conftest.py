"""A store that can be taken away and given back, and writers on it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from cloud_stream.ports import Rejected
from cloud_stream.sinks.spool import Spool
from cloud_stream.sinks.writer import StoreWriter, WriterLimits
from cloud_stream.stores.sqlite import SqliteStore

RETENTION_MS = 400 * 86_400_000
HASTY = WriterLimits(spool_after_s=0.0, first_retry_s=0.01, longest_retry_s=0.05)


class Place:
    """A SQLite store's file that can be made impossible to open."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "wattline.db"
        self.spool_path = folder / "spool.db"
        self.rejected: list[Rejected] = []
        self._open: list[StoreWriter] = []

    def take_away(self) -> None:
        """Put a folder where the file should be; only before a writer has opened it."""
        self.path.mkdir()

    def give_back(self) -> None:
        self.path.rmdir()

    def store(self) -> SqliteStore:
        return SqliteStore(self.path, RETENTION_MS)

    def writer(self, *, spool_bytes: int = 1 << 30, limits: WriterLimits = HASTY) -> StoreWriter:
        """A writer; `spool_bytes` of 0 gives it no spool."""
        spool = Spool(self.spool_path, spool_bytes) if spool_bytes else None
        made = StoreWriter("store-0", self.store, self._take_rejected, spool, limits)
        self._open.append(made)
        return made

    def close(self) -> None:
        for writer in self._open:
            writer.close(0.0)

    def _take_rejected(self, rejected: Sequence[Rejected]) -> None:
        self.rejected += rejected


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.close()
