"""A limit on what is consumed in a local day or month.

```toml
[[rule]]
kind = "consumption"
name = "daily budget"
quantity = "energy_kwh" # or any other amount: gas_used_m3, ..
per = "day"             # or "month", by the site's own clock
window = "30m"          # whose amounts are added up
level = "site"          # meter (default) | site | fleet
above = 12
```

The sum counts windows that are still open, so that the rule fires as soon as the sum passes the limit; it resolves
when the period ends. Of each subject the amounts of the windows that changed last are remembered one by one; earlier
ones are in the sum for good.
"""

from array import array
from collections.abc import Sequence
from typing import Any, ClassVar, Final, Literal, cast

from cloud_stream.alerts.condition import NEVER, Feed, Frozen, Sample, Surroundings, Verdict
from cloud_stream.alerts.kinds.threshold import known_quantity
from cloud_stream.alerts.rule import Level, Made, Rule, check_window
from cloud_stream.alerts.schedule import local_time
from cloud_stream.measurements import USAGE, width_label
from cloud_stream.records import Point
from cloud_stream.sites import day_start_ms, month_start_ms
from wattline.config import DurationMs
from wattline.errors import ConfigError
from wattline.quantities import Kind

CHANGEABLE: Final = 48
"""Windows of a subject that are remembered one by one: a day of half hours."""
_HOUR_MS: Final = 3_600_000


