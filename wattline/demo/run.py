"""The demo's course: an outage with two weeks of backlog, its end, live, and the reckoning."""

import json
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from wattline.demo.broker import choose_broker
from wattline.demo.ledger import Ledger, Place, dead_letter_count, outbox_places
from wattline.demo.processes import DemoError, Part
from wattline.demo.scenario import HISTORY, HOMES, SIMULATED_METERS, Scenario, find_homes, write_scenario
from wattline.demo.summary import Counted, Summary, summarise
from wattline.demo.tap import Tap
from wattline.errors import WattlineError

_log: Final = logging.getLogger("wattline.demo")
_FILL_TIMEOUT_S: Final = 60.0
_SETTLE_TIMEOUT_S: Final = 60.0
_LOOK_S: Final = 0.05
_FILL_LOOK_S: Final = 0.5
_UP_TO_NOW_MS: Final = 120_000
_START_TIMEOUT_S: Final = 60.0
_GAUGE: Final = "power_w"
_WINDOW: Final = "5m"
_STOPPED: Final = re.compile(r"stopped readings=(\d+) unsent=(\d+)")

Say = Callable[[str], None]
Show = Callable[[Ledger, float], None]


class DemoRun:
    """One demo in a folder of its own.

    Args:
        folder: Empty; everything is left in it.
        say: Told what happens, a line each.
    """

    def __init__(self, folder: Path, say: Say) -> None:
        self._folder = folder
        self._say = say
        self._stack = ExitStack()
        self._broker = choose_broker(folder / "broker")
        self._tap = Tap()
        self._agents: dict[str, Part] = {}
        self._others: list[Part] = []
        self._drain_s = 0.0
        self._began = 0.0

    def run(self, duration_s: float, show: Show) -> Summary:
        """Run from the outage to the reckoning.

        Args:
            duration_s: From the moment the broker comes up; Ctrl-C ends it earlier.
            show: Called about twice a second with the ledger and the seconds left.

        Raises:
            DemoError: A part ended by itself.
        """
        with self._stack:
            scenario = write_scenario(self._folder, self._broker.url, self._homes())
            self._start_cloud(scenario)
            backlog = self._outage(scenario)
            ledger = Ledger(scenario.store)
            self._stack.callback(ledger.close)
            self._recover()
            with _quiet_interrupt():
                self._watch(ledger, backlog, duration_s, show)
            return self._reckon(scenario, ledger, backlog)

    def _homes(self) -> list[Path]:
        corpus = Path(os.environ.get("WATTLINE_CORPUS", "../shared/data"))
        homes = find_homes(corpus)
        if homes:
            self._say(f"{len(homes)} London homes are replayed from {corpus}")
            return homes
        self._say("no corpus of London homes here (WATTLINE_CORPUS): simulated homes are replayed")
        return [_simulated_home(self._folder / f"{name}.csv", seed) for seed, name in enumerate(HOMES[:3], 21)]

    def _start_cloud(self, scenario: Scenario) -> None:
        """Broker and cloud come up once, so that the cloud's session exists before the outage."""
        self._stack.enter_context(self._broker)
        cloud = self._start_other("cloud", "cloud", "run", "-c", str(scenario.cloud))
        deadline = time.monotonic() + _START_TIMEOUT_S
        while "ingest_connected" not in cloud.log_text():
            cloud.check()
            if time.monotonic() > deadline:
                raise DemoError(f"the cloud does not come up: {cloud.log_text()[-1500:]}")
            time.sleep(_LOOK_S)
        self._broker.stop()

    def _outage(self, scenario: Scenario) -> set[Place]:
        """Agents read two weeks of history while there is no broker; returns what waits in their outboxes."""
        self._say(f"the broker is down, and the agents read {HISTORY} of history")
        self._start_other("p1-meter", "simulate", "meter", "--link", str(scenario.p1_port), "--seed", "7")
        for gateway, file in scenario.agents.items():
            agent = Part(self._folder, gateway, "edge", "run", "-c", str(file))
            self._stack.callback(agent.stop)
            self._agents[gateway] = agent
        deadline = time.monotonic() + _FILL_TIMEOUT_S
        waiting: set[Place] = set()
        while time.monotonic() < deadline and not _up_to_now(waiting):
            self._check()
            time.sleep(_FILL_LOOK_S)
            waiting = set().union(*(outbox_places(self._folder / gateway) for gateway in self._agents))
        return waiting

    def _recover(self) -> None:
        """The broker comes back."""
        self._broker.start()
        self._began = time.monotonic()
        self._tap.start(self._broker.port)
        self._stack.callback(self._tap.stop)
        self._say(
            f"the broker ({type(self._broker).__name__.removesuffix('Server').lower()}) is back, and the backlog drains"
        )

    def _start_other(self, name: str, *arguments: str) -> Part:
        part = Part(self._folder, name, *arguments)
        self._stack.callback(part.stop)
        self._others.append(part)
        return part

    def _check(self) -> None:
        for part in (*self._agents.values(), *self._others):
            part.check()

    def _watch(self, ledger: Ledger, backlog: set[Place], duration_s: float, show: Show) -> None:
        next_look = 0.0
        while (left_s := self._began + duration_s - time.monotonic()) > 0:
            self._check()
            if self._drain_s:
                ledger.look()
            if time.monotonic() >= next_look:
                self._note_drained(ledger, backlog)
                show(ledger, left_s)
                next_look = time.monotonic() + 0.5
            time.sleep(_LOOK_S)

    def _note_drained(self, ledger: Ledger, backlog: set[Place]) -> None:
        if not self._drain_s and ledger.stored_count() >= len(backlog) and backlog <= _places(ledger.stored()):
            self._drain_s = time.monotonic() - self._began
            self._say(f"{len(backlog):,} readings of the outage are stored after {self._drain_s:.1f} s; now live")

    def _reckon(self, scenario: Scenario, ledger: Ledger, backlog: set[Place]) -> Summary:
        """End the agents, let the cloud finish, and count."""
        self._say("the agents say goodbye, the cloud finishes")
        for agent in self._agents.values():
            agent.ask_to_stop()
        for agent in self._agents.values():
            agent.stop()
        delivered = {gateway: _delivered(agent) for gateway, agent in self._agents.items()}
        self._settle(ledger)
        stored = ledger.stored()
        return summarise(
            Counted(
                delivered=delivered,
                published=dict(self._tap.readings),
                stored=stored,
                publishes=self._tap.publishes.total(),
                batches=len(self._tap.batches),
                window_readings=ledger.gauge_readings(_GAUGE, _WINDOW),
                raw_values=ledger.raw_values(_GAUGE),
                windows=ledger.windows(),
                faults=_faults(scenario.fault_log),
                anomalies=[(meter, t_ms, length) for meter, t_ms, length, _ in ledger.anomalies()],
                alerts=len(ledger.alerts()),
                dead_letters=dead_letter_count(scenario.dead_letters),
                latencies_ms=ledger.latencies_ms,
                backlog=len(backlog),
                drain_s=self._drain_s,
            )
        )

    def _settle(self, ledger: Ledger) -> None:
        """Wait until all that passed the broker is stored and in its windows, or time is up."""
        published = sum(map(len, self._tap.readings.values()))
        deadline = time.monotonic() + _SETTLE_TIMEOUT_S
        while time.monotonic() < deadline:
            counted = ledger.gauge_readings(_GAUGE, _WINDOW)
            if ledger.stored_count() >= published and counted == ledger.raw_values(_GAUGE):
                return
            time.sleep(0.2)


