"""Gateways that are offline, and gateways whose clock is off.

```toml
[[rule]]
kind = "gateway_offline"
name = "gateway offline"
for = "5m"
reason = "any"          # any (default) | will: only those that the broker found dead, not those that said goodbye

[[rule]]
kind = "clock_drift"
name = "clock"
above = "30s"           # either way
for = "5m"              # 5m by default
gateways = ["gw-0001"]  # all by default; `sites` likewise
```

What a gateway says of itself is taken in the order in which it arrived: its clock is what may be wrong. A message that
waited on its way looks like a clock that is behind, so the best of the last messages counts.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any, ClassVar, Final, Literal, cast

from msgspec import field

from cloud_stream.alerts.condition import FAR_PAST, NEVER, Feed, Frozen, Sample, Surroundings, Verdict, verdict_of
from cloud_stream.alerts.rule import DEFAULT_HYSTERESIS, GATEWAY, MAX_HOLD_MS, Made, Rule, span
from cloud_stream.alerts.schedule import local_time
from cloud_stream.records import Point
from wattline.config import DurationMs
from wattline.errors import ConfigError
from wattline.wire import MAX_AHEAD_MS, MIN_TIME_MS

OFFSET: Final = "clock_offset_s"
LIVE_MS: Final = 60_000
"""News that is older comes from a backlog: more of it may follow."""
SETTLE_MS: Final = 30_000
"""How long the rest of a backlog is waited for."""
BEST_OF: Final = 3
BEST_WITHIN_MS: Final = 300_000
_LEAST_DRIFT_MS: Final = 1000


class GatewayRule(Rule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What rules on gateways have in common.

    Attributes:
        gateways: Only these; empty is all.
        hold: `for`: how long it must be so.
    """

    gateways: tuple[str, ...] = ()
    hold: DurationMs = field(default=DurationMs(0), name="for")

    @property
    def hold_ms(self) -> int:
        """See `Rule`."""
        return self.hold

    def check_own(self, made: Made) -> None:
        """See `Rule`."""
        del made
        if self.hold > MAX_HOLD_MS:
            raise ConfigError("for", "is longer than 31 days")


