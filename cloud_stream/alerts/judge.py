"""Decides from usage windows when a rule fires and when it resolves.

A window is *closed* when the wall clock is past its end plus a grace. Closed
windows are judged in the order of their starts; what comes for an open window
is held until it closes, the newest value per window. Only a peak above its limit speaks
while its window is open, because a peak can but grow.

The world believes the last alert that it was told. So a window is told about
only when its verdict differs from that belief: a repeated window says nothing, a revision
that turns the verdict of the newest window is told with that window's time,
and a store that upserts by (rule, subject, time) ends with the right state.
"""

from bisect import insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import fsum
from typing import Final, NamedTuple

from cloud_stream.alerts.rules import Level, Rule, span
from cloud_stream.records import Point
from wattline.config import parse_duration

DEFAULT_GRACE_MS: Final = 10_000
DEFAULT_MAX_WINDOWS: Final = 100_000
_KEPT_AFTER_EVICTION: Final = 0.9
"""Forgetting goes a little below the bound, so that it does not run at every window above it."""
MEASUREMENT: Final = "alert"


class Subject(NamedTuple):
    """What one rule watches: a meter, a site (`meter` is ""), or the fleet (both are "")."""

    rule: int
    site: str
    meter: str


class TrackState(NamedTuple):
    """What is remembered of one subject, as plain values for a snapshot."""

    rule: str
    site: str
    meter: str
    judged: tuple[tuple[int, float], ...]
    before: bool
    firing: bool
    held: tuple[tuple[int, float], ...]
    told: tuple[tuple[int, bool], ...]


class JudgeState(NamedTuple):
    """A snapshot of a judge: what each rule was about, and every subject."""

    bases: Mapping[str, tuple[object, ...]]
    tracks: tuple[TrackState, ...]
    evicted: int


@dataclass(slots=True)
class _Track:
    """One subject under one rule.

    Attributes:
        judged: The last N closed windows, (start, value), oldest first.
        before: Whether the rule fired before the newest judged window.
        firing: Whether it fires since.
        held: Start to newest value of windows that are not judged yet.
        told: Start to what the world was told, for the newest judged window and open ones.
    """

    judged: list[tuple[int, float]] = field(default_factory=list)
    before: bool = False
    firing: bool = False
    held: dict[int, float] = field(default_factory=dict)
    told: dict[int, bool] = field(default_factory=dict)

    @property
    def newest_ms(self) -> int:
        """The start of the newest judged window, before all times when there is none."""
        return self.judged[-1][0] if self.judged else -(2**63)

    @property
    def windows(self) -> int:
        """How many windows it keeps, and one for itself."""
        return 1 + len(self.judged) + len(self.held)