@contextmanager
def _quiet_interrupt() -> Iterator[None]:
    """Ctrl-C ends the watching, not the reckoning."""
    try:
        yield
    except KeyboardInterrupt:
        _log.info("interrupted")


def _simulated_home(file: Path, seed: int) -> Path:
    arguments = ["simulate", "home", "--seed", str(seed), "--days", "30", "--out", str(file)]
    done = subprocess.run(
        [sys.executable, "-m", "wattline", *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode:
        raise DemoError(f"no home could be simulated: {done.stderr[-500:]}")
    return file


def _up_to_now(waiting: set[Place]) -> bool:
    """Whether every simulated meter has read its history and lives in the present."""
    newest: dict[str, int] = {}
    for meter, t_ms in waiting:
        newest[meter] = max(t_ms, newest.get(meter, 0))
    now_ms = time.time_ns() // 1_000_000
    return all(newest.get(meter, 0) > now_ms - _UP_TO_NOW_MS for meter in SIMULATED_METERS)


def _places(stored: Mapping[str, set[Place]]) -> set[Place]:
    return set().union(*stored.values())


def _delivered(agent: Part) -> int:
    found = _STOPPED.findall(agent.log_text())
    if not found:
        raise WattlineError(f"{agent.name} did not say how many readings it had: {agent.log_text()[-500:]}")
    return int(found[-1][0])


def _faults(file: Path) -> list[tuple[str, int, int]]:
    """Labels that have happened by now, each once."""
    if not file.exists():
        return []
    now_ms = time.time_ns() // 1_000_000
    labels = {
        (str(one["meter"]), int(one["start_ms"]), int(one["end_ms"]))
        for one in map(json.loads, file.read_text("utf-8").splitlines())
    }
    return sorted(label for label in labels if label[1] < now_ms)
