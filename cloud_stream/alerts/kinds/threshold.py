"""A limit on the windows of meters, sites and the fleet.

```toml
[[rule]]
name = "connection limit"
quantity = "power_w"
statistic = "peak"      # mean (default) | peak | last
window = "5m"
level = "site"          # meter (default) | site | fleet
above = 9000            # or below = ..
clear = 8500            # resolves here; 5 % inside the limit by default
last_n = 3              # judge the average of the last 3 windows
```

Windows are judged once they are closed, in the order of their starts. Only a peak above its limit speaks while its
window is open, because a peak can but grow.
"""

from bisect import insort
from collections.abc import Sequence
from enum import StrEnum
from math import fsum
from typing import Annotated, Any, ClassVar, Final, cast

from msgspec import Meta

from cloud_stream.alerts.condition import Feed, Frozen, Sample, Surroundings, Verdict, verdict_of
from cloud_stream.alerts.held import HeldWindows
from cloud_stream.alerts.rule import Level, LimitRule, Made, check_window, span
from cloud_stream.measurements import USAGE, width_label
from cloud_stream.records import Point
from wattline.config import DurationMs
from wattline.errors import ConfigError, DecodeError
from wattline.quantities import Kind, Quantity, RollUp, quantity

MAX_LAST_N: Final = 1000


class Statistic(StrEnum):
    """Which value of a gauge's window is judged: the average, the largest or the newest."""

    MEAN = "mean"
    PEAK = "peak"
    LAST = "last"


_FIELD_END: Final = {Statistic.MEAN: "_mean", Statistic.PEAK: "_max", Statistic.LAST: "_last"}


