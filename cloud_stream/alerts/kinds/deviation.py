"""A limit on how far consumption is from what was forecast for it.

```toml
[[rule]]
kind = "deviation"
name = "unlike any Tuesday"
level = "site"          # site (default) | meter | fleet
outside_band = 2.0      # farther from the middle than 2 half widths of the band; or relative = 0.5: half of the middle
direction = "above"     # both (default) | above | below
at_least_kwh = 0.5      # smaller differences never count
lead = "day_ahead"      # or "latest"
for = "2h"
```

What is compared are closed intervals of the forecast; an interval without a forecast says nothing.
"""

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple, cast

from msgspec import Meta, field

from cloud_stream.alerts.condition import Feed, Frozen, Sample, Surroundings, Verdict
from cloud_stream.alerts.held import HeldWindows
from cloud_stream.alerts.kinds.forecast_limit import check_forecasts
from cloud_stream.alerts.rule import DEFAULT_HYSTERESIS, MAX_HOLD_MS, Level, Made, Rule, check_window, span
from cloud_stream.measurements import FORECAST, USAGE, width_label
from cloud_stream.records import Point
from wattline.config import DurationMs
from wattline.errors import ConfigError

MOST_EXPECTED: Final = 100
"""Intervals of a subject whose forecast is kept until they close: two days of half hours, and a little."""

Factor = Annotated[float, Meta(gt=0, le=1000)]


