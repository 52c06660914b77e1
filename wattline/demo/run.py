"""The demo's course: an outage with two weeks of backlog, its end, live, and the reckoning."""

import json
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wattline.config import parse_duration
from wattline.demo.broker import AmqttServer, BrokerChoice, choose_broker
from wattline.demo.course import Say, Show, Step
from wattline.demo.ledger import Ledger, Place, dead_letter_count, outbox_places
from wattline.demo.processes import DemoError, Part, signals_held
from wattline.demo.scenario import DETECTOR_INTERVAL, HOMES, Scenario, find_homes, write_scenario
from wattline.demo.summary import AnomalySpan, Backlog, Counted, FaultLabel, Summary, summarise
from wattline.demo.tap import Tap
from wattline.errors import WattlineError
from wattline.features import WARM_UP_MS

_log: Final = logging.getLogger("wattline.demo")
_FILL_TIMEOUT_S: Final = 90.0
_DRAIN_TIMEOUT_S: Final = 90.0
_SETTLE_TIMEOUT_S: Final = 60.0
_STEADY_S: Final = 1.5
"""Fleet windows come a second after those of the meters."""
_LOOK_S: Final = 0.05
_SHOW_S: Final = 0.5
_JUDGED_AFTER_MS: Final = parse_duration(DETECTOR_INTERVAL) + 120_000
"""When the last interval that a fault touches has ended, is judged, and its event is stored."""
_START_TIMEOUT_S: Final = 60.0
_CLOUD: Final = "cloud"
_GAUGE: Final = "power_w"
_WINDOW: Final = "5m"
_STOPPED: Final = re.compile(r"stopped readings=(\d+) unsent=(\d+)")


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """What a person chooses.

    Attributes:
        folder: Empty; everything is left in it.
        duration_s: From the moment the broker comes back.
        history: How much of the past the agents collect during the outage, such as "14d".
        broker: Which broker runs.
    """

    folder: Path
    duration_s: float = 120.0
    history: str = "14d"
    broker: BrokerChoice = BrokerChoice.AUTO


