"""Rules on readings as they come: a meter that falls silent, a register that goes back.

Pure: the clock is a parameter. One short look at each reading, some numbers a
meter; what is remembered survives a restart (`export`, `restore`), and the time
that the agent itself was away counts for nothing.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from wattline.errors import DecodeError
from wattline.intervals import HOUR_MS
from wattline.quantities import Kind, quantity
from wattline.reading import Reading
from wattline.wire import MAX_AHEAD_MS, MIN_TIME_MS, Event

MAX_METERS: Final = 4096
MAX_PENDING: Final = 1000
"""Found and not asked for yet; more are not kept."""
MAX_VALUE: Final = 1e12
SILENT_FACTOR: Final = 3.0
"""A meter is silent after so many times its longest usual distance."""
NEVER_HEARD_MS: Final = 3 * HOUR_MS
"""So long a meter of the configuration may take for its first reading."""
HARDLY_KNOWN_MS: Final = 26 * HOUR_MS
"""And so long for its next two: some meters send once a day."""

_MINUTE_MS: Final = 60_000
_LISTEN_EVERY_MS: Final = 5_000
"""How often it is seen who was heard: the agent looks every second, and silence lasts minutes."""
_MOST_GROWTH: Final = 4.0
"""One long distance counts with at most this multiple of what was usual: an outage must not deafen."""
_FADE_MS: Final = 28 * 24 * HOUR_MS
_KNOWN: Final = 3
"""Arrivals after which the usual distance is worth something."""
_EPISODE_MS: Final = HOUR_MS
"""A register that flaps is told once in this time."""
_SAME: Final = 1e-6
"""A register that is a sum, or in single precision, shakes by this share of itself."""
_OVER_FROM, _OVER_TO = 0.9, 0.1
"""A roll-over goes from the last tenth of a power of ten to its first; the cloud's windows see it so too."""
_NEW_BELOW: Final = 0.01
"""A register that shows less than this share of what it did is another one, or set back."""

Arrays = dict[str, npt.NDArray[Any]]


class _Register:
    """The last value of one counter."""

    __slots__ = ("last", "most_per_minute", "quiet_until_ms")

    def __init__(self, name: str) -> None:
        self.last = math.nan
        self.quiet_until_ms = 0
        self.most_per_minute = (quantity(name).max_per_hour or MAX_VALUE) / 60


class _Meter:
    """What is known of one meter's readings."""

    __slots__ = (
        "arrivals",
        "heard",
        "heard_ms",
        "last_ms",
        "registers",
        "silent",
        "since_ms",
        "step_ms",
        "usual_ms",
        "widths",
    )

    def __init__(self) -> None:
        self.last_ms = self.heard_ms = self.since_ms = self.step_ms = self.arrivals = 0
        self.usual_ms = 0.0
        self.heard = self.silent = False
        self.registers: dict[str, _Register] = {}
        self.widths: set[int] = set()

    def follow(self, values: Mapping[str, float]) -> None:
        """Know the registers among the quantities of a reading of a width not seen before."""
        self.widths.add(len(values))
        for name in values:
            if name not in self.registers and _is_counter(name):
                self.registers[name] = _Register(name)

    def expect(self, now_ms: int) -> None:
        """A reading came: what distance is usual from now on."""
        passed_ms = float(now_ms - self.heard_ms) if self.heard_ms else 0.0
        if self.heard_ms or not self.arrivals:
            # While a history is read the distances of the readings say more than those of their arrivals.
            passed_ms = max(passed_ms, self.step_ms)
        # Also where a clock begins in 1970 or 2000 and is set later: that is no distance.
        most_ms = _MOST_GROWTH * (self.usual_ms + _MINUTE_MS) if self.arrivals >= _KNOWN else HARDLY_KNOWN_MS
        passed_ms = min(passed_ms, most_ms)
        self.usual_ms = max(passed_ms, self.usual_ms * (1.0 - min(max(passed_ms, 0.0) / _FADE_MS, 1.0)))
        self.arrivals += 1
        self.heard_ms, self.step_ms, self.heard = now_ms, 0, False

    def limit_ms(self) -> float:
        """The silence that this meter's past makes strange."""
        if self.arrivals >= _KNOWN:
            return SILENT_FACTOR * self.usual_ms
        return HARDLY_KNOWN_MS if self.arrivals else NEVER_HEARD_MS