class AlertJudge:
    """Judges the windows of one shard, or of the fleet.

    Args:
        rules: In the order of their file.
        grace_ms: How long after its end a window still counts as open.
        max_windows: How many windows are remembered in all; the subjects
            that were silent longest are forgotten first, firing ones last.

    Attributes:
        evicted: Subjects forgotten to keep the bound.
    """

    def __init__(
        self, rules: Sequence[Rule], *, grace_ms: int = DEFAULT_GRACE_MS, max_windows: int = DEFAULT_MAX_WINDOWS
    ) -> None:
        self.evicted = 0
        self._rules = tuple(rules)
        self._grace_ms = grace_ms
        self._max_windows = max_windows
        self._tracks: dict[Subject, _Track] = {}
        self._windows = 0
        # End of a window to who holds one that ends then: what to look at when the clock moves on.
        self._closing: dict[int, dict[Subject, None]] = {}
        self._scopes: dict[tuple[str, int], list[tuple[int, Rule, str]]] = {}
        for index, rule in enumerate(self._rules):
            self._scopes.setdefault((rule.level.value, rule.window), []).append((index, rule, rule.field))

    def judge(self, points: Iterable[Point], now_ms: int) -> list[Point]:
        """Take new or revised windows and decide.

        Args:
            points: `usage` points; other levels, lengths and quantities than the rules' are ignored.
            now_ms: The wall clock, ms UTC.

        Returns:
            `alert` points at the windows' starts, in the order of time.
        """
        touched: dict[Subject, None] = {}
        for point in points:
            for subject, value in self._judged_values(point):
                self._hold(subject, point.t_ms, value)
                touched[subject] = None
        return self._settle(touched, now_ms)

    def due(self, now_ms: int) -> list[Point]:
        """Decide on the windows that have closed since; call it every second or so.

        Returns:
            As `judge`.
        """
        return self._settle({}, now_ms)

    def state(self) -> JudgeState:
        """Everything to go on from, picklable and independent of this object."""
        return JudgeState(
            {rule.name: _basis(rule) for rule in self._rules},
            tuple(_frozen(self._rules[subject.rule].name, subject, track) for subject, track in self._tracks.items()),
            self.evicted,
        )

    def restore(self, state: JudgeState) -> None:
        """Go on from a snapshot; rules that are gone or are about something else now begin anew."""
        same = {
            rule.name: index for index, rule in enumerate(self._rules) if state.bases.get(rule.name) == _basis(rule)
        }
        self.evicted = state.evicted
        self._tracks = {}
        self._closing = {}
        for kept in state.tracks:
            if kept.rule in same:
                subject = Subject(same[kept.rule], kept.site, kept.meter)
                held, told = dict(kept.held), dict(kept.told)
                self._tracks[subject] = _Track(list(kept.judged), kept.before, kept.firing, held, told)
                for start_ms in held:
                    self._await_close(subject, start_ms)
        self._windows = sum(track.windows for track in self._tracks.values())

    def _judged_values(self, point: Point) -> Iterator[tuple[Subject, float]]:
        level, site, meter = (point.tags.get(tag, "") for tag in ("level", "site", "meter"))
        for index, rule, name in self._scopes.get((level, _length_ms(point.tags.get("window", ""))), ()):
            value = point.fields.get(name)
            if isinstance(value, int | float) and rule.covers(site, meter):
                yield Subject(index, site, meter), float(value)

    def _hold(self, subject: Subject, start_ms: int, value: float) -> None:
        track = self._tracks.pop(subject, None)
        if track is None:
            track = _Track()
            self._windows += 1
        # Last in the dictionary is who was heard of last.
        self._tracks[subject] = track
        self._windows += start_ms not in track.held
        track.held[start_ms] = value
        self._await_close(subject, start_ms)

    def _await_close(self, subject: Subject, start_ms: int) -> None:
        self._closing.setdefault(start_ms + self._rules[subject.rule].window, {})[subject] = None

    def _settle(self, touched: dict[Subject, None], now_ms: int) -> list[Point]:
        for end_ms in [end_ms for end_ms in self._closing if end_ms + self._grace_ms <= now_ms]:
            touched |= self._closing.pop(end_ms)
        told: list[tuple[int, Subject, Point]] = []
        for subject in touched:
            track = self._tracks.get(subject)
            if track is not None:
                rule, kept_before = self._rules[subject.rule], track.windows
                told += (
                    (point.t_ms, subject, point) for point in _decide(rule, subject, track, now_ms - self._grace_ms)
                )
                self._windows += track.windows - kept_before
        self._forget()
        told.sort(key=lambda entry: entry[:2])
        return [point for _, _, point in told]

    def _forget(self) -> None:
        if self._windows <= self._max_windows:
            return
        for subject in sorted(self._tracks, key=lambda subject: self._tracks[subject].firing):
            self._windows -= self._tracks.pop(subject).windows
            self.evicted += 1
            if self._windows <= self._max_windows * _KEPT_AFTER_EVICTION:
                return


def _decide(rule: Rule, subject: Subject, track: _Track, closed_before_ms: int) -> Iterator[Point]:
    """Judge the held windows of one subject that can be judged now, oldest first."""
    for start_ms in sorted(track.held):
        # A window no newer than a judged one is a revision, even when the wall clock was set back since.
        if start_ms + rule.window <= closed_before_ms or start_ms <= track.newest_ms:
            yield from _close(rule, subject, track, start_ms)
    if rule.judges_open_windows:
        yield from _look_ahead(rule, subject, track)