class DemoRun:
    """One demo.

    Args:
        plan: What was chosen.
        say: Told what happens.
        show: Told what is going on.
    """

    def __init__(self, plan: DemoPlan, say: Say, show: Show) -> None:
        self._plan = plan
        self._folder = plan.folder
        self._say = say
        self._show = show
        self._stack = ExitStack()
        self._broker = choose_broker(plan.folder / "broker", plan.broker)
        self._tap = Tap()
        self._agents: dict[str, Part] = {}
        self._others: list[Part] = []
        self._drain_s: float | None = None
        self._ingest_s: float | None = None
        self._began_ms = time.time_ns() // 1_000_000
        self._back_s = 0.0
        self._ingest_before = 0

    def run(self) -> Summary:
        """Run from the outage to the reckoning; Ctrl-C ends the live part, and before it everything.

        Raises:
            DemoError: A part ended by itself.
        """
        with self._stack:
            scenario = write_scenario(self._folder, self._broker.url, self._homes(), self._plan.history)
            self._start_cloud(scenario)
            waiting = self._outage(scenario)
            backlog = _places(waiting)
            ledger = Ledger(scenario.store)
            self._stack.callback(ledger.close)
            self._recover()
            with _quiet_interrupt():
                self._watch(ledger, backlog)
            times_s = (self._reconnect_s(waiting), self._ingest_s, self._drain_s)
            return summarise(self._reckon(scenario, ledger, Backlog(len(backlog), *times_s)))

    def _homes(self) -> list[Path]:
        corpus = Path(os.environ.get("WATTLINE_CORPUS") or "../shared/data")
        homes = find_homes(corpus)
        if homes:
            self._say(f"{len(homes)} real London homes are replayed from {corpus}")
            return homes
        self._say("simulated homes are replayed: WATTLINE_CORPUS names no folder with the London homes")
        return [_simulated_home(self._folder / f"{name}.csv", seed) for seed, name in enumerate(HOMES[:3], 21)]

    def _start_cloud(self, scenario: Scenario) -> None:
        """Broker and cloud come up once, so that the cloud's session exists before the outage."""
        self._show(Step(f"starting {self._broker_name} and the cloud"), None)
        self._stack.callback(self._broker.stop)
        self._broker.start()
        cloud = self._start_other(_CLOUD, "cloud", "run", "-c", str(scenario.cloud))
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self._ingest_connections():
            cloud.check()
            if time.monotonic() > deadline:
                raise DemoError(f"the cloud does not come up: {cloud.log_text()[-1500:]}")
            time.sleep(_LOOK_S)
        self._broker.stop()

    def _ingest_connections(self) -> int:
        """How often ingest has found the broker."""
        return sum(part.log_text().count("ingest_connected") for part in self._others if part.name == _CLOUD)

    @property
    def _broker_name(self) -> str:
        return "amqtt" if isinstance(self._broker, AmqttServer) else self._broker.program

    def _outage(self, scenario: Scenario) -> dict[str, set[Place]]:
        """Agents read their history while there is no broker; returns what waits in each outbox."""
        self._say(f"outage: the broker is down, and three gateways collect {self._plan.history} of readings")
        self._start_other("p1-meter", "simulate", "meter", "--link", str(scenario.p1_port), "--seed", "7")
        for gateway, file in scenario.agents.items():
            self._agents[gateway] = self._start(gateway, "edge", "run", "-c", str(file))
        deadline = time.monotonic() + _FILL_TIMEOUT_S
        waiting: dict[str, set[Place]] = {}
        while time.monotonic() < deadline and not _caught_up(_places(waiting), scenario.newest_ms):
            self._check()
            time.sleep(_SHOW_S)
            waiting = self._outboxes()
            self._show(Step("the outboxes fill", sum(map(len, waiting.values()))), None)
        return waiting

    def _outboxes(self) -> dict[str, set[Place]]:
        return {gateway: outbox_places(self._folder / gateway) for gateway in self._agents}

    def _recover(self) -> None:
        """The broker comes back."""
        self._ingest_before = self._ingest_connections()
        self._broker.start()
        self._back_s = time.monotonic()
        self._tap.start(self._broker.port)
        self._stack.callback(self._tap.stop)
        self._say(f"the broker ({self._broker_name}) is back; each gateway notices at its next attempt")

    def _start_other(self, name: str, *arguments: str) -> Part:
        part = self._start(name, *arguments)
        self._others.append(part)
        return part

    def _start(self, name: str, *arguments: str) -> Part:
        with signals_held():
            part = Part(self._folder, name, *arguments)
            self._stack.callback(part.stop)
        return part

    def _check(self) -> None:
        for part in (*self._agents.values(), *self._others):
            part.check()

    def _watch(self, ledger: Ledger, backlog: set[Place]) -> None:
        """Look on until time is up, and longer where the backlog takes longer."""
        next_show_s = 0.0
        while (left_s := self._left_s()) > 0:
            self._check()
            if self._drain_s is not None:
                ledger.look()
            if time.monotonic() >= next_show_s:
                self._show(self._step(ledger, backlog, left_s), ledger)
                next_show_s = time.monotonic() + _SHOW_S
            time.sleep(_LOOK_S)

    def _left_s(self) -> float:
        longest_s = self._plan.duration_s if self._drain_s is not None else max(self._plan.duration_s, _DRAIN_TIMEOUT_S)
        return self._back_s + longest_s - time.monotonic()

    def _step(self, ledger: Ledger, backlog: set[Place], left_s: float) -> Step:
        if self._ingest_s is None and self._ingest_connections() > self._ingest_before:
            self._ingest_s = time.monotonic() - self._back_s
        stored = len(backlog) if self._drain_s is not None else len(backlog & _places(ledger.stored()))
        if stored == len(backlog):
            self._note_drained(stored)
            return Step("live", left_s=left_s)
        heard = len(self._tap.heard_s)
        cloud = "away" if self._ingest_s is None else "there"
        text = f"the backlog drains, {heard} of {len(self._agents)} gateways are connected again, the cloud is {cloud}"
        return Step(text, stored, len(backlog))

    def _note_drained(self, readings: int) -> None:
        if self._drain_s is None:
            self._drain_s = time.monotonic() - self._back_s
            self._say(f"{readings:,} readings of the outage are stored after {self._drain_s:.1f} s; now live")

    def _reconnect_s(self, waiting: Mapping[str, set[Place]]) -> float | None:
        """When the last gateway that had a backlog was heard; None while one was not."""
        heard_s = [self._tap.heard_s.get(gateway) for gateway, places in waiting.items() if places]
        known_s = [when_s for when_s in heard_s if when_s is not None]
        return max(known_s) - self._back_s if known_s and len(known_s) == len(heard_s) else None

    def _reckon(self, scenario: Scenario, ledger: Ledger, backlog: Backlog) -> Counted:
        """End the agents, let the cloud finish, and count."""
        self._show(Step("the agents say goodbye, the cloud finishes"), ledger)
        for agent in self._agents.values():
            agent.ask_to_stop()
        for agent in self._agents.values():
            agent.stop()
        delivered = {gateway: _delivered(agent) for gateway, agent in self._agents.items()}
        self._settle(ledger)
        for part in self._others:
            part.ask_to_stop()
        for part in self._others:
            part.stop()
        return Counted(
            delivered=delivered,
            published=dict(self._tap.readings),
            waiting=self._outboxes(),
            stored=ledger.stored(),
            publishes=self._tap.publishes.total(),
            batches=len(self._tap.batches),
            window_readings=ledger.gauge_readings(_GAUGE, _WINDOW),
            raw_values=ledger.raw_values(_GAUGE),
            windows=ledger.windows(),
            faults=_faults(scenario.fault_log),
            anomalies=[AnomalySpan(meter, t_ms, t_ms + length) for meter, t_ms, length, _ in ledger.anomalies()],
            judged_from_ms=self._began_ms - parse_duration(self._plan.history) + WARM_UP_MS,
            alerts=len(ledger.alerts()),
            dead_letters=dead_letter_count(scenario.dead_letters),
            latencies_ms=ledger.latencies_ms,
            backlog=backlog,
        )

    def _settle(self, ledger: Ledger) -> None:
        """Wait until all that passed the broker is stored and in its windows on every level, or time is up."""
        deadline = time.monotonic() + _SETTLE_TIMEOUT_S
        windows, steady_s = ledger.windows(), time.monotonic()
        while time.monotonic() < deadline:
            time.sleep(0.2)
            before, windows = windows, ledger.windows()
            counted = ledger.gauge_readings(_GAUGE, _WINDOW)
            complete = ledger.stored_count() >= self._tap.count() and counted == ledger.raw_values(_GAUGE)
            if not complete or windows != before or "fleet" not in windows:
                steady_s = time.monotonic()
            elif time.monotonic() - steady_s > _STEADY_S:
                return


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


