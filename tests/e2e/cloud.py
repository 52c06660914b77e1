"""A whole cloud as its operator runs it, and everything he can look at: pages, dead letters, store, logs."""

import re
import sqlite3
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from tests.chaos.programs import Program
from tests.chaos.waiting import wait_for
from wattline.local_servers import LOOPBACK, free_port

_LINE = re.compile(r'^(\w+?)(?:_total)?(?:\{\w+="(\w+)"\})? ([0-9.e+]+)$', re.MULTILINE)


class Letter(NamedTuple):
    """A dead letter, as its file has it."""

    topic: str
    reason: str
    detail: str
    payload: bytes


class Cloud:
    """`wattline cloud ingest` and `wattline cloud flow` in one folder.

    Args:
        folder: Everything is in it.
        broker_url: The broker.
        broker: More lines of `[broker]`.
        store: The lines of `[store]`; SQLite without.
        journal_dir: Where the journal goes, when not into the folder.
        state_dir: Where recovery, spool, dead letters and the SQLite store go, when not into the folder.
    """

    def __init__(
        self,
        folder: Path,
        broker_url: str,
        *,
        broker: str = "",
        store: str = "",
        journal_dir: Path | None = None,
        state_dir: Path | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        state = state_dir or folder
        self.journal_dir = journal_dir or folder / "journal"
        self.store_file = state / "store.db"
        self.letters_file = state / "dead-letters.db"
        self.config = folder / "cloud.toml"
        self._ports = {"ingest": free_port(), "flow": free_port()}
        self.config.write_text(f"""\
[broker]
url = "{broker_url}"
{broker}
[registry]
path = "{folder}/registry.db"
[journal]
dir = "{self.journal_dir}"
partitions = 1
max_bytes = "64MiB"
[flow]
recovery_dir = "{state}/recovery"
[store]
{store or f'path = "{self.store_file}"'}
spool_dir = "{state}/spool"
[dead_letters]
path = "{self.letters_file}"
[metrics]
ingest_port = {self._ports["ingest"]}
flow_port = {self._ports["flow"]}
""")
        self.ingest = Program(folder / "ingest.log", ["cloud", "ingest", "-c", str(self.config)])
        self.flow = Program(folder / "flow.log", ["cloud", "flow", "-c", str(self.config)])

    def __enter__(self) -> Self:
        """Start both and wait until ingest listens."""
        try:
            self.start()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End both."""
        self.end()

    def start(self) -> None:
        """Start both and wait until ingest listens."""
        before = self.ingest.log_text().count("ingest_connected")
        self.ingest.start()
        self.flow.start()
        self.wait_for(lambda: self.ingest.log_text().count("ingest_connected") > before, "ingest listens")

    def stop(self) -> list[int]:
        """SIGTERM to both; returns their exit statuses."""
        return [self.ingest.stop(), self.flow.stop()]

    def end(self) -> None:
        """SIGKILL where they still run."""
        self.ingest.end()
        self.flow.end()

    def check_alive(self) -> None:
        """Find out whether one of them has ended.

        Raises:
            AssertionError: One has.
        """
        for program in (self.ingest, self.flow):
            assert program.runs, program.log_text()[-3000:]

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        """Return as soon as `condition` holds.

        Raises:
            AssertionError: It did not hold in time, or one of the processes has ended.
        """

        def alive_and_so() -> bool:
            self.check_alive()
            return condition()

        wait_for(alive_and_so, what)

    def log_text(self) -> str:
        """What both have printed."""
        return self.ingest.log_text() + self.flow.log_text()

    def letters(self) -> list[Letter]:
        """All dead letters."""
        query = "SELECT topic, reason, detail, payload FROM letters ORDER BY id"
        return [Letter(*row) for row in _rows(self.letters_file, query)]

    def page(self, process: str) -> dict[str, float]:
        """The figures of one process's Prometheus page, `name` or `name:label`."""
        with urllib.request.urlopen(f"http://{LOOPBACK}:{self._ports[process]}", timeout=10) as answer:
            text = answer.read().decode()
        return {f"{name}:{reason}" if reason else name: float(value) for name, reason, value in _LINE.findall(text)}

    def counted(self, process: str, name: str) -> Counter[str]:
        """One counter of the page by its reasons."""
        figures = self.page(process).items()
        return Counter({key.partition(":")[2]: int(n) for key, n in figures if key.startswith(f"{name}:")})

    def stored(self, query: str) -> Iterator[Any]:
        """Rows of the SQLite store; none before the table and its columns are there."""
        return _rows(self.store_file, query)

    def readings(self) -> set[tuple[str, str, int, float]]:
        """Every reading of power in the SQLite store: site, meter, time, value."""
        query = "SELECT site, meter, t_ms, power_w FROM reading WHERE power_w IS NOT NULL"
        return {tuple(row) for row in self.stored(query)}


def _rows(file: Path, query: str) -> Iterator[Any]:
    """What a SQLite file says; nothing before its owner has made the table and its columns."""
    if not file.exists():
        return
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)) as db:
        try:
            yield from db.execute(query)
        except sqlite3.OperationalError as error:
            if "no such" not in str(error):
                raise
