"""Decides from facts when a rule fires and when it resolves; composes conditions, episodes and words.

A fact goes to the rules that may be about it (`watch`). The watcher of the rule and subject says what it means
(`kinds`), the episode says what has changed by it (`lifecycle`), and what has changed becomes an alert of the store and
a notice for people (`wording`).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple

from cloud_stream.alerts.condition import NEVER, Sample, Surroundings, Verdict, Watcher
from cloud_stream.alerts.lifecycle import Episode, State, Turn
from cloud_stream.alerts.rule import GATEWAY, Rule
from cloud_stream.alerts.rules import RuleSet, RulesSource
from cloud_stream.alerts.wakes import Wakes
from cloud_stream.alerts.watch import Routes, Variant, Watch, feed_of, place_of, watches_of
from cloud_stream.alerts.wording import GONE, STATES, alert_point, alert_tags, notice, notice_key, sentence, who
from cloud_stream.measurements import ALERT
from cloud_stream.records import Notice, Point, PointColumns

DEFAULT_GRACE_MS: Final = 10_000
DEFAULT_MAX_WINDOWS: Final = 400_000
DEFAULT_MAX_AGE_MS: Final = 3_600_000
SETTLED_FOR_MS: Final = 30_000
"""The engine looks at a settled step so often all the same."""
_KEPT_AFTER_EVICTION: Final = 0.9
"""Forgetting goes a little below the bound, so that it does not run at every window above it."""

Decision = Point | Notice
Subject = tuple[int, str, str]
"""The rule's place, the site, and the meter or gateway."""


Kept = tuple[str, str, tuple[Any, ...], tuple[Any, ...]]
"""What is remembered of one subject: site, meter or gateway, what its watcher and what its episode remember."""


class Group(NamedTuple):
    """The subjects of one rule that share a severity, in a snapshot: plain values, for there may be many."""

    rule: str
    severity: str
    level: str
    tracks: tuple[Kept, ...]


class JudgeState(NamedTuple):
    """A snapshot of a judge: what each rule was about, and every subject."""

    bases: Mapping[str, tuple[object, ...]]
    groups: tuple[Group, ...]
    evicted: int


class _Track:
    """One subject under one rule."""

    __slots__ = ("episode", "meter", "site", "variant", "wake_ms", "watch", "watcher", "weight")

    def __init__(self, watch: Watch, variant: Variant, site: str, meter: str) -> None:
        self.watch = watch
        self.variant = variant
        self.site = site
        self.meter = meter
        self.wake_ms = NEVER
        self.weight = 0
        self.watcher: Watcher
        self.episode: Episode

    @property
    def subject(self) -> Subject:
        return self.watch.index, self.site, self.meter

    @property
    def labels(self) -> tuple[str, str, str]:
        """Rule, severity and level."""
        rule = self.variant.rule or self.watch.rule
        return rule.name, rule.severity.value, rule.subject_level