class ConsumptionRule(Rule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One limit on the sum of an amount.

    Attributes:
        quantity: An amount.
        per: Which sum: of the local day or month.
        window: Length of the windows that are added up.
        level: Whose windows.
        above: Fires when the sum is larger, in the quantity's unit.
        meters: Only these; empty is all. segments: only the meters of these.
    """

    KIND: ClassVar[str] = "consumption"
    MOVABLE: ClassVar[frozenset[str]] = frozenset({"above"})
    ABOUT: ClassVar[tuple[str, ...]] = ("quantity", "per", "window")

    quantity: str = "energy_kwh"
    per: Literal["day", "month"] = "day"
    window: DurationMs = DurationMs(1_800_000)
    level: Level = Level.METER
    above: float
    meters: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()

    @property
    def judged_quantity(self) -> str:
        """See `Rule`."""
        return self.quantity

    @property
    def judged_window_ms(self) -> int:
        """See `Rule`."""
        return self.window

    def check_own(self, made: Made) -> None:
        """See `Rule`."""
        if known_quantity(self.quantity).kind is not Kind.AMOUNT:
            raise ConfigError("quantity", f"{self.quantity!r} is no amount such as 'energy_kwh': it does not add up")
        if not 0 <= self.above < float("inf"):
            raise ConfigError("above", f"{self.above} is not a limit of consumption")
        check_window(self.window, made)

    def condition(self, around: Surroundings) -> "Consumption":
        """See `Rule`."""
        return Consumption(self, around)

    def words(self) -> str:
        """See `Rule`."""
        return f"{self.quantity} of the local {self.per} above {self.above:g}"


class Consumption:
    """The condition of a `ConsumptionRule`."""

    def __init__(self, rule: ConsumptionRule, around: Surroundings) -> None:
        """Add up one amount of one length of windows at one level."""
        self.rule = rule
        self.around = around
        self.feeds: Sequence[Feed] = ((USAGE, rule.level.value, width_label(rule.window)),)

    def subject(self, point: Point, site: str, member: str) -> tuple[str, str] | None:
        """See `Condition`."""
        return (site, member) if self.rule.quantity in point.fields else None

    def watcher(self, site: str, meter: str, frozen: Frozen = ()) -> "_Period":
        """See `Condition`."""
        del meter
        return _Period(self, self.around.zone_of(site), *cast("Any", frozen))

    def period(self, zone: str, at_ms: int) -> tuple[int, int]:
        """Start and end of the local day or month that an instant is in."""
        if self.rule.per == "day":
            start_ms = day_start_ms(zone, at_ms)
            return start_ms, day_start_ms(zone, start_ms + 26 * _HOUR_MS)  # days have 23 to 25 hours
        start_ms = month_start_ms(zone, at_ms)
        return start_ms, month_start_ms(zone, start_ms + 32 * 24 * _HOUR_MS)

    def words(self, who: str, sample: Sample, *, firing: bool) -> str:
        """See `Condition`."""
        rule, (zone, start_ms) = self.rule, sample.detail
        begun = local_time(cast("int", start_ms), cast("str", zone))
        if firing:
            return f"{who}: {rule.quantity} since {begun} is {sample.value:.6g}, above {rule.above:g} a {rule.per}"
        return f"{who}: {rule.quantity} of the {rule.per} from {begun} was {sample.value:.6g}, limit {rule.above:g}"


class _Period:
    """The running sum of one subject: windows that may still change, and what is added up for good."""

    __slots__ = (
        "_base", "_condition", "_crossed_ms", "_done", "_early", "_end_ms", "_packed", "_recent", "_start_ms", "_zone",
    )  # fmt: skip

    def __init__(
        self,
        condition: Consumption,
        zone: str,
        period: tuple[int, int] = (0, 0),
        sums: tuple[float, int, int] = (0.0, 0, NEVER),
        recent: tuple[bytes, bytes] = (b"", b""),
        early: tuple[tuple[int, float], ...] = (),
    ) -> None:
        self._condition = condition
        self._zone = zone
        self._start_ms, self._end_ms = period
        self._base, self._done, self._crossed_ms = sums
        after_ms, amounts = array("I", recent[0]), array("d", recent[1])
        self._recent = {self._start_ms + one_ms: amount for one_ms, amount in zip(after_ms, amounts, strict=True)}
        self._packed: tuple[bytes, bytes] | None = None
        # A meter whose clock is ahead must not end the day of its site.
        self._early = dict(early)

    @property
    def wake_ms(self) -> int:
        if self._crossed_ms == NEVER and not self._early:
            return NEVER
        return self._end_ms + self._condition.around.grace_ms

    @property
    def weight(self) -> int:
        return 1 + len(self._recent) + len(self._early)

    def take(self, point: Point, now_ms: int) -> Sequence[Sample]:
        start_ms, value = point.t_ms, float(point.fields[self._condition.rule.quantity])
        if not self._end_ms:
            self._start_ms, self._end_ms = self._condition.period(self._zone, min(start_ms, now_ms))
        if start_ms < self._start_ms:
            return ()
        if start_ms < self._end_ms:
            return self._judge(start_ms, now_ms) if self._add(start_ms, value) else ()
        self._early[start_ms] = value
        if len(self._early) > CHANGEABLE:
            del self._early[max(self._early)]
        return self._move_on(now_ms) if now_ms >= self._end_ms else ()

    def due(self, now_ms: int) -> Sequence[Sample]:
        return self._move_on(now_ms) if now_ms >= self.wake_ms else ()

    def freeze(self) -> Frozen:
        sums = (self._base, self._done, self._crossed_ms)
        # Of all kinds this is the largest state, and it is saved every second: packed, and but for the window that
        # changed last packed once.
        if self._packed is None:
            self._packed = self._pack(list(self._recent)[:-1])
        newest = self._pack([next(reversed(self._recent))] if self._recent else [])
        recent = self._packed[0] + newest[0], self._packed[1] + newest[1]
        return (self._start_ms, self._end_ms), sums, recent, tuple(self._early.items())

    def _pack(self, starts: Sequence[int]) -> tuple[bytes, bytes]:
        after_ms = array("I", [start_ms - self._start_ms for start_ms in starts])
        return after_ms.tobytes(), array("d", [self._recent[start_ms] for start_ms in starts]).tobytes()

    def _move_on(self, now_ms: int) -> list[Sample]:
        """The period is over: go on with the one of the next window that is known, where there is one."""
        samples = [*self._ended()]
        while self._early and now_ms >= self._end_ms:
            self._start_ms, self._end_ms = self._condition.period(self._zone, min(*self._early, now_ms))
            self._base, self._done, self._recent, self._packed = 0.0, 0, {}, None
            for start_ms in sorted(start_ms for start_ms in self._early if start_ms < self._end_ms):
                if self._add(start_ms, self._early.pop(start_ms)):
                    samples += self._judge(start_ms, now_ms)
            samples += self._ended() if self._early and now_ms >= self._end_ms else ()
        return samples

    def _add(self, start_ms: int, value: float) -> bool:
        """Take the newest amount of a window; False for one that is in the sum for good."""
        bit = 1 << ((start_ms - self._start_ms) // self._condition.rule.window)
        if self._done & bit:
            return False
        if next(reversed(self._recent), None) != start_ms:
            self._packed = None
        self._recent.pop(start_ms, None)
        self._recent[start_ms] = value  # last is what changed last
        if len(self._recent) > CHANGEABLE:
            oldest_ms = next(iter(self._recent))
            self._base += self._recent.pop(oldest_ms)
            self._done |= 1 << ((oldest_ms - self._start_ms) // self._condition.rule.window)
        return True

    def _judge(self, start_ms: int, now_ms: int) -> Sequence[Sample]:
        rule = self._condition.rule
        total = self._base + sum(self._recent.values())
        if total > rule.above:
            if self._crossed_ms == NEVER:
                self._crossed_ms, total = self._crossing()
            return [self._sample(self._crossed_ms, min(start_ms + rule.window, now_ms), total, Verdict.BEYOND)]
        if self._crossed_ms == NEVER:
            return ()
        crossed_ms, self._crossed_ms = self._crossed_ms, NEVER
        return [self._sample(crossed_ms, now_ms, total, Verdict.CLEAR)]

    def _crossing(self) -> tuple[int, float]:
        """The window in which the sum passed the limit, and the sum then."""
        total = self._base
        for start_ms, value in sorted(self._recent.items()):
            total += value
            if total > self._condition.rule.above:
                return start_ms, total
        return max(self._recent), total

    def _ended(self) -> Sequence[Sample]:
        if self._crossed_ms == NEVER:
            return ()
        self._crossed_ms = NEVER
        total = self._base + sum(self._recent.values())
        return [self._sample(self._end_ms, self._end_ms, total, Verdict.CLEAR)]

    def _sample(self, t_ms: int, seen_ms: int, total: float, verdict: Verdict) -> Sample:
        detail = (self._zone, self._start_ms)
        return Sample(t_ms, t_ms, seen_ms, total, self._condition.rule.above, verdict, detail=detail)
