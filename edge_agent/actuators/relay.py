"""One thread for each relay: carries out the newest order, again and again until it is done, and looks where it is.

A relay that is dead costs its own thread some waits and nobody else anything.
"""

import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from edge_agent.errors import ActuatorError
from edge_agent.ports import Actuator
from wattline.backoff import Backoff
from wattline.errors import WattlineError

_log: Final = logging.getLogger("edge_agent.loads")

ATTEMPTS: Final = 3
"""An order has failed when so many attempts in a row have."""
MAX_REPORTS: Final = 100
_PUT_S: Final = 1.0
_FIRST_WAIT_S: Final = 0.25
_LONGEST_WAIT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Report:
    """What a relay's thread has found.

    Attributes:
        what: `switched` to `on`; `failed` to get there; or `seen` to be there, None where nobody knows.
        problem: Of a failure.
    """

    load: str
    what: str
    on: bool | None
    problem: str = ""


class Relay:
    """The life of one relay.

    Attributes:
        load: The load's id.
        counts: `attempts`, `failures`, `reports_waited`, since the start.
    """

    def __init__(
        self,
        load: str,
        make: Callable[[], Actuator],
        reports: "queue.Queue[Report]",
        on_news: Callable[[], None],
        *,
        poll_s: float,
    ) -> None:
        """Make it; `start` runs it.

        Args:
            load: The load's id.
            make: Makes the actuator, in the relay's own thread.
            reports: Where findings go; bounded.
            on_news: Called after an order's report.
            poll_s: How often it looks where the relay is.
        """
        self.load = load
        self.counts: Counter[str] = Counter()
        self._make = make
        self._reports = reports
        self._on_news = on_news
        self._poll_s = poll_s
        self._lock = threading.Lock()
        self._order: tuple[int, bool] | None = None
        self._orders = 0
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._seen: bool | None = None
        self._thread = threading.Thread(target=self._run, name=f"relay-{load}", daemon=True)

    def start(self) -> None:
        """Look after the relay from now on."""
        self._thread.start()

    def want(self, on: bool) -> None:  # noqa: FBT001 (what is wanted)
        """Bring the relay there; replaces an order that is not carried out yet."""
        with self._lock:
            self._orders += 1
            self._order = (self._orders, on)
        self._wake.set()

    @property
    def idle(self) -> bool:
        """Whether every order has been carried out."""
        return self._order is None

    def request_stop(self) -> None:
        """End soon; does not wait."""
        self._stop.set()
        self._wake.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; False when the relay hangs."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        actuator: Actuator
        try:
            actuator = self._make()
        except Exception as error:  # noqa: BLE001 (a load that cannot be switched must say so to whoever tries)
            _log.error("relay_unusable load=%s error=%s", self.load, error)
            actuator = _Unusable(str(error))
        try:
            self._live(actuator)
        finally:
            actuator.close()

    def _live(self, actuator: Actuator) -> None:
        backoff = Backoff(_FIRST_WAIT_S, _LONGEST_WAIT_S)
        order: tuple[int, bool] | None = None
        look_at_s = 0.0
        while True:
            self._wake.clear()
            if self._stop.is_set():  # after `clear`: a stop in between would be slept through
                return
            if self._order != order:
                order = self._order
                backoff.reset()
            if order is not None:
                wait_s = self._obey(actuator, order, backoff)
                look_at_s = time.monotonic() + self._poll_s
            elif (wait_s := look_at_s - time.monotonic()) <= 0:
                self._look(actuator)
                wait_s = self._poll_s
                look_at_s = time.monotonic() + wait_s
            self._wake.wait(wait_s)

    def _obey(self, actuator: Actuator, order: tuple[int, bool], backoff: Backoff) -> float:
        """One attempt; returns the seconds until the next."""
        on = order[1]
        self.counts["attempts"] += 1
        problem = _attempt(lambda: actuator.set(on))
        if not problem:
            self._seen = on
            self._report("switched", on)
            with self._lock:
                self._order = None if self._order == order else self._order
            return 0.0
        self.counts["failures"] += 1
        wait_s = backoff.next_s()
        if backoff.attempts == ATTEMPTS:
            _log.warning("relay_failed load=%s on=%s error=%s", self.load, on, problem)
            self._report("failed", on, problem)
        return wait_s

    def _look(self, actuator: Actuator) -> None:
        found: list[bool | None] = []
        problem = _attempt(lambda: found.append(actuator.state()))
        seen = found[0] if found else None
        if problem:
            self.counts["failures"] += 1
        if seen != self._seen:
            self._seen = seen
            _log.info("relay_seen load=%s on=%s error=%s", self.load, seen, problem)
        with suppress(queue.Full):  # it is looked at again and again
            self._reports.put_nowait(Report(self.load, "seen", seen, problem))

    def _report(self, what: str, on: bool, problem: str = "") -> None:  # noqa: FBT001 (where it is, or should be)
        """Tell what became of an order; waits for room, for nobody tells it again."""
        while True:
            try:
                self._reports.put(Report(self.load, what, on, problem), timeout=_PUT_S)
            except queue.Full:
                self.counts["reports_waited"] += 1
                if self._stop.is_set():
                    return
            else:
                self._on_news()
                return


class _Unusable:
    """Stands for an actuator that could not be made."""

    def __init__(self, problem: str) -> None:
        self._problem = problem

    def set(self, on: bool) -> None:  # noqa: ARG002, FBT001 (the port's)
        """Fail.

        Raises:
            ActuatorError: Always.
        """
        raise ActuatorError(self._problem)

    def state(self) -> bool | None:
        """Nobody knows."""
        return None

    def close(self) -> None:
        """Nothing to let go of."""


def _attempt(call: Callable[[], object]) -> str:
    """What went wrong; "" for nothing."""
    try:
        call()
    except WattlineError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 (a bug in one actuator must not leave a boiler off)
        _log.debug("actuator_bug", exc_info=True)
        return f"{type(error).__name__}: {error}"
    return ""