class ThresholdRule(LimitRule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One limit on one quantity.

    Attributes:
        quantity: A gauge, or an amount such as `energy_kwh`; not a register.
        statistic: Which value of a gauge's window; an amount has only one.
        window: The length of the windows judged, in ms.
        level: Whose windows.
        meters: Only the meters with these ids; empty is all. segments: only the meters of these.
        last_n: How many windows are averaged; none is judged before so many are there.
    """

    KIND: ClassVar[str] = "threshold"
    MOVABLE: ClassVar[frozenset[str]] = frozenset({"above", "below", "clear"})

    quantity: str
    statistic: Statistic = Statistic.MEAN
    window: DurationMs = DurationMs(300_000)
    level: Level = Level.METER
    meters: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    last_n: Annotated[int, Meta(ge=1, le=MAX_LAST_N)] = 1

    @property
    def field(self) -> str:
        """The field of a usage point that is judged."""
        if quantity(self.quantity).kind is Kind.AMOUNT:
            return self.quantity
        return self.quantity + _FIELD_END[self.statistic]

    @property
    def judges_open_windows(self) -> bool:
        """Whether a value can only grow farther beyond the limit until its window closes."""
        is_gauge = quantity(self.quantity).kind is Kind.GAUGE
        return is_gauge and self.statistic is Statistic.PEAK and self.above is not None and self.last_n == 1

    @property
    def judged_quantity(self) -> str:
        """See `Rule`."""
        return self.field

    @property
    def judged_window_ms(self) -> int:
        """See `Rule`."""
        return self.window

    @property
    def basis(self) -> tuple[object, ...]:
        """See `Rule`."""
        return (*super().basis, self.field, int(self.window), self.last_n, self.above is None)

    def check_own(self, made: Made) -> None:
        """See `Rule`."""
        check_judged(self.quantity, self.level)
        self.check_limit()
        check_window(self.window, made)

    def condition(self, around: Surroundings) -> "Threshold":
        """See `Rule`."""
        return Threshold(self, around)

    def words(self) -> str:
        """See `Rule`."""
        last = f"the average of {self.last_n} windows of " if self.last_n > 1 else ""
        return f"{_what(self)} over {last}{span(self.window)} {self.side_words()}"


def check_judged(name: str, level: Level) -> None:
    """Refuse a quantity that windows of a level do not hold.

    Raises:
        ConfigError: It is unknown, a register, or does not add up over meters.
    """
    judged = known_quantity(name)
    if judged.kind is Kind.COUNTER:
        raise ConfigError("quantity", f"{judged.name!r} is a register; its windows hold {judged.usage!r}")
    if judged.kind is Kind.GAUGE and judged.roll_up is RollUp.NONE and level is not Level.METER:
        raise ConfigError("level", f"{judged.name!r} does not add up over meters: only level = 'meter' has it")


def known_quantity(name: str) -> Quantity:
    """A quantity of the table.

    Raises:
        ConfigError: There is no such quantity.
    """
    try:
        return quantity(name)
    except DecodeError:
        raise ConfigError("quantity", f"{name!r} is unknown and does not end in a known unit") from None


class Threshold:
    """The condition of a `ThresholdRule`."""

    def __init__(self, rule: ThresholdRule, around: Surroundings) -> None:
        """Look at one field of one length of windows at one level."""
        self.rule = rule
        self.field = rule.field
        self.settle_ms = int(rule.window) + around.grace_ms
        self.looks_ahead = rule.judges_open_windows
        self.feeds: Sequence[Feed] = ((USAGE, rule.level.value, width_label(rule.window)),)

    def subject(self, point: Point, site: str, member: str) -> tuple[str, str] | None:
        """See `Condition`."""
        return (site, member) if self.field in point.fields else None

    def watcher(self, site: str, meter: str, frozen: Frozen = ()) -> "_Windows":
        """See `Condition`."""
        del site, meter
        return _Windows(self, *cast("Any", frozen))

    def sample(self, start_ms: int, value: float, *, is_open: bool = False, seen_ms: int = 0) -> Sample:
        """What a window's value means; of a closed one, it is so until the window's end."""
        rule = self.rule
        end_ms = start_ms + rule.window
        verdict = verdict_of(value, rule.above, rule.below, rule.clear_at)
        if is_open:
            return Sample(start_ms, start_ms, seen_ms, value, rule.limit, verdict, is_open=True)
        return Sample(start_ms, end_ms, end_ms, value, rule.limit, verdict)

    def words(self, who: str, sample: Sample, *, firing: bool) -> str:
        """See `Condition`."""
        rule = self.rule
        windows = span(rule.window) if rule.last_n == 1 else f"{rule.last_n} x {span(rule.window)}"
        return f"{who}: {_what(rule)} over {windows} is {sample.value:.6g}, {judgement(rule, firing=firing)}"


def judgement(rule: LimitRule, *, firing: bool) -> str:
    """The end of a sentence about a limit."""
    side = "above" if rule.above is not None else "below"
    return f"{side} {rule.limit:g}" if firing else f"no longer {side} {rule.limit:g}"


def _what(rule: ThresholdRule) -> str:
    return rule.quantity if rule.field == rule.quantity else f"{rule.statistic.value} {rule.quantity}"


class _Windows:
    """The windows of one subject: those that are held, and the last N closed ones."""

    __slots__ = ("_condition", "_held", "_judged")

    def __init__(
        self,
        condition: Threshold,
        held: tuple[Any, ...] = (),
        judged: Sequence[tuple[int, float]] = (),
    ) -> None:
        self._condition = condition
        self._held = HeldWindows(condition.settle_ms, *held)
        self._judged = list(judged)

    @property
    def wake_ms(self) -> int:
        return self._held.wake_ms

    @property
    def weight(self) -> int:
        return 1 + len(self._judged) + len(self._held)

    def take(self, point: Point, now_ms: int) -> Sequence[Sample]:
        condition, value = self._condition, float(point.fields[self._condition.field])
        is_closed = self._held.hold(point.t_ms, value, now_ms)
        if is_closed or (condition.looks_ahead and condition.rule.is_beyond(value)):
            return self.due(now_ms)
        return ()

    def due(self, now_ms: int) -> Sequence[Sample]:
        last_n = self._condition.rule.last_n
        samples = []
        for start_ms, value in self._held.closed(now_ms):
            if last_n == 1:  # the episode knows what is a revision, and what is history
                samples.append(self._condition.sample(start_ms, value))
            elif _remember(self._judged, start_ms, value, last_n) and len(self._judged) == last_n:
                mean = fsum(value for _, value in self._judged) / last_n
                samples.append(self._condition.sample(self._judged[-1][0], mean))
        if self._condition.looks_ahead:
            ahead = (
                self._condition.sample(start_ms, value, is_open=True, seen_ms=now_ms)
                for start_ms, value in self._held.open()
            )
            samples += [sample for sample in ahead if sample.verdict is Verdict.BEYOND]
        return samples

    def freeze(self) -> Frozen:
        return self._held.freeze(), tuple(self._judged)


def _remember(judged: list[tuple[int, float]], start_ms: int, value: float, last_n: int) -> bool:
    """Put a window among the last N; False when it was there or is older than all of them."""
    earlier = list(judged)
    judged[:] = [entry for entry in judged if entry[0] != start_ms]
    insort(judged, (start_ms, value))
    del judged[:-last_n]
    return judged != earlier
