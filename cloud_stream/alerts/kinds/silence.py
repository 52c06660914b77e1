"""Meters and sites of which nothing comes any more.

```toml
[[rule]]
kind = "silent"
name = "meter silent"
after = "30m"
window = "5m"           # whose rows are waited for
level = "meter"         # meter (default) | site
forget_after = "30d"    # a meter that was taken away
```

Who is known is learned from the rows. Silence begins with the end of the newest window that has data. While the cloud
itself is behind - after its own outage - time goes by the data that do come, so that its backlog makes nobody silent.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Final, cast

from cloud_stream.alerts.condition import FAR_PAST, NEVER, Feed, Frozen, Sample, Surroundings, Verdict
from cloud_stream.alerts.rule import Level, Made, Rule, check_window, span
from cloud_stream.alerts.schedule import local_time
from cloud_stream.measurements import USAGE, width_label
from cloud_stream.records import Point
from wattline.config import DurationMs
from wattline.errors import ConfigError

QUIET_MS: Final = 60_000
"""When nothing at all has come for so long, the wall clock is right."""
START_MS: Final = 600_000
"""After a start gateways need some time to find their broker again; at most so long nobody is called silent."""
LOOK_AGAIN_MS: Final = 5_000
_FUTURE_MS: Final = 60_000
_LEAST_MS: Final = 30_000


class SilentRule(Rule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """No usage rows of a meter or site for some time.

    Attributes:
        after: So long.
        window: Length of the windows whose rows are waited for.
        level: Of whom.
        forget_after: Who is silent for so long is not expected any more.
        meters: Only these; empty is all. segments: only the meters of these.
    """

    KIND: ClassVar[str] = "silent"
    MOVABLE: ClassVar[frozenset[str]] = frozenset({"after"})
    ABOUT: ClassVar[tuple[str, ...]] = ("window",)

    after: DurationMs
    window: DurationMs = DurationMs(300_000)
    level: Level = Level.METER
    forget_after: DurationMs = DurationMs(30 * 86_400_000)
    meters: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()

    @property
    def judged_quantity(self) -> str:
        """See `Rule`."""
        return "silence_s"

    def check_own(self, made: Made) -> None:
        """See `Rule`."""
        if self.level is Level.FLEET:
            raise ConfigError("level", "silence is seen per meter or site")
        if self.after < _LEAST_MS:
            raise ConfigError("after", f'is below "{span(_LEAST_MS)}"')
        if self.forget_after <= self.after:
            raise ConfigError("forget_after", "is not longer than 'after': it would never fire")
        check_window(self.window, made)

    def condition(self, around: Surroundings) -> "Silence":
        """See `Rule`."""
        return Silence(self, around)

    def words(self) -> str:
        """See `Rule`."""
        return f"no data for {span(self.after)}"


class Silence:
    """The condition of a `SilentRule`, and what time it is for the data of this shard."""

    def __init__(self, rule: SilentRule, around: Surroundings) -> None:
        """Wait for the rows of one length of windows at one level."""
        self.rule = rule
        self.around = around
        self.feeds: Sequence[Feed] = ((USAGE, rule.level.value, width_label(rule.window)),)
        self._started_ms = NEVER
        self._heard_ms = FAR_PAST
        self._newest_ms = FAR_PAST

    def subject(self, point: Point, site: str, member: str) -> tuple[str, str] | None:
        """See `Condition`."""
        del point
        return site, member

    def watcher(self, site: str, meter: str, frozen: Frozen = ()) -> "_Heard":
        """See `Condition`."""
        del meter
        return _Heard(self, self.around.zone_of(site), *cast("Any", frozen))

    def hear(self, start_ms: int, now_ms: int) -> None:
        """Something has come from someone."""
        self._started_ms = min(self._started_ms, now_ms)
        self._heard_ms = now_ms
        end_ms = start_ms + self.rule.window
        if end_ms > self._newest_ms and start_ms <= now_ms + _FUTURE_MS:
            self._newest_ms = end_ms

    def clock_ms(self, now_ms: int) -> int:
        """What time it is for the data: the wall clock, or what has been worked off while the cloud is behind."""
        self._started_ms = min(self._started_ms, now_ms)
        if now_ms - self._started_ms < min(START_MS, self.rule.after):
            return min(now_ms, self._newest_ms)
        return now_ms if now_ms - self._heard_ms >= QUIET_MS else min(now_ms, self._newest_ms)

    def words(self, who: str, sample: Sample, *, firing: bool) -> str:
        """See `Condition`."""
        zone, end_ms = sample.detail
        if sample.verdict is Verdict.CLEAR and cast("int", end_ms) == 0:
            return f"{who}: silent for {span(self.rule.forget_after)}, not expected any more"
        since = local_time(cast("int", end_ms), cast("str", zone))
        return f"{who}: no data since {since}" if firing else f"{who}: data again, until {since}"


class _Heard:
    """When one subject was heard of."""

    __slots__ = ("_condition", "_silent", "_start_ms", "_wake_ms", "_zone")

    def __init__(
        self, condition: Silence, zone: str, start_ms: int = FAR_PAST, wake: tuple[int, bool] = (NEVER, False)
    ) -> None:
        self._condition = condition
        self._zone = zone
        self._start_ms = start_ms
        self._wake_ms, self._silent = wake

    @property
    def wake_ms(self) -> int:
        return self._wake_ms

    @property
    def weight(self) -> int:
        return 1

    def take(self, point: Point, now_ms: int) -> Sequence[Sample]:
        condition, start_ms = self._condition, point.t_ms
        condition.hear(start_ms, now_ms)
        if start_ms <= self._start_ms or start_ms > now_ms + _FUTURE_MS:
            return ()
        self._start_ms = start_ms
        if self._silent:
            return self._back(now_ms)
        if self._wake_ms == NEVER:
            self._wake_ms = self._silent_from_ms
        return ()  # it may stay with an earlier time to wake: `due` sees what has come since

    def due(self, now_ms: int) -> Sequence[Sample]:
        if now_ms < self._wake_ms:
            return ()
        rule, clock_ms = self._condition.rule, self._condition.clock_ms(now_ms)
        forget_ms = self._start_ms + rule.window + rule.forget_after
        if self._silent and clock_ms >= forget_ms:
            self._wake_ms, self._silent = NEVER, False
            return [self._sample(forget_ms, now_ms, Verdict.CLEAR, end_ms=0)]
        if clock_ms < self._silent_from_ms:
            behind = now_ms >= self._silent_from_ms
            self._wake_ms = now_ms + LOOK_AGAIN_MS if behind else self._silent_from_ms
            return ()
        self._silent = True
        self._wake_ms = now_ms + QUIET_MS if rule.active is not None else max(forget_ms, now_ms + LOOK_AGAIN_MS)
        return [self._sample(self._start_ms, now_ms, Verdict.BEYOND)]

    def freeze(self) -> Frozen:
        return self._start_ms, (self._wake_ms, self._silent)

    @property
    def _silent_from_ms(self) -> int:
        rule = self._condition.rule
        return self._start_ms + rule.window + rule.after

    def _back(self, now_ms: int) -> Sequence[Sample]:
        """Data have come again; from a backlog that is still old, silence goes on."""
        if self._condition.clock_ms(now_ms) >= self._silent_from_ms:
            return ()
        self._silent = False
        self._wake_ms = self._silent_from_ms
        return [self._sample(self._start_ms, now_ms, Verdict.CLEAR)]

    def _sample(self, t_ms: int, now_ms: int, verdict: Verdict, end_ms: int | None = None) -> Sample:
        rule = self._condition.rule
        heard_ms = self._start_ms + rule.window
        silent_s, limit_s = max(0, now_ms - heard_ms) / 1000, rule.after / 1000
        detail = (self._zone, heard_ms if end_ms is None else end_ms)
        return Sample(t_ms, now_ms, now_ms, silent_s, limit_s, verdict, detail=detail)
