"""Where commands come in, relays are switched, and answers go out: the board with its file, its threads and its clock.

The publisher's thread hands commands in; the pipeline's thread drives everything else. Whatever is decided is on disk
before a relay moves, an answer leaves, or the broker is told that a command has arrived.
"""

import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from edge_agent.actuators.board import BoardState, LoadBoard
from edge_agent.actuators.manual_file import Wishes
from edge_agent.actuators.relay import Relay, Report
from edge_agent.actuators.state_file import StateFile
from wattline.errors import DecodeError
from wattline.wire import Command, Event, LoadInfo, decode_command

_log: Final = logging.getLogger("edge_agent.loads")

BURST: Final = 60
PER_SECOND: Final = 1.0
_STEP_S: Final = 0.02
TOLD_AGAIN_MS: Final = 3_600_000
"""Answers of the last hour are told again after a start: the last run may have ended before it told them."""


class RateLimit:
    """A bucket of tokens: so many at once, and so many a second."""

    def __init__(self, burst: int, per_second: float) -> None:
        self._burst = burst
        self._per_ms = per_second / 1000
        self._tokens = float(burst)
        self._at_ms = 0

    def take(self, steady_ms: int) -> bool:
        """Whether one more is within the limit; `steady_ms` is a clock that only ever goes on."""
        grown = (steady_ms - self._at_ms) * self._per_ms if self._at_ms else 0.0
        self._tokens = min(self._burst, self._tokens + grown)
        self._at_ms = steady_ms
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class LoadDesk:
    """The switchable loads of a running agent.

    Call order: `start` once; then `take_command` from any thread, `events` and `clock_set` from one; `stop` at the end.

    Attributes:
        counts: Commands by what became of them before a load saw them.
    """

    def __init__(  # noqa: PLR0913 (the parts, each once)
        self,
        *,
        gateway: str,
        state_dir: Path,
        board: LoadBoard,
        file: StateFile,
        relays: Sequence[Relay],
        reports: "queue.Queue[Report]",
        clocks: tuple[Callable[[], int], Callable[[], int]],
        synchronised: Callable[[], bool],
        connected: Callable[[], bool],
        on_news: Callable[[], None],
        on_change: Callable[[], None],
    ) -> None:
        """Put it together; nothing is started.

        Args:
            gateway: Whose commands these are.
            state_dir: Where wishes of people at the gateway are left.
            board: Decides.
            file: Keeps what was decided.
            relays: One for each load.
            reports: What they report.
            clocks: The wall clock and one that only ever goes on, both in ms.
            synchronised: Whether the wall clock is right.
            connected: Whether the broker is there.
            on_news: Called when a command has come.
            on_change: Called when a load is not as it was.
        """
        self.counts: Counter[str] = Counter()
        self._gateway = gateway
        self._wishes = Wishes(state_dir, board.loads)
        self._stopping = False
        self._board = board
        self._file = file
        self._relays = {relay.load: relay for relay in relays}
        self._reports = reports
        self._wall_ms, self._steady_ms = clocks
        self._synchronised = synchronised
        self._connected = connected
        self._on_news = on_news
        self._on_change = on_change
        self._infos = board.infos
        self._limit = RateLimit(BURST, PER_SECOND)
        self._lock = threading.Lock()
        self._answers = board.told_since(self._wall_ms() - TOLD_AGAIN_MS)

    def start(self) -> None:
        """Look after every relay from now on."""
        for relay in self._relays.values():
            relay.start()

    def take_command(self, payload: bytes, *, retained: bool = False) -> None:
        """Take what came on the command's topic; on return the decision is on disk. Never raises for what it is."""
        if not self._limit.take(self._steady_ms()):
            self._count("flood", "")
            return
        try:
            command = decode_command(payload, self._gateway)
        except DecodeError as error:
            self._count(error.reason, error.detail)
            return
        with self._lock:
            try:
                self._take(command, retained=retained)
            except Exception:  # noqa: BLE001 (the broker would bring it again for ever, and no reading would leave)
                self._failed()
        self._on_news()

    def events(self, now_ms: int) -> list[Event]:
        """Let the world in and the orders out; returns what is to be told.

        Args:
            now_ms: The wall clock, ms UTC.
        """
        with self._lock:
            try:
                self._turn(now_ms)
            except Exception:  # noqa: BLE001 (whatever it is, the readings must be kept)
                self._failed()
            return self._tell()

    def clock_set(self, by_ms: int) -> None:
        """The wall clock was set by so much."""
        with self._lock:
            self._board.clock_set(by_ms)

    def stop(self, now_ms: int, timeout_s: float) -> list[Event]:
        """Leave every load to itself, for nobody will be here to do it later; returns what is to be told."""
        deadline_s = time.monotonic() + timeout_s
        with self._lock:
            self._stopping = True
            self._board.stop(now_ms)
            self._act(now_ms, at_once=True)
        self._let_relays_finish(deadline_s)
        with self._lock:
            self._hear_relays(now_ms)
            self._board.tick(now_ms, synchronised=True, connected=True)
            self._file.save(self._board.state)
            return self._tell()

    @property
    def infos(self) -> list[LoadInfo]:
        """The loads as a birth describes them."""
        with self._lock:
            return self._board.infos

    def figures(self) -> dict[str, float]:
        """For the status message: commands by what became of them, and relays that fail."""
        with self._lock:
            counted = Counter(dict(self._board.figures())) + self.counts
        for relay in self._relays.values():
            counted["relay_attempts"] += relay.counts["attempts"]
            counted["relay_failures"] += relay.counts["failures"]
        return {f"commands_{name}": float(n) for name, n in counted.items() if n}

    # ---- everything below holds the lock

    def _turn(self, now_ms: int) -> None:
        self._hear_relays(now_ms)
        wishes = self._hear_hands(now_ms)
        self._board.tick(now_ms, synchronised=self._synchronised(), connected=self._connected())
        self._act(now_ms)
        for load in wishes:
            self._wishes.forget(load)
        before, self._infos = self._infos, self._board.infos
        if before != self._infos:
            self._on_change()

    def _take(self, command: Command, *, retained: bool) -> None:
        now_ms = self._wall_ms()
        if self._stopping and command.load in self._board.loads:
            self._board.refuse(command, "the gateway stops", now_ms)
            self._file.save(self._board.state)
            return
        before = msgspec.json.encode(self._board.state)
        self._answers += self._board.take_answers()
        self._board.take(command, now_ms, synchronised=self._synchronised(), retained=retained)
        answers = self._board.take_answers()
        if not self._file.save(self._board.state) and any(_begins(event) for event in answers):
            # After a power cut nobody would know that the load is held: better not to hold it.
            self.counts["not_kept"] += 1
            self._board.restore(msgspec.json.decode(before, type=BoardState))
            self._board.refuse(command, "the gateway cannot keep it: its disk is full or broken", now_ms)
            answers = self._board.take_answers()
        self._answers += answers

    def _hear_relays(self, now_ms: int) -> None:
        for _ in range(self._reports.qsize()):
            try:
                report = self._reports.get_nowait()
            except queue.Empty:
                return
            load = self._board.loads[report.load]
            if report.what == "seen":
                load.seen(report.on, now_ms)
            elif report.on is not None:
                _log.info("relay_%s load=%s on=%s", report.what, report.load, report.on)
                if report.what == "switched":
                    load.switched(report.on, now_ms)
                else:
                    load.failed(report.on, report.problem, now_ms)

    def _hear_hands(self, now_ms: int) -> list[str]:
        heard = []
        for load, wish in self._wishes.waiting():
            self._board.loads[load].by_hand(wish.manual, wish.until_ms, now_ms)
            heard.append(load)
        return heard

    def _act(self, now_ms: int, *, at_once: bool = False) -> None:
        orders = self._board.orders(now_ms, at_once=at_once)
        self._file.save(self._board.state)
        for load, on in orders:
            _log.info("order load=%s on=%s", load, on)
            self._relays[load].want(on)

    def _tell(self) -> list[Event]:
        answers, self._answers = [*self._answers, *self._board.take_answers()], []
        for event in answers:
            if (one := event.command) is not None:
                _log.info(
                    "command id=%r load=%s action=%s state=%s mode=%s switched=%s reason=%r",
                    one.id, one.load, one.action, one.state, one.mode, one.switched, event.reason,
                )  # fmt: skip
        return answers

    def _count(self, reason: str, detail: str) -> None:
        self.counts[reason] += 1
        count = self.counts[reason]
        if count & (count - 1) == 0:  # the 1st, 2nd, 4th, ..: a flood is a few lines
            _log.warning("command_dropped reason=%s count=%d detail=%r", reason, count, detail[:200])

    def _failed(self) -> None:
        self.counts["bugs"] += 1
        if self.counts["bugs"] == 1:
            _log.exception("loads_failed")

    def _let_relays_finish(self, deadline_s: float) -> None:
        """Wait for orders that are on their way, and end the relays' threads; without the lock."""
        pause = threading.Event()
        while time.monotonic() < deadline_s and not all(relay.idle for relay in self._relays.values()):
            pause.wait(_STEP_S)
        for relay in self._relays.values():
            relay.request_stop()
        for relay in self._relays.values():
            if not relay.join(max(_STEP_S, deadline_s - time.monotonic())):
                _log.warning("relay_hangs load=%s", relay.load)


def _begins(event: Event) -> bool:
    """Whether a hold begins with it."""
    return (
        event.command is not None and event.command.state in ("accepted", "done") and event.command.action != "release"
    )