class LiveRules:
    """Turns readings into events of meters; one thread calls it."""

    def __init__(self, silent_after_ms: Callable[[str], float], *, meters: Iterable[str] = ()) -> None:
        """Start without memory; see `restore`.

        Args:
            silent_after_ms: The least silence of a meter that is told, by its id.
            meters: Ids of those that are expected; others are followed once they are heard.
        """
        self._silent_after_ms = silent_after_ms
        self._expected = tuple(meters)
        self._meters: dict[str, _Meter] = {meter: _Meter() for meter in self._expected}
        self._pending: list[Event] = []
        self._listened_ms = 0

    def add(self, readings: Iterable[Reading]) -> None:
        """Look at readings of any meters; what is not newer than the meter's last says only that it lives."""
        for reading in readings:
            meter = self._meters.get(reading.meter)
            if meter is None:
                if len(self._meters) >= MAX_METERS:
                    continue
                meter = self._meters[reading.meter] = _Meter()
            meter.heard = True
            t_ms, last_ms = reading.t_ms, meter.last_ms
            if t_ms <= last_ms:
                continue
            meter.last_ms = t_ms
            if last_ms >= MIN_TIME_MS and t_ms - last_ms > meter.step_ms:
                meter.step_ms = t_ms - last_ms
            values = reading.values
            if len(values) not in meter.widths:
                meter.follow(values)
            for name, register in meter.registers.items():
                value = values.get(name)
                if value is None:
                    continue
                # Also false for what is no number, and for a register's first value.
                if 0.0 <= value - register.last <= register.most_per_minute:
                    register.last = value
                else:
                    self._stepped(reading, name, register, t_ms - last_ms)

    def _stepped(self, reading: Reading, name: str, register: _Register, passed_ms: int) -> None:
        """A register did not simply grow."""
        value, before = reading.values[name], register.last
        if not abs(value) < MAX_VALUE or 0.0 < before - value <= _SAME * abs(before):
            return
        register.last = value
        kind, why = counter_step(name, before, value, passed_ms)
        if kind and reading.t_ms >= register.quiet_until_ms and len(self._pending) < MAX_PENDING:
            register.quiet_until_ms = reading.t_ms + _EPISODE_MS
            self._pending.append(_event(kind, reading.meter, reading.t_ms, why))

    def clock_set(self, by_ms: int) -> None:
        """The wall clock was set: nobody was silent for that."""
        for meter in self._meters.values():
            meter.heard_ms += by_ms if meter.heard_ms else 0
            meter.since_ms += by_ms if meter.since_ms else 0

    def events(self, now_ms: int) -> list[Event]:
        """What was found since the last call.

        Args:
            now_ms: The wall clock, ms UTC.

        Returns:
            Events of the kinds `counter_rollback`, `counter_rollover`, `counter_jump`, `meter_silent`
            and `meter_back`, each once in an episode.
        """
        found = [one for one in self._pending if MIN_TIME_MS <= one.t <= now_ms + MAX_AHEAD_MS]
        self._pending = []
        if now_ms < MIN_TIME_MS:  # a clock that was never set
            return found
        if not 0 <= now_ms - self._listened_ms < _LISTEN_EVERY_MS:
            self._listened_ms = now_ms
            found += self._listen(now_ms)
        return _merged(found)

    def _listen(self, now_ms: int) -> list[Event]:
        found = []
        for name, meter in self._meters.items():
            event = self._heard(name, meter, now_ms) if meter.heard else self._unheard(name, meter, now_ms)
            if event is not None:
                found.append(event)
        return found

    def _heard(self, name: str, meter: _Meter, now_ms: int) -> Event | None:
        was_silent, since_ms = meter.silent, meter.heard_ms or meter.since_ms
        meter.silent = False
        meter.expect(now_ms)
        if meter.last_ms > now_ms + MAX_AHEAD_MS:  # a time that cannot be believed must not make all others late
            meter.last_ms = 0
            for register in meter.registers.values():
                register.quiet_until_ms = 0
        if not was_silent:
            return None
        return _event("meter_back", name, now_ms, f"readings again after {_span(now_ms - since_ms)}")

    def _unheard(self, name: str, meter: _Meter, now_ms: int) -> Event | None:
        if not meter.since_ms:
            meter.since_ms = now_ms
        least_ms = self._silent_after_ms(name)
        silence_ms = now_ms - (meter.heard_ms or meter.since_ms)
        if meter.silent or silence_ms <= max(least_ms, meter.limit_ms()):
            return None
        meter.silent = True
        usual = f", usually one within {_span(meter.usual_ms)}" if meter.arrivals >= _KNOWN else ""
        return _event("meter_silent", name, now_ms, f"no reading for {_span(silence_ms)}{usual}")

    def export(self) -> Arrays:
        """The whole memory as arrays, for `restore` after a restart."""
        meters = self._meters.values()
        return {
            "meters": np.array(list(self._meters), np.str_),
            "numbers": np.array(
                [[m.last_ms, m.heard_ms, m.usual_ms, m.arrivals, m.silent] for m in meters], np.float64
            ).reshape(-1, 5),
            "registers": np.array([name for m in meters for name in m.registers], np.str_),
            "values": np.array(
                [[i, r.last, r.quiet_until_ms] for i, m in enumerate(meters) for r in m.registers.values()], np.float64
            ).reshape(-1, 3),
        }

    def restore(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go on from what `export` gave; meters that are no longer expected are forgotten where any are.

        Raises:
            ValueError: The arrays are not such a memory.
        """
        names, numbers, registers, values = (arrays[key] for key in ("meters", "numbers", "registers", "values"))
        if numbers.shape != (len(names), 5) or values.shape != (len(registers), 3) or len(names) > MAX_METERS:
            raise ValueError("no memory of live rules")
        if not np.isfinite(numbers).all() or not np.isfinite(values[:, ::2]).all():
            raise ValueError("a memory of live rules with values that are no numbers")
        owned = (values[:, 0] >= 0) & (values[:, 0] < len(names))
        if not owned.all() or not all(map(_is_counter, registers.tolist())):
            raise ValueError("a memory of live rules with registers of nothing")
        kept = [_restored(row) for row in numbers.tolist()]
        for register, (index, last, quiet_until_ms) in zip(registers.tolist(), values.tolist(), strict=True):
            made = kept[int(index)].registers[register] = _Register(register)
            made.last, made.quiet_until_ms = last, int(quiet_until_ms)
        self._meters.update(
            (name, meter)
            for name, meter in zip(names.tolist(), kept, strict=True)
            if not self._expected or name in self._meters
        )


def counter_step(name: str, before: float, value: float, passed_ms: int) -> tuple[str, str]:
    """What a register's step is that is no ordinary growth.

    Args:
        name: The counter.
        before: Its last value; NaN for none.
        value: Its new value.
        passed_ms: Time between them.

    Returns:
        The kind of event and the reason; "" for nothing to tell.
    """
    shown = f"{name} from {before:.10g} to {value:.10g}"
    if value >= before:
        most = (quantity(name).max_per_hour or MAX_VALUE) * max(passed_ms, _MINUTE_MS) / HOUR_MS
        return ("counter_jump", f"implausible jump: {shown}") if value - before > most else ("", "")
    if math.isnan(before):
        return "", ""
    size = 10.0 ** math.ceil(math.log10(max(before, 1.0)))
    if before > _OVER_FROM * size and 0 <= value < _OVER_TO * size:
        return "counter_rollover", f"rolled over at {size:.0f}: {shown}"
    if 0 <= value < _NEW_BELOW * before:
        return "counter_rollback", f"began again, a replaced or reset meter: {shown}"
    return "counter_rollback", f"went back by {before - value:.6g}: {shown}"


_DETECTORS: Final = {
    "meter_silent": "rule-silent",
    "meter_back": "rule-silent",
    "counter_rollback": "rule-rollback",
    "counter_rollover": "rule-rollover",
    "counter_jump": "rule-counter-jump",
}
_HARMLESS: Final = ("meter_back", "counter_rollover")


def _event(kind: str, meter: str, t_ms: int, why: str) -> Event:
    score = 0.0 if kind in _HARMLESS else 1.0
    return Event(kind=kind, meter=meter, t=t_ms, detector=_DETECTORS[kind], score=score, threshold=1.0, reason=why)


def _merged(events: Iterable[Event]) -> list[Event]:
    """One event where several registers of a meter did the same at once: in the store they are one point."""
    by_point: dict[tuple[str, str, int], Event] = {}
    for event in events:
        first = by_point.setdefault((event.kind, event.meter, event.t), event)
        if first is not event:
            first.reason = f"{first.reason}; {event.reason}"
    return list(by_point.values())


def _restored(row: list[float]) -> _Meter:
    meter = _Meter()
    last_ms, heard_ms, meter.usual_ms, arrivals, silent = row
    meter.last_ms, meter.arrivals, meter.silent = int(last_ms), int(arrivals), bool(silent)
    # Only what is silent already has been so since then; all others start to be listened to now.
    meter.heard_ms = int(heard_ms) if meter.silent else 0
    return meter


def _is_counter(name: str) -> bool:
    try:
        return quantity(name).kind is Kind.COUNTER
    except DecodeError:
        return False


def _span(ms: float) -> str:
    """A length of time for a person."""
    if ms < 2 * _MINUTE_MS:
        return f"{ms / 1000:.0f} s"
    if ms < 2 * HOUR_MS:
        return f"{ms / _MINUTE_MS:.0f} min"
    return f"{ms / HOUR_MS:.1f} h"
