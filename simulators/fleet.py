"""A fleet of gateways in one process and one thread: one selector over all their sockets.

```
wake (by time) --> plan batches --> send --> socket
socket --> PUBACK, down/ack --> forget, send more
```
"""

import heapq
import resource
import selectors
import threading
import time
import uuid
from collections.abc import Callable
from typing import Final

from paho.mqtt.enums import MQTTProtocolVersion

from simulators.fleet_config import FleetConfig, ProtocolChoice, check_fleet
from simulators.gateway_link import Dialect, GatewayLink
from simulators.profiles import draw_profiles
from simulators.report import FleetReport, ReadingsFile, Totals, add_sums
from simulators.simulated_gateway import FleetState, SimulatedGateway
from wattline.errors import ConfigError

_LONGEST_WAIT_S: Final = 0.1
_PROGRESS_INTERVAL_MS: Final = 500
_GOODBYE_TIMEOUT_MS: Final = 3000
_SPARE_FILES: Final = 100


class Fleet:
    """Publishes what `config` says and counts it.

    Args:
        config: The fleet.
        on_progress: Called about twice a second with the totals so far and the batches not yet acknowledged.

    Raises:
        ConfigError: There can be no such fleet.
    """

    def __init__(self, config: FleetConfig, on_progress: Callable[[Totals, int], None] | None = None) -> None:
        check_fleet(config)
        self._config = config
        self._on_progress = on_progress
        self._selector = selectors.DefaultSelector()
        self._watched: dict[SimulatedGateway, tuple[int, int, GatewayLink]] = {}
        self._wakes: list[tuple[int, int]] = []
        self._clock_offset_ms = time.time_ns() // 1_000_000 - _monotonic_ms()
        self._next_progress_ms = 0
        self._gateways: list[SimulatedGateway] = []

    def run(self, stop: threading.Event, give_up: threading.Event | None = None) -> FleetReport:
        """Publish until the duration is over or `stop` is set, wait for acknowledgements, and say goodbye.

        Blocks; call it once.

        Args:
            stop: Ends the making of readings.
            give_up: Ends the waiting for acknowledgements too.

        Returns:
            What was sent; also everything that was not acknowledged.

        Raises:
            ConfigError: The file for the readings cannot be written, or there are too few file descriptors.
        """
        _allow_files(self._config.gateways)
        cpu_start_s = time.process_time()
        state = self._start()
        try:
            self._live(state, stop)
            self._drain(state, give_up or threading.Event())
            self._say_goodbye(state)
        finally:
            for gateway in self._gateways:
                gateway.close()
            self._selector.close()
            if state.readings_file is not None:
                state.readings_file.close()
        return self._report(state, time.process_time() - cpu_start_s)

    def _start(self) -> FleetState:
        config = self._config
        profiles = draw_profiles(config.seed)
        v311 = config.protocol is ProtocolChoice.V311
        version = MQTTProtocolVersion.MQTTv311 if v311 else MQTTProtocolVersion.MQTTv5
        dialect = Dialect(version, fixed=config.protocol is not ProtocolChoice.AUTO)
        now_ms = self._now_ms()
        end_ms = now_ms + config.duration_ms if config.duration_ms else None
        state = FleetState(config, profiles, dialect, Totals(), now_ms, now_ms, end_ms, _open_readings(config))
        self._gateways = [SimulatedGateway(state, index, str(uuid.uuid4())) for index in range(config.gateways)]
        self._wakes = [(now_ms + 2 * index, index) for index in range(config.gateways)]
        return state

    def _live(self, state: FleetState, stop: threading.Event) -> None:
        while not stop.is_set() and (state.end_ms is None or state.now_ms < state.end_ms):
            self._step(state, state.end_ms)
        state.end_ms = state.now_ms if state.end_ms is None else min(state.end_ms, state.now_ms)
        for gateway in self._gateways:
            gateway.plan(state.end_ms)
            gateway.send()
            self._watch(gateway)

    def _drain(self, state: FleetState, give_up: threading.Event) -> None:
        deadline_ms = state.now_ms + self._config.drain_ms
        while self._undelivered() and state.now_ms < deadline_ms and not give_up.is_set():
            self._step(state, deadline_ms)

    def _say_goodbye(self, state: FleetState) -> None:
        deadline_ms = state.now_ms + _GOODBYE_TIMEOUT_MS
        for gateway in self._gateways:
            gateway.say_goodbye()
            self._watch(gateway)
        while state.now_ms < deadline_ms and not all(gateway.goodbye_done for gateway in self._gateways):
            self._step(state, deadline_ms)

    def _step(self, state: FleetState, until_ms: int | None) -> None:
        """One turn of the loop: wait for sockets or the next wake-up, at most a tenth of a second."""
        next_ms = self._wakes[0][0] if until_ms is None else min(self._wakes[0][0], until_ms)
        wait_s = min(max((next_ms - self._now_ms()) / 1000, 0), _LONGEST_WAIT_S)
        ready = self._selector.select(wait_s)
        state.now_ms = self._now_ms()
        for key, events in ready:
            gateway: SimulatedGateway = key.data
            self._serve(gateway, events)
            self._watch(gateway)
        while self._wakes[0][0] <= state.now_ms:
            index = self._wakes[0][1]
            gateway = self._gateways[index]
            # Never at once again: a gateway must not keep the loop from the sockets.
            again_ms = max(gateway.wake(), state.now_ms + 1)
            heapq.heapreplace(self._wakes, (again_ms, index))
            self._watch(gateway)
        self._show_progress(state)

    def _serve(self, gateway: SimulatedGateway, events: int) -> None:
        if events & selectors.EVENT_READ and gateway.link is not None:
            gateway.link.read()
            gateway.send()
        if gateway.link is not None and gateway.link.wants_write():
            gateway.link.write()

    def _watch(self, gateway: SimulatedGateway) -> None:
        """Keep the selector's view of this gateway's socket true."""
        link = gateway.link
        old = self._watched.get(gateway)
        new = None
        if link is not None and link.fileno() >= 0:
            write = selectors.EVENT_WRITE if link.wants_write() else 0
            new = (link.fileno(), selectors.EVENT_READ | write, link)
        if new == old:
            return
        if old is not None:
            self._selector.unregister(old[0])
            del self._watched[gateway]
        if new is not None:
            self._selector.register(new[0], new[1], gateway)
            self._watched[gateway] = new

    def _undelivered(self) -> int:
        return sum(gateway.undelivered for gateway in self._gateways)

    def _show_progress(self, state: FleetState) -> None:
        if self._on_progress is not None and state.now_ms >= self._next_progress_ms:
            self._next_progress_ms = state.now_ms + _PROGRESS_INTERVAL_MS
            self._on_progress(state.totals, self._undelivered())

    def _report(self, state: FleetState, cpu_s: float) -> FleetReport:
        totals = state.totals
        gateways = [gateway.report() for gateway in self._gateways]
        totals.unacked = sum(report.unacked for report in gateways)
        totals.unsent = sum(report.unsent for report in gateways)
        add_sums(totals, [gateway.tally for gateway in self._gateways])
        v5 = state.dialect.version == MQTTProtocolVersion.MQTTv5
        protocol = ProtocolChoice.V5 if v5 else ProtocolChoice.V311
        return FleetReport(
            state.start_ms, self._now_ms(), protocol.value, totals, gateways, state.last_error, round(cpu_s, 3)
        )

    def _now_ms(self) -> int:
        """The time by a clock that is set once: a jump of the system's clock does not disturb a run."""
        return _monotonic_ms() + self._clock_offset_ms


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def _open_readings(config: FleetConfig) -> ReadingsFile | None:
    if config.readings_file is None:
        return None
    try:
        return ReadingsFile(config.readings_file)
    except OSError as error:
        raise ConfigError("--readings-file", f"{config.readings_file}: {error.strerror}") from None


def _allow_files(gateways: int) -> None:
    """Raise the limit of open files as far as this user may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = gateways + _SPARE_FILES
    if needed > soft:
        if hard not in (resource.RLIM_INFINITY, -1) and needed > hard:
            raise ConfigError("--gateways", f"{gateways} need {needed} open files, this user may have {hard}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