def _close(rule: Rule, subject: Subject, track: _Track, start_ms: int) -> Iterator[Point]:
    newest_ms, value = track.newest_ms, track.held.pop(start_ms)
    if not _remember(track.judged, start_ms, value, rule.last_n):
        return
    if start_ms > newest_ms:
        track.before = track.firing
        track.told = {told_ms: state for told_ms, state in track.told.items() if told_ms >= start_ms}
    verdict = track.before
    if len(track.judged) == rule.last_n:
        value = fsum(value for _, value in track.judged) / rule.last_n
        verdict = _verdict(rule, value, was_firing=track.before)
    track.firing = verdict
    if verdict != track.told.get(track.newest_ms, track.before):
        track.told[track.newest_ms] = verdict
        yield _alert(rule, subject, track.newest_ms, value, firing=verdict)


def _look_ahead(rule: Rule, subject: Subject, track: _Track) -> Iterator[Point]:
    firing = track.firing
    for start_ms in sorted(track.held):
        if not firing and rule.is_beyond(track.held[start_ms]):
            firing = True
            if not track.told.get(start_ms, False):
                track.told[start_ms] = True
                yield _alert(rule, subject, start_ms, track.held[start_ms], firing=True)


def _remember(judged: list[tuple[int, float]], start_ms: int, value: float, last_n: int) -> bool:
    """Put a window among the last N; False when it was there or is older than all of them."""
    earlier = list(judged)
    judged[:] = [entry for entry in judged if entry[0] != start_ms]
    insort(judged, (start_ms, value))
    del judged[:-last_n]
    return judged != earlier


def _verdict(rule: Rule, value: float, *, was_firing: bool) -> bool:
    if rule.is_beyond(value):
        return True
    return was_firing and not rule.is_cleared(value)


def _alert(rule: Rule, subject: Subject, start_ms: int, value: float, *, firing: bool) -> Point:
    tags = {
        "rule": rule.name,
        "severity": rule.severity.value,
        "level": rule.level.value,
        "site": subject.site,
        "meter": subject.meter,
    }
    fields: dict[str, float | int | str | bool] = {
        "state": "firing" if firing else "resolved",
        "value": value,
        "limit": rule.limit,
        "message": message(rule, subject, value, firing=firing),
    }
    return Point(MEASUREMENT, tags, start_ms, fields)


def message(rule: Rule, subject: Subject, value: float, *, firing: bool) -> str:
    """One sentence for a person: who, what, how much and against which limit."""
    who = {
        Level.METER: f"meter {subject.meter} of {subject.site}",
        Level.SITE: subject.site,
        Level.FLEET: "the fleet",
    }[rule.level]
    windows = span(rule.window) if rule.last_n == 1 else f"{rule.last_n} x {span(rule.window)}"
    what = rule.quantity if rule.field == rule.quantity else f"{rule.statistic.value} {rule.quantity}"
    side = "above" if rule.above is not None else "below"
    judgement = f"{side} {rule.limit:g}" if firing else f"no longer {side} {rule.limit:g}"
    return f"{who}: {what} over {windows} is {value:.6g}, {judgement}"


def _basis(rule: Rule) -> tuple[object, ...]:
    """What must not change for remembered values to go on meaning the same."""
    return (rule.field, int(rule.window), rule.level.value, rule.last_n, rule.above is None, rule.severity.value)


def _frozen(name: str, subject: Subject, track: _Track) -> TrackState:
    held, told = tuple(track.held.items()), tuple(track.told.items())
    judged = tuple(track.judged)
    return TrackState(name, subject.site, subject.meter, judged, track.before, track.firing, held, told)


@lru_cache(maxsize=256)
def _length_ms(window: str) -> int:
    """The length that a window tag names; 0, which no rule has, when it names none."""
    try:
        return parse_duration(window)
    except ValueError:
        return 0