class AlertJudge:
    """Judges the facts of one shard, or of the fleet.

    Args:
        rules: In the order of their file; or where they come from, asked at every call.
        grace_ms: How long after its end a window still counts as open.
        max_windows: How many windows and events are remembered in all; the subjects
            that were silent longest are forgotten first, firing ones last.
        max_age_ms: What happened longer ago is recorded, and nobody is told.
        zone_of: The time zone of a site; of "", of the fleet.

    Attributes:
        counts: `evicted`: subjects forgotten to keep the bound; `pending`, `firing`, `resolved`: alerts;
            `told`: notices; `old_news`: alerts that fired too long ago for people; `rules`: how often they changed.
    """

    def __init__(
        self,
        rules: Sequence[Rule] | RulesSource,
        *,
        grace_ms: int = DEFAULT_GRACE_MS,
        max_windows: int = DEFAULT_MAX_WINDOWS,
        max_age_ms: int = DEFAULT_MAX_AGE_MS,
        zone_of: Callable[[str], str] = lambda _: "UTC",
    ) -> None:
        self.counts: Counter[str] = Counter(evicted=0)
        self._around = Surroundings(grace_ms, zone_of)
        self._max_windows = max_windows
        self._max_age_ms = max_age_ms
        self._source: RulesSource | None = rules if callable(rules) else None
        self._set = rules() if callable(rules) else RuleSet(tuple(rules))
        self._leaving: list[tuple[Group, Kept]] = []
        self._now_ms = 0
        self._install(self._set.rules)
        self._unsaid = self._set.problem

    @property
    def evicted(self) -> int:
        """Subjects forgotten to keep the bound."""
        return self.counts["evicted"]

    @property
    def settled(self) -> bool:
        """Whether nothing becomes due within the next half minute."""
        return not self._leaving and self._wakes.next_ms > self._now_ms + SETTLED_FOR_MS

    def judge(self, points: Iterable[Point | PointColumns], now_ms: int) -> list[Decision]:
        """Take new or revised facts and decide.

        Args:
            points: `usage`, `forecast`, `anomaly` and `gateway` points, some of them by the column; what no rule is
                about is ignored.
            now_ms: The wall clock, ms UTC.

        Returns:
            `alert` points at the times of what they are about, in the order of time, and notices.
        """
        self._follow_source()
        found = _Found()
        for feed, point in self._in_order(points):
            site, member = place_of(point)
            for watch in self._routes.find(feed, site, member):
                track = self._track(watch, point, site, member)
                if track is not None:
                    self._feed(track, track.watcher.take(point, now_ms), now_ms, found)
        return self._settle(now_ms, found)

    def due(self, now_ms: int) -> list[Decision]:
        """Decide what the clock alone decides; call it every second or so while not `settled`.

        Returns:
            As `judge`.
        """
        self._follow_source()
        return self._settle(now_ms, _Found())

    def state(self) -> JudgeState:
        """Everything to go on from, picklable and independent of this object."""
        bases = {rule.name: rule.basis for rule in self._set.rules if rule.enabled}
        groups: dict[tuple[str, str, str], list[Kept]] = {}
        for track in self._tracks.values():
            kept = (track.site, track.meter, track.watcher.freeze(), track.episode.freeze())
            groups.setdefault(track.labels, []).append(kept)
        return JudgeState(
            bases, tuple(Group(*labels, tuple(tracks)) for labels, tracks in groups.items()), self.evicted
        )

    def restore(self, state: JudgeState) -> None:
        """Go on from a snapshot; rules that are gone or are about something else now begin anew."""
        self._install(self._set.rules)
        self.counts["evicted"] = state.evicted
        watches = {watch.rule.name: watch for watch in self._watches}
        for group in state.groups:
            watch = watches.get(group.rule)
            is_same = watch is not None and state.bases.get(group.rule) == watch.rule.basis
            for kept in group.tracks:
                if not is_same or watch is None or not self._take_back(watch, kept):
                    self._leaving.append((group, kept))
        self._leaving = [(group, kept) for group, kept in self._leaving if _is_believed(kept)]

    def _install(self, rules: Sequence[Rule]) -> None:
        self._watches = watches_of(rules, self._around, self._max_age_ms)
        self._routes = Routes(self._watches)
        self._tracks: dict[Subject, _Track] = {}
        self._wakes: Wakes[_Track] = Wakes()
        self._weight = 0

    def _follow_source(self) -> None:
        if self._source is None:
            return
        newest = self._source()
        if newest is self._set:
            return
        state, before, self._set = self.state(), self._set, newest
        self._unsaid = newest.problem
        if newest.rules is not before.rules:
            self.counts["rules"] += 1
            self.restore(state)

    def _in_order(self, facts: Iterable[Point | PointColumns]) -> Iterator[tuple[tuple[str, ...], Point]]:
        """The facts that some rule looks at, in the order of time; what gateways say of themselves as it came."""
        known = []
        for point in self._one_by_one(facts):
            feed = feed_of(point)
            if self._routes.knows(feed):
                known.append((0 if point.measurement == GATEWAY else point.t_ms, feed, point))
        known.sort(key=itemgetter(0))
        for _, feed, point in known:
            yield feed, point

    def _one_by_one(self, facts: Iterable[Point | PointColumns]) -> Iterator[Point]:
        for fact in facts:
            if isinstance(fact, PointColumns):
                yield from self._routes.wanted(fact)
            else:
                yield fact

    def _track(self, watch: Watch, point: Point, site: str, member: str) -> _Track | None:
        """Whom a fact is about under a rule: someone known, someone new, or nobody."""
        found = watch.subject(point, site, member)
        if found is None:
            return None
        subject = (watch.index, *found)
        track = self._tracks.get(subject) or self._begin(watch, *found)
        if track is None or (watch.has_overrides and not _concerns(track, point, site, member)):
            return None
        self._tracks.pop(subject, None)
        # Last in the dictionary is who was heard of last.
        self._tracks[subject] = track
        return track

    def _begin(self, watch: Watch, site: str, meter: str) -> _Track | None:
        """Watch someone new; None when an override leaves them out."""
        variant = watch.variant_for(site, meter)
        if variant.condition is None:
            return None
        track = _Track(watch, variant, site, meter)
        track.watcher, track.episode = variant.condition.watcher(site, meter), Episode()
        return track

    def _take_back(self, watch: Watch, kept: Kept) -> bool:
        site, meter, watcher, episode = kept
        variant = watch.variant_for(site, meter)
        if variant.condition is None or not watch.covers(site, meter):
            return False
        track = _Track(watch, variant, site, meter)
        track.watcher, track.episode = variant.condition.watcher(site, meter, watcher), Episode(*episode)
        self._tracks[track.subject] = track
        self._remember(track)
        return True

    def _feed(self, track: _Track, samples: Sequence[Sample], now_ms: int, found: "_Found") -> None:
        if samples:
            rule, timing = track.variant.rule, track.variant.timing
            if rule is not None and rule.active is not None:
                samples = [self._in_season(track, rule, sample) for sample in samples]
            for turn in track.episode.feed(samples, timing, now_ms):
                self._say(track, turn, now_ms, found)
        self._remember(track)

    def _remember(self, track: _Track) -> None:
        """Note how much is kept of a subject, and when to look at it again."""
        weight = track.watcher.weight
        if weight != track.weight:
            self._weight += weight - track.weight
            track.weight = weight
        wake_ms = track.watcher.wake_ms
        if wake_ms < track.wake_ms:
            track.wake_ms = wake_ms
            self._wakes.add(track, wake_ms)

    def _in_season(self, track: _Track, rule: Rule, sample: Sample) -> Sample:
        zone = self._around.zone_of(track.site)
        if rule.active is None or rule.active.is_active(sample.seen_ms - 1, zone):
            return sample
        return sample._replace(verdict=Verdict.CLEAR)

    def _say(self, track: _Track, turn: Turn, now_ms: int, found: "_Found") -> None:
        rule, condition = track.variant.rule, track.variant.condition
        if rule is None or condition is None:
            return
        message = sentence(rule, condition, track.site, track.meter, turn)
        found.add(turn.sample.t_ms, track.subject, alert_point(rule, track.site, track.meter, turn, message))
        self.counts[STATES[State(turn.state)]] += turn.is_news
        if turn.round:
            self.counts["told"] += 1
            found.add(turn.sample.t_ms, track.subject, notice(rule, track.site, track.meter, turn, message, now_ms))
        elif turn.is_news and turn.state == State.FIRING:
            self.counts["old_news"] += 1

    def _settle(self, now_ms: int, found: "_Found") -> list[Decision]:
        self._now_ms = now_ms
        # A list: who has more to do at once is looked at again the next time, so that nothing goes round for ever.
        for track in list(self._wakes.due(now_ms)):
            if self._tracks.get(track.subject) is track:
                track.wake_ms = NEVER
                self._feed(track, track.watcher.due(now_ms), now_ms, found)
        self._forget()
        return [*self._farewells(now_ms), *found.in_order()]

    def _farewells(self, now_ms: int) -> list[Decision]:
        """What to say of alerts whose rule is gone, and of rules that could not be loaded."""
        said: list[Decision] = [self._unsaid] if self._unsaid is not None else []
        self._unsaid = None
        for group, kept in self._leaving:
            said += _farewell(group, kept, now_ms)
        self._leaving = []
        return said

    def _forget(self) -> None:
        if self._weight <= self._max_windows:
            return
        for subject in sorted(self._tracks, key=lambda subject: self._tracks[subject].episode.is_firing):
            self._weight -= self._tracks.pop(subject).weight
            self.counts["evicted"] += 1
            if self._weight <= self._max_windows * _KEPT_AFTER_EVICTION:
                return


