"""A whole cloud under its supervisor, as its operator starts it: ingest, flow, and what the file asks for beside."""

import re
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.chaos.programs import Program
from tests.chaos.waiting import wait_for


class WholeCloud(Program):
    """`wattline cloud run` in one folder, on SQLite.

    Args:
        folder: Everything is in it.
        broker_url: The broker.
        sections: More of `cloud.toml`; `{folder}` is filled in.
        files: Names of files beside it, such as `alerts.toml`, to what is in them.
        flow: More lines of `[flow]`.
    """

    def __init__(
        self, folder: Path, broker_url: str, sections: str, files: Mapping[str, str], *, flow: str = ""
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.store = folder / "store.db"
        for name, text in files.items():
            (folder / name).write_text(text)
        config = folder / "cloud.toml"
        config.write_text(f"""\
[broker]
url = "{broker_url}"
[registry]
path = "{folder}/registry.db"
[journal]
dir = "{folder}/journal"
partitions = 1
max_bytes = "64MiB"
[flow]
recovery_dir = "{folder}/recovery"
{flow}
[store]
path = "{self.store}"
spool_dir = "{folder}/spool"
[dead_letters]
path = "{folder}/dead-letters.db"
{sections.replace("{folder}", str(folder))}""")
        super().__init__(folder / "cloud.log", ["cloud", "run", "-c", str(config)])

    def __enter__(self) -> Self:
        """Start it and wait until ingest listens."""
        self.start()
        try:
            self.await_log("ingest_connected")
            self.await_log("flow_started")
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it with all its children, which die with it."""
        self.end()

    def await_log(self, word: str, times: int = 1) -> None:
        """Wait until the log has a word so often."""
        self.wait_for(lambda: self.log_text().count(word) >= times, f"{times} x {word}")

    def wait_for(self, condition: Callable[[], bool], what: str, deadline_s: float = 90.0) -> None:
        """Return as soon as `condition` holds.

        Raises:
            AssertionError: It did not hold in time, or the supervisor has ended.
        """

        def alive_and_so() -> bool:
            assert self.runs, self.log_text()[-3000:]
            return condition()

        try:
            wait_for(alive_and_so, what, deadline_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log_text()[-3000:]}") from None

    def child_pid(self, name: str) -> int:
        """The newest process of a group."""
        return int(re.findall(rf"group_started name={name} pids=(\d+)", self.log_text())[-1])

    def rows(self, query: str) -> list[Any]:
        """What the store says; nothing before the table and its columns are there."""
        if not self.store.exists():
            return []
        with closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True, timeout=10)) as db:
            try:
                return db.execute(query).fetchall()
            except sqlite3.OperationalError as error:
                if "no such" not in str(error):
                    raise
                return []
