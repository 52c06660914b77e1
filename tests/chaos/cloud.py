"""The cloud's processes and files: ingest, the flow's cluster, the journal between them."""

import random
import re
import socket
import sqlite3
import time
import urllib.request
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from tests.chaos.programs import Program
from tests.chaos.waiting import wait_for
from wattline.local_servers import LOOPBACK, free_port

PARTITIONS = 4
MOST_PROCESSES = 2
PATIENCE_S = 5.0
"""How long the supervisor waits for the rest of a broken cluster."""
_COUNTER = re.compile(r"^wattline_(\w+)_total(?:\{[^}]*\})? ([0-9.e+]+)$", re.MULTILINE)


class Partition(NamedTuple):
    """What a journal file says of itself: its id, the first row that it holds, the last it ever had."""

    file_id: str
    oldest: int
    last: int


class FlowCluster:
    """The processes of the flow; this stands in for the supervisor, which restarts them together.

    Attributes:
        counts: What they have counted, as far as it was seen before a death.
        processes: How many are started.
        running: Those that were started last.
    """

    def __init__(self, folder: Path, config: Path, metrics_port: int, seed: int) -> None:
        self.counts: Counter[str] = Counter()
        self._config = config
        self._metrics_port = metrics_port
        self._random = random.Random(f"{seed} flow")
        self._members = [Program(folder / f"flow-{n}.log", ["cloud", "flow"]) for n in range(MOST_PROCESSES)]
        self.processes = 1
        self.running: list[Program] = []

    def restart(self) -> None:
        """Start all processes."""
        ports = {free_port()}
        while len(ports) < self.processes:
            ports.add(free_port())
        addresses = ",".join(f"{LOOPBACK}:{port}" for port in sorted(ports)) if self.processes > 1 else ""
        self.running = self._members[: self.processes]
        for number, member in enumerate(self.running):
            member.start("-c", str(self._config), "--process-id", str(number), "--addresses", addresses)

    def kill9(self) -> None:
        """SIGKILL one process; the rest, which cannot go on without it, is ended as the supervisor does."""
        self._see_counts()
        self._random.choice(self.running).kill9()
        for member in self.running:
            member.terminate()
        deadline = time.monotonic() + PATIENCE_S
        while any(member.runs for member in self.running) and time.monotonic() < deadline:
            time.sleep(0.02)
        self.end()

    def stop(self) -> list[int]:
        """SIGTERM to all; returns the exit statuses."""
        self._see_counts()
        for member in self.running:
            member.terminate()
        return [member.wait() for member in self.running]

    def end(self) -> None:
        """SIGKILL what still runs."""
        for member in self.running:
            member.end()

    def log_text(self) -> str:
        """What all processes have printed."""
        return "".join(member.log_text() for member in self._members)

    def _see_counts(self) -> None:
        for number in range(self.processes):
            try:
                with urllib.request.urlopen(f"http://{LOOPBACK}:{self._metrics_port + number}", timeout=2) as page:
                    text = page.read().decode()
            except OSError:
                continue  # it has just started, or hangs: its counts are not seen
            for name, value in _COUNTER.findall(text):
                self.counts[name] += int(float(value))


class CloudFiles:
    """The cloud's folder and configuration.

    Args:
        store: The lines of `[store]`; SQLite in `store_file` without.
        journal_dir: When it shall not be in the folder.
    """

    def __init__(self, folder: Path, broker_url: str, store: str = "", *, journal_dir: Path | None = None) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.metrics_port = _two_free_ports()
        self.config = folder / "cloud.toml"
        self._journal_dir = journal_dir or folder / "journal"
        self.store_file = folder / "store.db"
        self.config.write_text(f"""\
[broker]
url = "{broker_url}"
[registry]
path = "{folder}/registry.db"
[journal]
dir = "{self._journal_dir}"
partitions = {PARTITIONS}
[flow]
processes = {MOST_PROCESSES}
recovery_dir = "{folder}/recovery"
state_max_bytes = "32MiB"
[store]
{store or f'path = "{self.store_file}"'}
spool_dir = "{folder}/spool"
[dead_letters]
path = "{folder}/dead-letters.db"
[metrics]
flow_port = {self.metrics_port}
""")

    def partitions(self) -> list[Partition]:
        """The journal as it is now."""
        return [_look_at(self._partition_file(number)) for number in range(PARTITIONS)]

    def is_drained(self) -> bool:
        """Whether the flow has committed every row of the journal."""
        return all(one.oldest > one.last for one in self.partitions())

    def wait_until_flowing(self) -> None:
        """Wait until rows that are written from now on, and all before them, are committed by the flow."""
        before = [one.last for one in self.partitions()]

        def has_flowed() -> bool:
            passed = [one.oldest - 1 - last for one, last in zip(self.partitions(), before, strict=True)]
            return min(passed) >= 0 and max(passed) > 0

        wait_for(has_flowed, "new rows are journaled and committed")

    def replace_partition(self, number: int) -> None:
        """Put an empty journal file in the place of one, as after the loss of its disk."""
        file = self._partition_file(number)
        for path in (file, Path(f"{file}-wal"), Path(f"{file}-shm")):
            path.unlink(missing_ok=True)

    def dead_letters(self) -> dict[str, int]:
        """How many messages could not be used, by reason."""
        file = self.folder / "dead-letters.db"
        if not file.exists():
            return {}
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
            return dict(db.execute("SELECT reason, count FROM counts"))

    def _partition_file(self, number: int) -> Path:
        return self._journal_dir / f"part-{number:02d}.db"


def _look_at(file: Path) -> Partition:
    """Read a journal file from outside; nothing is there before ingest has made it."""
    if not file.exists():
        return Partition("", 1, 0)
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
            (file_id,) = db.execute("SELECT value FROM meta WHERE key = 'file_id'").fetchone()
            last = (db.execute("SELECT seq FROM sqlite_sequence").fetchone() or (0,))[0]
            oldest = db.execute("SELECT min(seq) FROM rows").fetchone()[0]
    except (sqlite3.OperationalError, TypeError):  # in the middle of being made
        return Partition("", 1, 0)
    return Partition(file_id, last + 1 if oldest is None else oldest, last)


def _two_free_ports() -> int:
    """A port whose successor is free too: one for each process of the flow."""
    while True:
        port = free_port()
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port + 1))
            except OSError:
                continue
            return port