def _caught_up(waiting: set[Place], newest_ms: Mapping[str, int]) -> bool:
    """Whether every meter with a past has read it and lives in the present."""
    newest: dict[str, int] = {}
    for meter, t_ms in waiting:
        newest[meter] = max(t_ms, newest.get(meter, 0))
    now_ms = time.time_ns() // 1_000_000
    return all(newest.get(meter, 0) > now_ms - age_ms for meter, age_ms in newest_ms.items())


def _places(by_gateway: Mapping[str, set[Place]]) -> set[Place]:
    return set().union(*by_gateway.values())


def _delivered(agent: Part) -> int:
    found = _STOPPED.findall(agent.log_text())
    if not found:
        raise WattlineError(f"{agent.name} did not say how many readings it had: {agent.log_text()[-500:]}")
    return int(found[-1][0])


def _faults(file: Path) -> list[FaultLabel]:
    """Labels whose judgement can be in the store by now, each once."""
    if not file.exists():
        return []
    over_ms = time.time_ns() // 1_000_000 - _JUDGED_AFTER_MS
    labels = {
        FaultLabel(str(one["meter"]), int(one["start_ms"]), int(one["end_ms"]), str(one["kind"]))
        for one in map(json.loads, file.read_text("utf-8").splitlines())
    }
    return sorted(label for label in labels if label.end_ms < over_ms)
