"""`wattline cloud run`: keeps ingest, the cluster of flow processes and what the file asks for beside them alive.

Each is restarted alone, but the flow only as a whole: a Bytewax cluster does not survive the loss of a member. A flow
that runs but does not commit while the journal holds rows is restarted too.
"""

import fcntl
import json
import logging
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from cloud_stream.children import FIRST_RESTART_S, LONGEST_RESTART_S, WRONG_CONFIG, Group
from cloud_stream.config import CloudConfig
from cloud_stream.errors import CloudError
from cloud_stream.journal import Journal
from cloud_stream.metrics import lag_rows
from wattline.backoff import Backoff
from wattline.errors import ConfigError, LogError
from wattline.local_servers import LOOPBACK, free_port
from wattline.stop_signals import called_on_stop

_log: Final = logging.getLogger("cloud_stream.supervisor")
TICK_S: Final = 0.2
LOOK_S: Final = 1.0
STOP_S: Final = 30.0
MOST_PATIENCE: Final = 16
"""After restarts that did not help, a stall may last this many times longer."""


class StallWatch:
    """Decides when a flow that does not commit is stalled; patience doubles while restarts do not help.

    A commit is a process's word that is not the one seen before: what the word says is the wall clock's time, which
    may have been set.

    Args:
        limit_s: A flow that was silent for so long is stalled.
        processes: How many words there are.
    """

    def __init__(self, limit_s: float, processes: int) -> None:
        self._limit_s = limit_s
        self._patience = 1
        self._words = [0] * processes
        self._changed_s = [0.0] * processes

    def age_s(self, words: Sequence[int], started_s: float, now_s: float) -> float:
        """How long ago the last commit was, of the process that is furthest behind.

        Args:
            words: What each process has last said of its commits.
            started_s: When the cluster was started, of a clock that never goes back.
            now_s: Of the same clock.
        """
        before_s = min(self._changed_s)
        for place, word in enumerate(words):
            if word != self._words[place]:
                self._words[place], self._changed_s[place] = word, now_s
        if min(self._changed_s) > before_s:
            self._patience = 1
        return now_s - max(started_s, min(self._changed_s))

    def is_stall(self, age_s: float) -> bool:
        """Whether a commit so long ago is too long ago."""
        return age_s >= self._limit_s * self._patience

    def note_restart(self) -> None:
        """Take note that the cluster was restarted for a stall."""
        self._patience = min(MOST_PATIENCE, 2 * self._patience)


class Supervisor:
    """Runs the groups until told to stop.

    Args:
        config: Of the cloud.
        ingest: The ingest process.
        flow: The flow's cluster.
        others: What else runs; nothing waits for these.
    """

    def __init__(self, config: CloudConfig, ingest: Group, flow: Group, others: Sequence[Group] = ()) -> None:
        self._config = config
        self._flow = flow
        self._groups = (ingest, flow, *others)
        self._watch = StallWatch(config.flow.stalled_after.seconds, config.flow.processes)
        self._look_at_s = 0.0

    def run(self, stopping: threading.Event) -> int:
        """Keep the groups alive until `stopping` is set.

        Returns:
            0; or 2 when a child says at its first start that the configuration is wrong.
        """
        try:
            while not stopping.wait(TICK_S):
                for group in self._groups:
                    group.tick(time.monotonic())
                if any(group.hopeless for group in self._groups):
                    return WRONG_CONFIG
                self._look_for_stall(time.monotonic())
        finally:
            for group in self._groups:
                group.terminate()
            deadline = time.monotonic() + STOP_S
            for group in self._groups:
                group.end(max(0.0, deadline - time.monotonic()))
        return 0

    def _look_for_stall(self, now_s: float) -> None:
        if now_s < self._look_at_s or not self._flow.pids:
            return
        self._look_at_s = now_s + LOOK_S
        flow = self._config.flow
        age_s = self._watch.age_s(commit_words(flow.recovery_dir, flow.processes), self._flow.started_s, now_s)
        if self._watch.is_stall(age_s) and waiting_rows(self._config):
            self._watch.note_restart()
            self._flow.restart(now_s, f"reason=no_commit age_s={age_s:.0f}")


def supervise(config_path: Path, config: CloudConfig) -> int:
    """Run ingest and flow as children of this process until SIGTERM or SIGINT.

    Args:
        config_path: The file that the children read.
        config: The same file, read.

    Returns:
        The exit status.

    Raises:
        CloudError: Another supervisor uses the same recovery folder.
    """
    command = [sys.executable, "-m", "wattline", "cloud"]
    file = ["-c", str(config_path)]
    ingest = Group("ingest", lambda: [[*command, "ingest", *file]], _backoff())
    flow = Group("flow", lambda: flow_commands([*command, "flow", *file], config.flow.processes), _backoff())
    others = [_service(name, [*command, name, *file]) for name in services(config)]
    stopping = threading.Event()
    with _alone(config.flow.recovery_dir), called_on_stop(stopping.set):
        return Supervisor(config, ingest, flow, others).run(stopping)


def services(config: CloudConfig) -> list[str]:
    """The processes beside ingest and flow that a configuration asks for, by their commands."""
    wanted = {
        "notify": config.notify is not None,
        "dispatch": config.commands is not None,
        "jobs": any((config.archive, config.weather, config.intents.file, config.sites.file)),
    }
    return [name for name, is_wanted in wanted.items() if is_wanted]


def _service(name: str, command: Sequence[str]) -> Group:
    return Group(name, lambda: [command], _backoff())


def flow_commands(command: Sequence[str], processes: int) -> list[list[str]]:
    """The argument lists of one start of the cluster, on loopback ports that are free now."""
    if processes == 1:
        return [[*command, "--process-id", "0"]]
    ports: set[int] = set()
    while len(ports) < processes:
        ports.add(free_port())
    addresses = ",".join(f"{LOOPBACK}:{port}" for port in sorted(ports))
    return [[*command, "--process-id", str(i), "--addresses", addresses] for i in range(processes)]


def commit_words(recovery_dir: Path, processes: int) -> list[int]:
    """What each process has last said of its commits; 0 when it has left no word of any."""
    return [_commit_ms(recovery_dir / f"commit-{i}.json") for i in range(processes)]


def waiting_rows(config: CloudConfig) -> int:
    """How many rows the journal holds; 0 also when it cannot be read, which no restart would help."""
    journal = config.journal
    try:
        folder = Journal(journal.dir, partitions=journal.partitions, max_bytes=journal.max_bytes)
        rows = 0
        for number in range(journal.partitions):
            with closing(folder.open_partition(number)) as log:
                rows += lag_rows(log)
    except (LogError, ConfigError):
        return 0
    return rows


def _commit_ms(file: Path) -> int:
    try:
        at_ms = json.loads(file.read_bytes())["at_ms"]
    except (OSError, ValueError, KeyError, TypeError):
        return 0
    return at_ms if isinstance(at_ms, int) else 0


def _backoff() -> Backoff:
    return Backoff(FIRST_RESTART_S, LONGEST_RESTART_S)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock: two clusters on the same snapshots would destroy them."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "supervisor.lock").open("w")
    except OSError as error:
        raise ConfigError("flow.recovery_dir", f"{folder}: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CloudError(f"{folder}: another `wattline cloud run` uses this folder") from None
        yield
