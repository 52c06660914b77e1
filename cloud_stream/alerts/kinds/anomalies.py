"""Counts of anomalies, and single events of the edge.

```toml
[[rule]]
kind = "anomalies"
name = "strange again and again"
at_least = 3            # so many ..
within = "6h"           # .. in so long
min_score = 0.99
kinds = ["anomaly"]     # what the edge calls them: anomaly, meter_silent, counter_rollback, ..; all by default
detectors = ["rule-stuck"]
segments = ["evening-peak"]
level = "site"          # meter (default) | site: of all its meters together

[[rule]]
kind = "event"
name = "register set back"
events = ["counter_rollback", "counter_jump"]
lasts = "1h"            # the alert ends by itself; by default after 1h, with `ends` after 30 days
# events = ["meter_silent"]
# ends = ["meter_back"]
```

An event counts once, however often it arrives. The alert ends when so many events do not lie within the span any more.
"""

from bisect import insort
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Final, NamedTuple, cast

from msgspec import Meta

from cloud_stream.alerts.condition import NEVER, Feed, Frozen, Sample, Surroundings, Verdict
from cloud_stream.alerts.rule import Level, Made, Rule, span
from cloud_stream.records import Point
from wattline.config import DurationMs
from wattline.errors import ConfigError

ANOMALY: Final = "anomaly"
MAX_WITHIN_MS: Final = 31 * 86_400_000
MAX_AHEAD_MS: Final = 3_600_000
"""An event of a clock that is further ahead would make those of all others look old."""
KEPT_BEYOND: Final = 64
"""Events remembered beside those that the rule needs, so that a repeated one is recognised."""
_REASON_LENGTH: Final = 200

Entry = tuple[int, str, str]
"""Time, meter, and detector with kind: what tells an event apart."""


class Counting(NamedTuple):
    """Which events are counted, and how many in how long are too many.

    Attributes:
        kinds: What the edge calls them; empty is all. detectors: who says so; empty is all.
        ends: Kinds of events that end the alert at once.
        what: For the words.
    """

    at_least: int
    within_ms: int
    min_score: float
    kinds: frozenset[str]
    detectors: frozenset[str]
    ends: frozenset[str]
    level: Level
    what: str


