"""A whole installation as processes in one folder, every part of which can be killed."""

import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.chaos.cloud import CloudFiles, FlowCluster
from tests.chaos.programs import Component, Program, Server
from tests.chaos.schedule import Fault
from tests.chaos.senders import AgentProgram, FleetProgram, Sender, electricity, gas, half_hours, room
from tests.chaos.truth import Stored, StoredInInflux, StoredInSqlite
from tests.chaos.waiting import wait_for
from tests.cloud_stream.windows.plain import Value
from wattline.local_servers import InfluxServer, MosquittoServer

DATABASE = "wattline"
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
HISTORY_MS = 12 * HOUR_MS
"""What the agents replay."""
ENDS_BEFORE_MS = 2 * HOUR_MS


class Rig:
    """Broker, database, ingest, flow, two agents, and as many fleets as are asked for.

    Args:
        folder: Everything is in it.
        store: "influxdb" or "sqlite".
        seed: Of the values and of the choice among equals.
        replay_s: How long the agents take to replay their files when nobody disturbs them.

    Attributes:
        kills: How often a part was killed.
        timeline: What was done when, for the person who looks at a failure.
    """

    def __init__(self, folder: Path, store: str, seed: int, replay_s: float) -> None:
        self.kills: Counter[str] = Counter()
        self.fleets: list[FleetProgram] = []
        self.timeline: list[str] = []
        self._began_s = time.monotonic()
        self._folder = folder
        self.broker = MosquittoServer(folder / "broker")
        self.database = InfluxServer(folder / "database") if store == "influxdb" else None
        self.files = CloudFiles(folder / "cloud", self.broker.url, self._store_lines())
        self.ingest = Program(folder / "cloud" / "ingest.log", ["cloud", "ingest", "-c", str(self.files.config)])
        self.flow = FlowCluster(folder / "cloud", self.files.config, self.files.metrics_port, seed)
        self.agents = list(_agents(folder, self.broker.url, seed, HISTORY_MS / 1000 / replay_s))
        self._parts: dict[str, list[Component]] = {
            "broker": [Server(self.broker)],
            "ingest": [self.ingest],
            "flow": [self.flow],
            "agent": [*self.agents],
        }
        if self.database is not None:
            self._parts["database"] = [Server(self.database)]
        self._random = random.Random(f"{seed} rig")

    def __enter__(self) -> Self:
        """Start everything but fleets."""
        try:
            for server in filter(None, (self.broker, self.database)):
                server.start()
            self.ingest.start()
            self.flow.restart()
            for agent in self.agents:
                agent.start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End everything."""
        self._end()

    def start_fleet(self, options: Mapping[str, str | int]) -> FleetProgram:
        """Start one more fleet; see `wattline simulate fleet --help` for options."""
        fleet = FleetProgram(self._folder / f"fleet-{len(self.fleets)}", self.broker.url, options)
        self.fleets.append(fleet)
        fleet.start()
        return fleet

    def kill(self, part: Component, name: str) -> None:
        """SIGKILL, counted."""
        part.kill9()
        self.kills[name] += 1
        self.note(f"killed {name}")

    def check_alive(self) -> None:
        """Find out whether anything has ended that nobody has ended.

        Raises:
            AssertionError: Something has.
        """
        for program in (self.ingest, *self.flow.running, *self.agents):
            assert program.runs, f"ended by itself: {program.log_text()[-2000:]}"

    def suffer(self, fault: Fault) -> None:
        """Kill, wait, and start again."""
        # The moment and the length of the outage are what is drawn; nothing is expected to have happened then.
        time.sleep(fault.after_s)
        self.check_alive()
        chosen = [self._random.choice(self._parts[name]) for name in fault.names]
        for name, part in zip(fault.names, chosen, strict=True):
            self.kill(part, name)
        time.sleep(fault.down_s)
        for part in chosen:
            part.restart()
        self.note(f"restarted {' '.join(fault.names)}")
        if fault.recovers:
            self.wait_until_flowing()

    def wait_until_flowing(self) -> None:
        """Wait until new readings are journaled and committed."""
        self.files.wait_until_flowing()
        self.note("data flows")

    def note(self, text: str) -> None:
        """Add a line to the timeline."""
        self.timeline.append(f"{time.monotonic() - self._began_s:6.1f} s  {text}")

    def change_processes(self, processes: int) -> list[int]:
        """Stop the flow in order and start it with another number of processes; returns the exit statuses."""
        self.wait_until_flowing()
        statuses = self.flow.stop()
        self.note(f"flow stopped in order, {processes} processes from now on")
        self.flow.processes = processes
        self.flow.restart()
        return statuses

    def replace_journal(self, partition: int) -> list[int]:
        """Take a drained partition away while nothing runs; returns the exit statuses."""
        self.wait_until_flowing()
        statuses = [self.ingest.stop()]
        wait_for(self.files.is_drained, "the journal is drained")
        self.note(f"ingest stopped in order and everything drained, partition {partition} is replaced")
        statuses += self.flow.stop()
        self.files.replace_partition(partition)
        self.flow.restart()
        self.ingest.start()
        return statuses

    def finish_agents(self, deadline_s: float) -> list[int]:
        """Let the agents send all that they have; returns the exit statuses of the stop and of the end."""
        for agent in self.agents:
            wait_for(lambda agent=agent: agent.is_connected, "the agent connects")  # type: ignore[misc]
        statuses = [agent.stop() for agent in self.agents]
        for agent in self.agents:
            agent.hurry()
            agent.start("--until-sent")
        return statuses + [agent.wait(deadline_s) for agent in self.agents]

    def sent(self) -> list[Value]:
        """Every value that anybody has sent."""
        senders: list[Sender] = [*self.fleets, *self.agents]
        return [value for sender in senders for value in sender.sent()]

    def stored(self) -> Stored:
        """What the store holds."""
        if self.database is not None:
            return StoredInInflux(self.database, DATABASE)
        return StoredInSqlite(self.files.store_file)

    def _store_lines(self) -> str:
        if self.database is None:
            return ""
        return f'kind = "influxdb"\napi = "v1"\nurl = "{self.database.url}"\nbucket = "{DATABASE}"'

    def _end(self) -> None:
        for fleet in self.fleets:
            fleet.end()
        for agent in self.agents:
            agent.end()
        self.flow.end()
        self.ingest.end()
        for server in filter(None, (self.broker, self.database)):
            server.kill()


def _agents(folder: Path, broker_url: str, seed: int, speed: float) -> Iterator[AgentProgram]:
    end_ms = time.time_ns() // 1_000_000 - ENDS_BEFORE_MS
    end_ms -= end_ms % (30 * MINUTE_MS)
    start_ms = end_ms - HISTORY_MS
    often, seldom = range(start_ms, end_ms, 10_000), range(start_ms, end_ms, MINUTE_MS)
    first = [electricity("main", often, seed), gas("gas", seldom, seed)]
    second = [half_hours("main", range(start_ms, end_ms, 30 * MINUTE_MS), seed), room("room", seldom, seed)]
    for gateway, tables in (("replay-1", first), ("replay-2", second)):
        yield AgentProgram(folder / gateway, broker_url, gateway, tables, speed)
