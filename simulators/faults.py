"""Faults of meters and of what they measure, injected on a seeded schedule with their labels.

| kind | what a reader sees | quantities |
|---|---|---|
| `spike` | a moment far above the truth | gauges |
| `stuck` | the value from the fault's start, repeated | all |
| `drop_out` | no reading at all | all |
| `drift` | an error that grows evenly until the fault ends | gauges |
| `night_load` | real consumption at night: power is higher and the register keeps what was used | power, registers |

Each rule divides time into slots of `1 / per_day` days and puts one fault into each slot, so a rule's faults never
meet; where two rules' faults meet, the one listed first stays (a night load always stays: its energy is in the register
for ever). Everything is a function of seed, meter and time.
"""

import zlib
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Annotated, Final

import msgspec
import numpy as np
import numpy.typing as npt

from simulators.randomness import Columns, FloatArray, IntArray, uniform
from simulators.weather import DAY_MS, HOUR_MS
from wattline.config import DurationMs

Source = Callable[[IntArray], Columns]
"""The true values at given UTC times, all columns as long as the times."""
BoolArray = npt.NDArray[np.bool_]

_LARGEST_PART_OF_SLOT: Final = 0.5
_NIGHT_START_H: Final = 0.5
_NIGHT_START_SPREAD_H: Final = 2.0
_SPAN: Final = {"power_w": 2000.0, "voltage_v": 12.0, "temperature_c": 6.0, "humidity_pct": 20.0}
"""How far each gauge goes astray at strength 1."""
_NIGHT_GAUGE: Final = {"power_w": 1000.0}
_NIGHT_REGISTER_PER_H: Final = {"energy_import_kwh": 1.0, "gas_m3": 0.4}
"""What a night load of strength 1 uses in an hour."""


class FaultKind(StrEnum):
    """What goes wrong."""

    SPIKE = "spike"
    STUCK = "stuck"
    DROP_OUT = "drop_out"
    DRIFT = "drift"
    NIGHT_LOAD = "night_load"


_DURATION_MS: Final = {
    FaultKind.SPIKE: 90_000,
    FaultKind.STUCK: HOUR_MS,
    FaultKind.DROP_OUT: HOUR_MS // 2,
    FaultKind.DRIFT: 6 * HOUR_MS,
    FaultKind.NIGHT_LOAD: 3 * HOUR_MS,
}
_STRENGTH: Final = {FaultKind.SPIKE: 3.0, FaultKind.DRIFT: 1.0, FaultKind.NIGHT_LOAD: 1.5}


class FaultRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often one kind of fault happens.

    Attributes:
        kind: Which.
        per_day: Faults a day; a night load happens at most once a night.
        duration: How long each lasts, give or take a third; 0 is the kind's own. Never more than half a slot.
        strength: 1 is 2 kW, 12 V, 6 degrees or 20 % astray, and 1 kW or 0.4 m3/h at night; 0 is the kind's own.
    """

    kind: FaultKind
    per_day: Annotated[float, msgspec.Meta(gt=0, le=10_000)] = 1.0
    duration: DurationMs = DurationMs(0)
    strength: Annotated[float, msgspec.Meta(ge=0, le=1000)] = 0.0


class Fault(msgspec.Struct, frozen=True, order=True):
    """A label: one fault of one meter in [start_ms, end_ms)."""

    start_ms: int
    end_ms: int
    kind: FaultKind
    meter: str
    strength: float = 1.0


class Faulted(msgspec.Struct, frozen=True):
    """What is left of asked readings after the faults.

    Attributes:
        t_ms: The times at which the meter still answers.
        columns: Its values there.
        labels: The faults that changed or withheld at least one of the asked readings.
    """

    t_ms: IntArray
    columns: Columns
    labels: tuple[Fault, ...]


class FaultPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The faults of one meter for all times.

    Attributes:
        rules: What may happen.
        seed: Decides when exactly, together with the meter's name.
        meter: The meter's id.
        origin_ms: Night loads count into the registers from here on.
        utc_offset_ms: Local mean time minus UTC, for the nights.
    """

    rules: tuple[FaultRule, ...]
    seed: int
    meter: str
    origin_ms: int = 0
    utc_offset_ms: int = 0

    def between(self, start_ms: int, end_ms: int) -> tuple[Fault, ...]:
        """All faults that touch [start_ms, end_ms), by start."""
        kept: list[Fault] = []
        # A rule listed later gives way also to faults that only touch its own ones.
        for rule in sorted(self.rules, key=lambda rule: rule.kind is not FaultKind.NIGHT_LOAD):
            earlier = self._listed_before(rule)
            kept += [fault for fault in self._of(rule, start_ms, end_ms) if not self._meets_any(fault, earlier)]
        return tuple(sorted(kept))

    def inject(self, source: Source, t_ms: IntArray) -> Faulted:
        """The readings of `source` at `t_ms` (ascending) as the faulty meter gives them."""
        if not self.rules or not len(t_ms):
            return Faulted(t_ms, source(t_ms), ())
        truth = self._with_night_registers(source)
        columns = truth(t_ms)
        keep = np.ones(len(t_ms), dtype=np.bool_)
        labels = []
        for fault in self.between(int(t_ms[0]), int(t_ms[-1]) + 1):
            here = (t_ms >= fault.start_ms) & (t_ms < fault.end_ms)
            if here.any():
                labels.append(fault)
                if fault.kind is FaultKind.DROP_OUT:
                    keep &= ~here
                else:
                    _distort(columns, fault, truth, t_ms, here)
        left = {name: column[keep] for name, column in columns.items()}
        return Faulted(t_ms[keep], left, tuple(labels))

    def _listed_before(self, rule: FaultRule) -> list[FaultRule]:
        before = list(self.rules[: self.rules.index(rule)])
        nights = [other for other in self.rules if other.kind is FaultKind.NIGHT_LOAD and other is not rule]
        return [] if rule.kind is FaultKind.NIGHT_LOAD else before + [night for night in nights if night not in before]

    def _meets_any(self, fault: Fault, rules: Sequence[FaultRule]) -> bool:
        return any(self._of(rule, fault.start_ms, fault.end_ms) for rule in rules)

    def _of(self, rule: FaultRule, start_ms: int, end_ms: int) -> tuple[Fault, ...]:
        """A rule's own faults that touch [start_ms, end_ms), whatever the other rules do."""
        slot_ms = _slot_ms(rule)
        slots = np.arange(start_ms // slot_ms - 2, end_ms // slot_ms + 2, dtype=np.int64)
        starts, ends = self._place(rule, slots)
        touching = (starts < end_ms) & (ends > start_ms)
        strength = rule.strength or _STRENGTH.get(rule.kind, 1.0)
        spans = zip(starts[touching].tolist(), ends[touching].tolist(), strict=True)
        return tuple(Fault(start, end, rule.kind, self.meter, strength) for start, end in spans)

    def _place(self, rule: FaultRule, slots: IntArray) -> tuple[IntArray, IntArray]:
        """Where the faults of a rule's slots start and end."""
        # Counted within its kind: adding a rule of another kind leaves this schedule as it is.
        number = [other for other in self.rules if other.kind is rule.kind].index(rule)
        label = f"{rule.kind.value} {number}"
        seed = self.seed ^ zlib.crc32(self.meter.encode())
        slot_ms = _slot_ms(rule)
        mean_ms = rule.duration or _DURATION_MS[rule.kind]
        length = mean_ms * (2 / 3 + 2 / 3 * uniform(seed, f"{label} length", slots))
        length = np.clip(length, 1, slot_ms * _LARGEST_PART_OF_SLOT)
        luck = uniform(seed, f"{label} start", slots)
        if rule.kind is FaultKind.NIGHT_LOAD:
            offset = (_NIGHT_START_H + _NIGHT_START_SPREAD_H * luck) * HOUR_MS - self.utc_offset_ms
        else:
            offset = luck * (slot_ms - length)
        starts = slots * slot_ms + offset.astype(np.int64)
        return starts, starts + np.maximum(length.astype(np.int64), 1)

    def _with_night_registers(self, source: Source) -> Source:
        """The same truth with the night loads so far in its registers."""
        nights = [rule for rule in self.rules if rule.kind is FaultKind.NIGHT_LOAD]

        def truth(t_ms: IntArray) -> Columns:
            columns = source(t_ms)
            for rule in nights:
                hours = self._night_hours(rule, t_ms) * (rule.strength or _STRENGTH[rule.kind])
                for name, per_hour in _NIGHT_REGISTER_PER_H.items():
                    if name in columns:
                        columns[name] = columns[name] + hours * per_hour
            return columns

        return truth

    def _night_hours(self, rule: FaultRule, t_ms: IntArray) -> FloatArray:
        """For how many hours a night load had been on since the origin, at each time."""
        slot_ms = _slot_ms(rule)
        first = self.origin_ms // slot_ms
        slots = np.arange(min(first, int(t_ms.min()) // slot_ms - 2), int(t_ms.max()) // slot_ms + 2, dtype=np.int64)
        starts, ends = self._place(rule, slots)
        before = np.concatenate([[0], np.cumsum(ends - starts)])
        index = np.searchsorted(starts, t_ms, side="right")
        last = np.maximum(index - 1, 0)
        running = np.where(index > 0, np.minimum(t_ms, ends[last]) - starts[last], 0)
        total_ms = np.where(index > 0, before[last], 0) + np.maximum(running, 0)
        return np.asarray((total_ms - before[int(np.searchsorted(slots, first))]) / HOUR_MS)


def _slot_ms(rule: FaultRule) -> int:
    slot_ms = max(round(DAY_MS / rule.per_day), 2)
    if rule.kind is FaultKind.NIGHT_LOAD:
        return max(round(slot_ms / DAY_MS), 1) * DAY_MS
    return slot_ms


def _distort(columns: Columns, fault: Fault, truth: Source, t_ms: IntArray, here: BoolArray) -> None:
    """Change the columns in place where the fault is."""
    if fault.kind is FaultKind.STUCK:
        frozen = truth(np.array([fault.start_ms], dtype=np.int64))
        for name, column in columns.items():
            column[here] = frozen[name][0]
        return
    part = (t_ms[here] - fault.start_ms) / (fault.end_ms - fault.start_ms)
    spans = _NIGHT_GAUGE if fault.kind is FaultKind.NIGHT_LOAD else _SPAN
    growth = part if fault.kind is FaultKind.DRIFT else np.ones(len(part))
    for name, span in spans.items():
        if name in columns:
            columns[name][here] += fault.strength * span * growth


def check_rules(rules: Sequence[FaultRule], quantities: Sequence[str]) -> str:
    """Why these rules do not fit a meter with these quantities; "" where they do."""
    if len(set(rules)) < len(rules):
        return "the same rule is listed twice"
    for rule in rules:
        needed: set[str] = set()
        if rule.kind in {FaultKind.SPIKE, FaultKind.DRIFT}:
            needed = set(_SPAN)
        elif rule.kind is FaultKind.NIGHT_LOAD:
            needed = _NIGHT_GAUGE.keys() | _NIGHT_REGISTER_PER_H.keys()
        if needed and not needed & set(quantities):
            return f"{rule.kind.value} changes nothing on a meter of {', '.join(quantities)}"
    return ""