class _Found:
    """Decisions, put in the order of time at the end."""

    def __init__(self) -> None:
        self._entries: list[tuple[int, Subject, int, Decision]] = []

    def add(self, t_ms: int, subject: Subject, decision: Decision) -> None:
        self._entries.append((t_ms, subject, len(self._entries), decision))

    def in_order(self) -> list[Decision]:
        self._entries.sort(key=lambda entry: entry[:3])
        return [decision for *_, decision in self._entries]


def _concerns(track: _Track, point: Point, site: str, member: str) -> bool:
    """Whether the subject's own variant wants the fact: an override may ask for a higher score."""
    condition = track.variant.condition
    return condition is not None and condition.subject(point, site, member) is not None


def _is_believed(kept: Kept) -> bool:
    episode = Episode(*kept[-1])
    return episode.is_firing or episode.is_told


def _farewell(group: Group, kept: Kept, now_ms: int) -> Iterator[Decision]:
    """The end of an alert whose rule is not there any more."""
    (rule, severity, level, _), (site, meter, _, remembered) = group, kept
    episode, about = Episode(*remembered), who(level, site, meter)
    text = f"{about}: {GONE}"
    fields: dict[str, float | int | str | bool] = {"state": "resolved", "message": text, "since_ms": episode.since_ms}
    tags = alert_tags(rule, severity, level, site, meter)
    yield Point(ALERT, tags, now_ms, fields | {"told": episode.is_told})
    if episode.is_told:
        yield Notice(
            key=notice_key(tags, episode.since_ms, "resolved", episode.round),
            group=rule,
            state="resolved",
            severity=severity,
            happened_ms=now_ms,
            decided_ms=now_ms,
            since_ms=episode.since_ms,
            level=level,
            site=site,
            meter=meter,
            title=f"{rule}: {about}",
            text=text,
        )
