"""The running agent: its parts started in order, one loop, and ended in order."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from edge_agent.clock import ClockWatch, steady_ms, wall_ms
from edge_agent.intake import Intake
from edge_agent.pipeline import Pipeline
from edge_agent.ports import Loads
from edge_agent.publisher import Publisher
from edge_agent.service import ServiceNotifier
from edge_agent.supervisor import Supervisor

_log: Final = logging.getLogger("edge_agent")

_FIRST_TICK_S: Final = 0.05
_EAGER_S: Final = 3.0
"""So long the agent looks often, so that whoever starts it sees the first readings at once."""
_SENSOR_STOP_S: Final = 2.0
_RELAY_STOP_S: Final = 5.0
_SAVE_INTERVAL_S: Final = 900.0


class Agent:
    """Sensors, pipeline and publisher of one gateway.

    Args:
        supervisor: Runs the sensors.
        intake: Where they leave readings.
        pipeline: Judges, batches and keeps them.
        loads: What can be switched.
        publisher: Sends them.
        tick_s: How often the pipeline looks.
        drain_timeout_s: How long the end may take to send what waits.
        save: Keeps what a restart should not lose; called now and then, and at the end.
        clock: Notices when the wall clock is set; by default one that starts now.
    """

    def __init__(  # noqa: PLR0913 (the parts, each once)
        self,
        *,
        supervisor: Supervisor,
        intake: Intake,
        pipeline: Pipeline,
        loads: Loads,
        publisher: Publisher,
        tick_s: float,
        drain_timeout_s: float,
        save: Callable[[], object],
        clock: ClockWatch | None = None,
    ) -> None:
        self._supervisor = supervisor
        self._intake = intake
        self._pipeline = pipeline
        self._loads = loads
        self._publisher = publisher
        self._tick_s = tick_s
        self._drain_timeout_s = drain_timeout_s
        self._save = save
        self._stop = threading.Event()
        self._told_dead = False
        self._clock = clock or ClockWatch.of_now()

    def stop(self) -> None:
        """Ask the agent to end, from another thread."""
        self._stop.set()
        self._intake.hurry()

    def run(self, *, until_sent: bool = False) -> None:
        """Work until `stop`.

        Args:
            until_sent: End also when every sensor has ended and the cloud has everything.
        """
        notifier = ServiceNotifier()
        self._supervisor.start()
        self._loads.start()
        self._publisher.start()
        notifier.ready()
        self._loop(notifier, until_sent=until_sent)
        notifier.stopping()
        _log.info("stopping")
        self._supervisor.stop(_SENSOR_STOP_S)
        self._pipeline.keep_events(self._loads.stop(self._now_ms(), _RELAY_STOP_S), self._now_ms())
        self._pipeline.tick(self._now_ms(), flush=True)
        self._save()
        self._publisher.stop(self._drain_timeout_s)
        notifier.close()
        _log.info("stopped readings=%d unsent=%d", self._supervisor.delivered, self._publisher.waiting)

    def _loop(self, notifier: ServiceNotifier, *, until_sent: bool) -> None:
        tick_s, save_at_s = _FIRST_TICK_S, time.monotonic() + _SAVE_INTERVAL_S
        eager_until_s = time.monotonic() + _EAGER_S
        while not self._stop.is_set():
            self._intake.wait(tick_s)
            now_ms = self._now_ms()
            self._pipeline.tick(now_ms)
            self._tell_alive(notifier)
            if time.monotonic() > eager_until_s:
                tick_s = self._tick_s
            if time.monotonic() > save_at_s:
                self._save()
                save_at_s = time.monotonic() + _SAVE_INTERVAL_S
            if until_sent and self._all_sent(now_ms):
                return

    def _now_ms(self) -> int:
        """The wall clock; the ages of what waits are put right first where it was set."""
        now_ms = wall_ms()
        if jump_ms := self._clock.jump_ms(now_ms, steady_ms()):
            _log.warning("clock_set by_ms=%d", jump_ms)
            self._pipeline.clock_set(jump_ms)
        return now_ms

    def _tell_alive(self, notifier: ServiceNotifier) -> None:
        """Only while all of it lives: an agent that sends nothing for ever must be started anew."""
        if self._publisher.alive:
            notifier.alive()
        elif not self._told_dead:
            self._told_dead = True
            _log.critical("publisher_dead")

    def _all_sent(self, now_ms: int) -> bool:
        if not self._supervisor.all_ended:
            return False
        self._pipeline.tick(now_ms, flush=True)
        return self._publisher.idle