class DeviationRule(Rule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One limit on the difference between consumption and forecast.

    Attributes:
        outside_band: How many half widths of the forecast's band from its middle. relative: which share of the middle.
            Exactly one of the two is given.
        direction: Whether more, less or both count.
        at_least_kwh: Smaller differences do not count.
        lead: Which forecast.
        window: Length of the forecast's intervals: the utility interval.
        hold: `for`: how long it must be so.
    """

    KIND: ClassVar[str] = "deviation"
    MOVABLE: ClassVar[frozenset[str]] = frozenset({"outside_band", "relative"})
    ABOUT: ClassVar[tuple[str, ...]] = ("window", "lead", "direction")

    level: Level = Level.SITE
    window: DurationMs = DurationMs(1_800_000)
    lead: Literal["latest", "day_ahead"] = "day_ahead"
    outside_band: Factor | None = None
    relative: Factor | None = None
    direction: Literal["both", "above", "below"] = "both"
    at_least_kwh: Annotated[float, Meta(ge=0)] = 0.0
    hold: DurationMs = field(default=DurationMs(0), name="for")
    keep_firing_for: DurationMs = DurationMs(0)
    meters: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()

    @property
    def hold_ms(self) -> int:
        """See `Rule`."""
        return self.hold

    @property
    def keep_ms(self) -> int:
        """See `Rule`."""
        return self.keep_firing_for

    @property
    def judged_quantity(self) -> str:
        """See `Rule`."""
        return "energy_kwh"

    @property
    def judged_window_ms(self) -> int:
        """See `Rule`."""
        return self.window

    def check_own(self, made: Made) -> None:
        """See `Rule`."""
        check_forecasts(made)
        if (self.outside_band is None) == (self.relative is None):
            raise ConfigError("outside_band", "give either 'outside_band' or 'relative'")
        if max(self.hold, self.keep_firing_for) > MAX_HOLD_MS:
            raise ConfigError("for", "or keep_firing_for is longer than 31 days")
        check_window(self.window, made)
        if made.windows_ms and self.window != max(made.windows_ms):
            raise ConfigError("window", f"forecasts are of intervals of {span(max(made.windows_ms))}")

    def condition(self, around: Surroundings) -> "Deviation":
        """See `Rule`."""
        return Deviation(self, around)

    def words(self) -> str:
        """See `Rule`."""
        far = f"{self.outside_band:g} half widths of the band" if self.outside_band else f"{self.relative:.0%}"
        side = {"both": "away from", "above": "above", "below": "below"}[self.direction]
        hold = f" for {span(self.hold_ms)}" if self.hold_ms else ""
        return f"energy_kwh more than {far} {side} its {self.lead} forecast{hold}"


class Deviation:
    """The condition of a `DeviationRule`."""

    def __init__(self, rule: DeviationRule, around: Surroundings) -> None:
        """Compare the closed intervals of one level with one lead of forecasts."""
        self.rule = rule
        self.settle_ms = int(rule.window) + around.grace_ms
        level = rule.level.value
        self.feeds: Sequence[Feed] = ((USAGE, level, width_label(rule.window)), (FORECAST, level, rule.lead))

    def subject(self, point: Point, site: str, member: str) -> tuple[str, str] | None:
        """See `Condition`."""
        return (site, member) if "energy_kwh" in point.fields else None

    def watcher(self, site: str, meter: str, frozen: Frozen = ()) -> "_Expected":
        """See `Condition`."""
        del site, meter
        return _Expected(self, *cast("Any", frozen))

    def sample(self, start_ms: int, actual: float, expected: "_Band") -> Sample:
        """How an interval compares with its forecast; the limit is the nearest value that would be too far away."""
        rule, end_ms = self.rule, start_ms + self.rule.window
        more = actual >= expected.middle
        half = expected.upper - expected.middle if more else expected.middle - expected.lower
        allowed = half * rule.outside_band if rule.outside_band else abs(expected.middle) * (rule.relative or 0.0)
        allowed = max(allowed, rule.at_least_kwh)
        away = abs(actual - expected.middle)
        if rule.direction == ("below" if more else "above") or away <= allowed * (1 - DEFAULT_HYSTERESIS):
            verdict = Verdict.CLEAR
        else:
            verdict = Verdict.BEYOND if away > allowed else Verdict.BETWEEN
        limit = expected.middle + (allowed if more else -allowed)
        return Sample(start_ms, end_ms, end_ms, actual, limit, verdict, detail=tuple(expected))

    def words(self, who: str, sample: Sample, *, firing: bool) -> str:
        """See `Condition`."""
        middle, lower, upper = cast("tuple[float, float, float]", sample.detail)
        forecast = f"forecast {middle:.4g} ({lower:.4g} to {upper:.4g})"
        end = "too far away" if firing else "near enough again"
        return f"{who}: energy_kwh over {span(self.rule.window)} is {sample.value:.6g}, {forecast}, {end}"


class _Band(NamedTuple):
    """What was forecast for one interval, kWh."""

    middle: float
    lower: float
    upper: float


class _Expected:
    """What is forecast for the next intervals of one subject, and what it consumes in the open ones."""

    __slots__ = ("_bands", "_condition", "_held", "_times")

    def __init__(
        self, condition: Deviation, held: tuple[Any, ...] = (), times: bytes = b"", bands: bytes = b""
    ) -> None:
        self._condition = condition
        self._held = HeldWindows(condition.settle_ms, *held)
        # Two short arrays in the order of time: as objects this would be the largest memory of all kinds.
        self._times = array("q", times)
        self._bands = array("f", bands)

    @property
    def wake_ms(self) -> int:
        return self._held.wake_ms

    @property
    def weight(self) -> int:
        return 1 + len(self._held) + len(self._times) // 4

    def take(self, point: Point, now_ms: int) -> Sequence[Sample]:
        if point.measurement == FORECAST:
            self._expect(point)
            return ()
        if self._held.hold(point.t_ms, float(point.fields["energy_kwh"]), now_ms):
            return self.due(now_ms)
        return ()

    def due(self, now_ms: int) -> Sequence[Sample]:
        samples = []
        for start_ms, actual in self._held.closed(now_ms):
            found = self._at(start_ms)
            if found is not None:
                samples.append(self._condition.sample(start_ms, actual, found))
        self._forget_before(self._held.newest_ms)
        return samples

    def freeze(self) -> Frozen:
        return self._held.freeze(), self._times.tobytes(), self._bands.tobytes()

    def _expect(self, point: Point) -> None:
        fields, t_ms = point.fields, point.t_ms
        if t_ms < self._held.newest_ms or "lower" not in fields or "upper" not in fields:
            return
        if self._condition.rule.lead == "latest" and t_ms > int(fields.get("issued_at", t_ms)):
            return  # only the next interval: a later forecast will say the same of the others, and better
        band = array("f", (float(fields["energy_kwh"]), float(fields["lower"]), float(fields["upper"])))
        place = bisect_left(self._times, t_ms)
        if place < len(self._times) and self._times[place] == t_ms:
            self._bands[3 * place : 3 * place + 3] = band
            return
        self._times.insert(place, t_ms)
        self._bands[3 * place : 3 * place] = band
        if len(self._times) > MOST_EXPECTED:
            del self._times[-1], self._bands[-3:]

    def _at(self, start_ms: int) -> _Band | None:
        place = bisect_left(self._times, start_ms)
        if place == len(self._times) or self._times[place] != start_ms:
            return None
        return _Band(*self._bands[3 * place : 3 * place + 3])

    def _forget_before(self, newest_ms: int) -> None:
        place = bisect_left(self._times, newest_ms)
        del self._times[:place], self._bands[: 3 * place]
