"""The cloud as its operator runs it, `wattline cloud run`: stopped in order, and with parts of it killed."""

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.chaos.cloud import CloudFiles
from tests.chaos.programs import Program
from tests.chaos.senders import AgentProgram, FleetProgram, electricity
from tests.chaos.truth import StoredInSqlite, differences, truth_of
from tests.chaos.waiting import wait_for
from wattline.local_servers import MosquittoServer

FLEET: dict[str, str | int] = {"gateways": 8, "meters": 10, "interval": "1s", "flush": "1s", "duration": "0s"}
REPLAYED_MS = 3_600_000
REPLAY_S = 20
"""Longer than the agent is left alone."""


class Installation(NamedTuple):
    """One cloud on SQLite, a fleet and an agent; all of them run."""

    files: CloudFiles
    cloud: Program
    fleet: FleetProgram
    agent: AgentProgram

    def finish(self) -> list[int]:
        """Let everything be sent; returns exit statuses."""
        if self.agent.runs:
            self.agent.end()
        self.agent.hurry()
        self.agent.start("--until-sent")
        return [self.agent.wait(60)]

    def differences(self) -> list[str]:
        """What the store lacks or has too much, once it is settled or the time is over."""
        truth = truth_of([*self.fleet.sent(), *self.agent.sent()])
        stored, found = StoredInSqlite(self.files.store_file), ["nothing was compared"]
        deadline = time.monotonic() + 120
        while found and time.monotonic() < deadline:
            found = differences(stored, truth)
        return found

    def children(self, name: str) -> list[int]:
        """The processes of a group that the supervisor started last."""
        pids: str = re.findall(rf"group_started name={name} pids=([\d,]+)", self.cloud.log_text())[-1]
        return [int(pid) for pid in pids.split(",")]


@contextmanager
def installation(folder: Path, mosquitto: MosquittoServer) -> Iterator[Installation]:
    """Start everything, wait until data flows, and end what is left afterwards."""
    files = CloudFiles(folder / "cloud", mosquitto.url)
    cloud = Program(folder / "cloud" / "log", ["cloud", "run", "-c", str(files.config)])
    start_ms = (time.time_ns() // 1_000_000 - 2 * REPLAYED_MS) // 60_000 * 60_000
    table = electricity("main", range(start_ms, start_ms + REPLAYED_MS, 1000), seed=1)
    speed = REPLAYED_MS / 1000 / REPLAY_S
    agent = AgentProgram(folder / "agent", mosquitto.url, "replay", [table], speed)
    fleet = FleetProgram(folder / "fleet", mosquitto.url, FLEET)
    with ExitStack() as stack:
        for program in (cloud, agent, fleet):
            stack.callback(program.end)
            program.start()
        wait_for(lambda: "ingest_connected" in cloud.log_text() and agent.is_connected, "all are connected")
        files.wait_until_flowing()
        yield Installation(files, cloud, fleet, agent)


def is_gone(pid: int) -> bool:
    """Whether a process has ended, also when nobody has taken note of it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.chaos
@pytest.mark.timeout(240)
def test_sigterm_to_everything_loses_nothing(tmp_path: Path, mosquitto: MosquittoServer) -> None:
    with installation(tmp_path, mosquitto) as whole:
        assert whole.fleet.stop() == 0
        for program in (whole.agent, whole.cloud):
            program.terminate()
        mosquitto.stop()
        assert [whole.agent.wait(), whole.cloud.wait()] == [0, 0]
        mosquitto.start()
        whole.cloud.start()
        assert whole.finish() == [0]
        assert whole.differences() == []
        assert whole.cloud.stop() == 0
        assert whole.files.is_drained()
        assert whole.files.dead_letters() == {}


@pytest.mark.chaos
@pytest.mark.timeout(240)
def test_the_supervisor_replaces_what_dies_and_takes_its_children_along(
    tmp_path: Path, mosquitto: MosquittoServer
) -> None:
    with installation(tmp_path, mosquitto) as whole:
        for name in ("ingest", "flow"):
            os.kill(whole.children(name)[-1], signal.SIGKILL)
            whole.files.wait_until_flowing()
        children = [*whole.children("ingest"), *whole.children("flow")]
        whole.cloud.kill9()
        wait_for(lambda: all(map(is_gone, children)), "no child outlives the supervisor")
        whole.cloud.start()
        whole.files.wait_until_flowing()
        assert whole.fleet.stop() == 0
        assert whole.finish() == [0]
        assert whole.differences() == []
        assert whole.cloud.stop() == 0