class AnomaliesRule(Rule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """So many anomalies in so long.

    Attributes:
        at_least: So many.
        within: In so long.
        min_score: Less anomalous ones do not count.
        kinds: What the edge calls them; empty is all.
        detectors: Who found them; empty is all.
        level: Whose are counted together: a meter's, or all of a site.
        meters: Only those of these; empty is all. segments: only of the meters of these.
    """

    KIND: ClassVar[str] = "anomalies"
    MOVABLE: ClassVar[frozenset[str]] = frozenset({"at_least", "min_score"})
    ABOUT: ClassVar[tuple[str, ...]] = ("within", "kinds", "detectors")
    COUNTS_METERS: ClassVar[bool] = True

    at_least: Annotated[int, Meta(ge=1, le=1000)] = 1
    within: DurationMs = DurationMs(3_600_000)
    min_score: Annotated[float, Meta(ge=0, le=1)] = 0.0
    kinds: tuple[str, ...] = ()
    detectors: tuple[str, ...] = ()
    level: Level = Level.METER
    meters: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()

    @property
    def judged_quantity(self) -> str:
        """See `Rule`."""
        return "anomalies"

    def check_own(self, made: Made) -> None:
        """See `Rule`."""
        del made
        _check_level(self.level)
        _check_span("within", self.within)
        for key, low, high in (("at_least", 1, 1000), ("min_score", 0, 1)):
            if not low <= getattr(self, key) <= high:
                raise ConfigError(key, f"is not between {low} and {high}")

    def condition(self, around: Surroundings) -> "Events":
        """See `Rule`."""
        kinds, detectors = frozenset(self.kinds), frozenset(self.detectors)
        counting = Counting(
            self.at_least, self.within, self.min_score, kinds, detectors, frozenset(), self.level, "anomalies"
        )
        return Events(counting, around)

    def words(self) -> str:
        """See `Rule`."""
        score = f" of score {self.min_score:g} and more" if self.min_score else ""
        which = "".join(f", {' or '.join(names)}" for names in (self.kinds, self.detectors) if names)
        return f"at least {self.at_least} anomalies{score} within {span(self.within)}{which}"


class EventRule(Rule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One event of the edge, such as a register set back.

    Attributes:
        events: Kinds of events that begin the alert.
        ends: Kinds of events that end it; without any it ends by itself.
        lasts: When it ends by itself.
        meters: Only those of these; empty is all. segments: only of the meters of these.
    """

    KIND: ClassVar[str] = "event"
    ABOUT: ClassVar[tuple[str, ...]] = ("events", "ends")
    COUNTS_METERS: ClassVar[bool] = True

    events: tuple[str, ...]
    ends: tuple[str, ...] = ()
    lasts: DurationMs | None = None
    level: Level = Level.METER
    meters: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()

    @property
    def lasts_ms(self) -> int:
        """When the alert ends by itself."""
        return self.lasts if self.lasts is not None else _ENDED_BY_EVENT_MS if self.ends else _BY_ITSELF_MS

    def check_own(self, made: Made) -> None:
        """See `Rule`."""
        del made
        _check_level(self.level)
        _check_span("lasts", self.lasts_ms)
        if not self.events:
            raise ConfigError("events", "names no event such as 'counter_rollback'")
        both = set(self.events) & set(self.ends)
        if both:
            raise ConfigError("ends", f"{min(both)!r} cannot begin and end the same alert")

    def condition(self, around: Surroundings) -> "Events":
        """See `Rule`."""
        kinds, ends, what = frozenset(self.events), frozenset(self.ends), " or ".join(self.events)
        return Events(Counting(1, self.lasts_ms, 0.0, kinds, frozenset(), ends, self.level, what), around)

    def words(self) -> str:
        """See `Rule`."""
        end = f" until {' or '.join(self.ends)}, at most" if self.ends else ", for"
        return f"{' or '.join(self.events)}{end} {span(self.lasts_ms)}"


_BY_ITSELF_MS: Final = 3_600_000
_ENDED_BY_EVENT_MS: Final = 30 * 86_400_000


def _check_level(level: Level) -> None:
    if level is Level.FLEET:
        raise ConfigError("level", "events are counted per meter or site")


def _check_span(key: str, length_ms: int) -> None:
    if not 0 < length_ms <= MAX_WITHIN_MS:
        raise ConfigError(key, 'must be above zero and at most "31d"')


class Events:
    """The condition of rules on anomalies and events."""

    def __init__(self, counting: Counting, around: Surroundings) -> None:
        """Count what `counting` says."""
        self.counting = counting
        self.around = around
        self.feeds: Sequence[Feed] = ((ANOMALY,),)

    def subject(self, point: Point, site: str, member: str) -> tuple[str, str] | None:
        """See `Condition`."""
        counting, kind = self.counting, point.fields.get("kind")
        if kind not in counting.ends:
            if counting.kinds and kind not in counting.kinds:
                return None
            if counting.detectors and point.tags.get("detector") not in counting.detectors:
                return None
            score = point.fields.get("score", 0.0)
            if isinstance(score, str) or score < counting.min_score:
                return None
        return (site, member) if counting.level is Level.METER else (site, "")

    def watcher(self, site: str, meter: str, frozen: Frozen = ()) -> "_Count":
        """See `Condition`."""
        del site, meter
        return _Count(self, *cast("Any", frozen))

    def words(self, who: str, sample: Sample, *, firing: bool) -> str:
        """See `Condition`."""
        counting = self.counting
        if not firing:
            return f"{who}: no more {counting.what}"
        reason = f" ({sample.detail[0]})" if sample.detail and sample.detail[0] else ""
        if counting.at_least == 1:
            return f"{who}: {counting.what}{reason}"
        return f"{who}: {sample.value:.0f} {counting.what} within {span(counting.within_ms)}{reason}"


class _Count:
    """The newest events of one subject."""

    __slots__ = ("_condition", "_ends_ms", "_entries")

    def __init__(self, condition: Events, ends_ms: int = NEVER, entries: Sequence[Entry] = ()) -> None:
        self._condition = condition
        self._ends_ms = ends_ms
        self._entries = list(entries)

    @property
    def wake_ms(self) -> int:
        return NEVER if self._ends_ms == NEVER else self._ends_ms + self._condition.around.grace_ms

    @property
    def weight(self) -> int:
        return 1 + len(self._entries)

    def take(self, point: Point, now_ms: int) -> Sequence[Sample]:
        if point.t_ms > now_ms + MAX_AHEAD_MS:
            return ()
        kind = str(point.fields.get("kind", ""))
        if kind in self._condition.counting.ends:
            return self._end(point.t_ms) if not self._entries or point.t_ms >= self._entries[-1][0] else ()
        entry = (point.t_ms, point.tags.get("meter", ""), f"{point.tags.get('detector', '')} {kind}")
        if entry in self._entries:
            return ()
        before = self._end(self._ends_ms) if point.t_ms >= self._ends_ms else ()
        self._insert(entry)
        return [*before, *self._judge(str(point.fields.get("reason", ""))[:_REASON_LENGTH])]

    def due(self, now_ms: int) -> Sequence[Sample]:
        return self._end(self._ends_ms) if now_ms >= self.wake_ms else ()

    def freeze(self) -> Frozen:
        return self._ends_ms, tuple(self._entries)

    def _insert(self, entry: Entry) -> None:
        insort(self._entries, entry)
        oldest_ms = self._entries[-1][0] - self._condition.counting.within_ms
        gone = sum(one[0] <= oldest_ms for one in self._entries)
        too_many = len(self._entries) - self._condition.counting.at_least - KEPT_BEYOND
        del self._entries[: max(gone, too_many)]

    def _judge(self, reason: str) -> Sequence[Sample]:
        counting = self._condition.counting
        if len(self._entries) < counting.at_least:
            return ()
        self._ends_ms = self._entries[-counting.at_least][0] + counting.within_ms
        t_ms, count, limit = self._entries[-1][0], float(len(self._entries)), float(counting.at_least)
        return [Sample(t_ms, t_ms, t_ms, count, limit, Verdict.BEYOND, detail=(reason,))]

    def _end(self, at_ms: int) -> Sequence[Sample]:
        """The alert is over; what counted before does not count again where an event has ended it."""
        if self._ends_ms == NEVER:
            return ()
        counting = self._condition.counting
        self._ends_ms = NEVER
        left = float(sum(one[0] > at_ms - counting.within_ms for one in self._entries))
        return [Sample(at_ms, at_ms, at_ms, 0.0 if counting.ends else left, counting.at_least, Verdict.CLEAR)]
