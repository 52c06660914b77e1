"""The agent's loop: what the service manager hears while a part is dead."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.agent import Agent
from edge_agent.batcher import Batcher, FlushTimer
from edge_agent.bootstrap import event_figures
from edge_agent.clock import ClockWatch
from edge_agent.config import BrokerConfig
from edge_agent.intake import Intake
from edge_agent.judge_guard import NoJudge
from edge_agent.no_loads import NoLoads
from edge_agent.outbox import LogOutbox, OverflowingWriter
from edge_agent.pipeline import Pipeline
from edge_agent.publisher import Publisher, PublisherConfig
from edge_agent.publisher_state import Limits
from edge_agent.supervisor import Supervisor
from tests.edge_agent.cloud_stand_in import wait_until
from wattline.local_servers import LOOPBACK, free_port
from wattline.wire import VERSION, Status

DAY_MS = 86_400_000
MINUTE_MS = 60_000


def birth() -> Status:
    return Status(v=VERSION, gateway="gw-1", site="house", state="online", session=0)


class Rig:
    """An agent without meters, in a thread, under a service manager that only listens."""

    def __init__(self, folder: Path) -> None:
        self.outboxes = [LogOutbox(folder / f"{n}.db", max_bytes=1 << 20, max_age_ms=10**9) for n in ("r", "e")]
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.bind(str(folder / "notify"))
        self.manager.settimeout(0.2)
        self._agent: Agent | None = None
        self._thread = threading.Thread()

    def start(self, clock: ClockWatch | None = None) -> Publisher:
        readings, events = self.outboxes
        config = PublisherConfig("gw-1", "house", BrokerConfig(url=f"mqtt://{LOOPBACK}:{free_port()}"), Limits())
        publisher = Publisher(config, events, readings, birth, dict)
        intake = Intake()
        pipeline = Pipeline(
            intake=intake,
            judge=NoJudge(),
            loads=NoLoads(),
            batcher=Batcher(),
            timer=FlushTimer(10),
            readings=OverflowingWriter(readings),
            events=OverflowingWriter(events),
            on_durable=lambda _: None,
            on_news=lambda: None,
        )
        self._agent = Agent(
            supervisor=Supervisor([]),
            intake=intake,
            pipeline=pipeline,
            loads=NoLoads(),
            publisher=publisher,
            tick_s=0.01,
            drain_timeout_s=0.1,
            save=lambda: None,
            clock=clock,
        )
        self._thread = threading.Thread(target=self._agent.run)
        self._thread.start()
        return publisher

    def heard(self) -> list[str]:
        """What the manager hears until nothing comes any more, at most 50 words."""
        words: list[str] = []
        try:
            while len(words) < 50:
                words.append(self.manager.recv(64).decode())
        except TimeoutError:
            pass
        return words

    def stop(self) -> None:
        self.manager.close()  # first: a manager that does not listen holds up whoever speaks to it
        if self._agent is not None:
            self._agent.stop()
            self._thread.join(20)
        for outbox in self.outboxes:
            outbox.close()


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    rig = Rig(tmp_path)
    yield rig
    rig.stop()


def test_the_service_manager_hears_that_we_live_also_without_a_broker(rig: Rig) -> None:
    rig.start()
    words = rig.heard()
    assert words[0] == "READY=1"
    assert set(words[1:]) == {"WATCHDOG=1"}
    assert len(words) == 50


def test_an_agent_whose_publisher_is_dead_is_not_called_alive(rig: Rig) -> None:
    publisher = rig.start()
    wait_until(lambda: publisher.alive, "its start")
    publisher.stop(0.0)
    wait_until(lambda: not publisher.alive, "the publisher's end")
    rig.heard()  # what was said before
    assert rig.heard() == []


@pytest.mark.parametrize("by_ms", [46 * DAY_MS, -46 * DAY_MS])
def test_what_waits_gets_no_older_by_a_clock_that_is_set(rig: Rig, by_ms: int) -> None:
    readings = rig.outboxes[0]
    now_ms, steady_ms = time.time_ns() // 1_000_000, time.monotonic_ns() // 1_000_000
    readings.put([b"[]"], now_ms - by_ms)
    rig.start(ClockWatch(now_ms - by_ms, steady_ms))  # the wall clock of a moment ago
    wait_until(lambda: abs(readings.pending(0, 1)[0].at_ms - now_ms) < MINUTE_MS, "the row's time put right")


def test_the_status_tells_what_went_wrong_with_events() -> None:
    counts = {"rows": 2.0, "bytes": 9.0, "age_s": 1.0, "dropped_age": 3.0, "failed_write": 4.0, "set_aside": 5.0}
    assert event_figures(counts) == {
        "events": 2.0,
        "events_dropped_age": 3.0,
        "events_failed_write": 4.0,
        "events_set_aside": 5.0,
    }