class GatewayOfflineRule(GatewayRule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A gateway that is not connected.

    Attributes:
        reason: `will` leaves out gateways that said goodbye.
    """

    KIND: ClassVar[str] = "gateway_offline"
    ABOUT: ClassVar[tuple[str, ...]] = ("reason",)

    reason: Literal["any", "will"] = "any"

    @property
    def judged_quantity(self) -> str:
        """See `Rule`."""
        return "absence_s"

    def condition(self, around: Surroundings) -> "GatewayOffline":
        """See `Rule`."""
        return GatewayOffline(self, around)

    def words(self) -> str:
        """See `Rule`."""
        hold = f" for {span(self.hold_ms)}" if self.hold_ms else ""
        return f"the gateway is offline{hold}" + (", found dead by the broker" if self.reason == "will" else "")


class ClockDriftRule(GatewayRule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A gateway whose clock is off.

    Attributes:
        above: So far, either way.
        hold: `for`: how long it must be so; 5 minutes by default.
    """

    KIND: ClassVar[str] = "clock_drift"

    above: DurationMs
    hold: DurationMs = field(default=DurationMs(300_000), name="for")

    @property
    def judged_quantity(self) -> str:
        """See `Rule`."""
        return "clock_offset_s"

    def check_own(self, made: Made) -> None:
        """See `Rule`."""
        super().check_own(made)
        if self.above < _LEAST_DRIFT_MS:
            raise ConfigError("above", 'is below "1s": the way through the network takes as long')

    def condition(self, around: Surroundings) -> "ClockDrift":
        """See `Rule`."""
        return ClockDrift(self, around)

    def words(self) -> str:
        """See `Rule`."""
        hold = f" for {span(self.hold_ms)}" if self.hold_ms else ""
        return f"the gateway's clock is off by more than {span(self.above)}{hold}"


class GatewayOffline:
    """The condition of a `GatewayOfflineRule`."""

    def __init__(self, rule: GatewayOfflineRule, around: Surroundings) -> None:
        """Look at births and deaths."""
        self.rule = rule
        self.around = around
        self.feeds: Sequence[Feed] = ((GATEWAY,),)

    def subject(self, point: Point, site: str, member: str) -> tuple[str, str] | None:
        """See `Condition`."""
        return (site, member) if "status" in point.fields else None

    def watcher(self, site: str, meter: str, frozen: Frozen = ()) -> "_Presence":
        """See `Condition`."""
        del meter
        return _Presence(self, self.around.zone_of(site), *cast("Any", frozen))

    def words(self, who: str, sample: Sample, *, firing: bool) -> str:
        """See `Condition`."""
        zone, since_ms, reason = sample.detail
        if not firing:
            return f"{who}: online again"
        how = {"will": ", found dead by the broker", "shutdown": ", it said goodbye"}.get(cast("str", reason), "")
        return f"{who}: offline since {local_time(cast('int', since_ms), cast('str', zone))}{how}"


class _Presence:
    """Whether one gateway is there."""

    __slots__ = ("_condition", "_last_ms", "_offline_ms", "_reason", "_session", "_wake_ms", "_zone")

    def __init__(
        self,
        condition: GatewayOffline,
        zone: str,
        last: tuple[int, int] = (FAR_PAST, 0),
        offline: tuple[int, str] = (NEVER, ""),
        wake_ms: int = NEVER,
    ) -> None:
        self._condition = condition
        self._zone = zone
        self._last_ms, self._session = last
        self._offline_ms, self._reason = offline
        self._wake_ms = wake_ms

    @property
    def wake_ms(self) -> int:
        return self._wake_ms

    @property
    def weight(self) -> int:
        return 1

    def take(self, point: Point, now_ms: int) -> Sequence[Sample]:
        session, status = int(point.fields.get("session", 0)), point.fields.get("status")
        reason = str(point.fields.get("reason", ""))
        # The goodbye of a session that another has followed may arrive late.
        if status not in ("online", "offline") or (status == "offline" and session < self._session):
            return ()
        self._session = max(self._session, session)
        t_ms = max(_arrived_ms(point), self._last_ms)
        is_offline = status == "offline" and (reason == "will" or self._condition.rule.reason == "any")
        if is_offline is (self._offline_ms != NEVER):
            return ()
        self._last_ms = t_ms
        return self._go(t_ms, reason, now_ms) if is_offline else self._come(t_ms)

    def due(self, now_ms: int) -> Sequence[Sample]:
        if now_ms < self._wake_ms:
            return ()
        again = self._condition.rule.active is not None
        self._wake_ms = now_ms + LIVE_MS if again else NEVER
        return [self._sample(self._offline_ms, now_ms, Verdict.BEYOND)]

    def freeze(self) -> Frozen:
        return (self._last_ms, self._session), (self._offline_ms, self._reason), self._wake_ms

    def _go(self, t_ms: int, reason: str, now_ms: int) -> Sequence[Sample]:
        self._offline_ms, self._reason = t_ms, reason
        hold_ms = self._condition.rule.hold_ms
        is_live = now_ms - t_ms < LIVE_MS
        self._wake_ms = t_ms + hold_ms if is_live else max(t_ms + hold_ms, now_ms + SETTLE_MS)
        if is_live and now_ms >= self._wake_ms:
            return self.due(now_ms)
        return [self._sample(t_ms, t_ms, Verdict.BEYOND)] if hold_ms else ()

    def _come(self, t_ms: int) -> Sequence[Sample]:
        # How long it was away is known now, also where nobody looked in between.
        was = self._sample(self._offline_ms, t_ms, Verdict.BEYOND)
        back = self._sample(t_ms, t_ms, Verdict.CLEAR)
        self._offline_ms, self._reason, self._wake_ms = NEVER, "", NEVER
        return [was, back]

    def _sample(self, t_ms: int, until_ms: int, verdict: Verdict) -> Sample:
        since_ms = min(t_ms, self._offline_ms)
        away_s, hold_s = (until_ms - since_ms) / 1000, self._condition.rule.hold_ms / 1000
        return Sample(t_ms, until_ms, until_ms, away_s, hold_s, verdict, detail=(self._zone, since_ms, self._reason))


class ClockDrift:
    """The condition of a `ClockDriftRule`."""

    def __init__(self, rule: ClockDriftRule, around: Surroundings) -> None:
        """Look at the clocks of births."""
        del around
        self.rule = rule
        self.feeds: Sequence[Feed] = ((GATEWAY,),)

    def subject(self, point: Point, site: str, member: str) -> tuple[str, str] | None:
        """See `Condition`."""
        return (site, member) if OFFSET in point.fields else None

    def watcher(self, site: str, meter: str, frozen: Frozen = ()) -> "_Clock":
        """See `Condition`."""
        del site, meter
        return _Clock(self, *cast("Any", frozen))

    def words(self, who: str, sample: Sample, *, firing: bool) -> str:
        """See `Condition`."""
        side = "ahead" if sample.value > 0 else "behind"
        end = f"more than {sample.limit:g} s" if firing else f"no longer more than {sample.limit:g} s"
        return f"{who}: its clock is {abs(sample.value):.1f} s {side}, {end}"


class _Clock:
    """How far the clock of one gateway was off in its last messages: (arrival, offset in seconds)."""

    __slots__ = ("_condition", "_last")

    def __init__(self, condition: ClockDrift, last: Sequence[tuple[int, float]] = ()) -> None:
        self._condition = condition
        self._last: deque[tuple[int, float]] = deque(last, maxlen=BEST_OF)

    @property
    def wake_ms(self) -> int:
        return NEVER

    @property
    def weight(self) -> int:
        return 1

    def take(self, point: Point, now_ms: int) -> Sequence[Sample]:
        del now_ms
        arrived_ms = _arrived_ms(point)
        if self._last and arrived_ms < self._last[-1][0]:
            return ()
        self._last.append((arrived_ms, float(point.fields[OFFSET])))
        while self._last[0][0] < arrived_ms - BEST_WITHIN_MS:
            self._last.popleft()
        offset_s, limit_s = max(offset for _, offset in self._last), self._condition.rule.above / 1000
        verdict = verdict_of(abs(offset_s), limit_s, None, limit_s * (1 - DEFAULT_HYSTERESIS))
        return [Sample(arrived_ms, arrived_ms, arrived_ms, offset_s, limit_s, verdict)]

    def due(self, now_ms: int) -> Sequence[Sample]:
        del now_ms
        return ()

    def freeze(self) -> Frozen:
        return (tuple(self._last),)


def _arrived_ms(point: Point) -> int:
    """When a state arrived, by the cloud's clock: its own time, less what its clock is ahead."""
    offset = point.fields.get(OFFSET)
    if not isinstance(offset, int | float):
        return point.t_ms
    offset_ms = round(offset * 1000)
    # The time of a clock that cannot be believed has been replaced by the arrival already.
    replaced = offset_ms > MAX_AHEAD_MS or point.t_ms + offset_ms < MIN_TIME_MS
    return point.t_ms if replaced else point.t_ms - offset_ms
