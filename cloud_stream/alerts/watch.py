"""Which facts go to which rules: by what a fact is and whom it is about, never by trying every rule."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from cloud_stream.alerts.condition import Condition, Feed, Surroundings
from cloud_stream.alerts.lifecycle import Timing
from cloud_stream.alerts.rule import GATEWAY, Override, Rule
from cloud_stream.measurements import FORECAST, USAGE
from cloud_stream.records import Point, PointColumns

LISTED_MEMBERS: Final = 1000
"""A rule on more meters than this is asked for each fact: an index of them in each of the shards would be large."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A rule as it is for some of its subjects."""

    override: Override | None
    rule: Rule | None
    condition: Condition | None
    timing: Timing


@dataclass(frozen=True, slots=True)
class Watch:
    """One rule at work.

    Attributes:
        index: Its place in the file.
        variants: For the subjects of each override, in their order; the last is for everyone else.
        has_overrides: Whether there are others than the last.
        members: The rule's meters or gateways; empty is all. One set for all judges of a process.
    """

    index: int
    rule: Rule
    variants: tuple[Variant, ...]
    has_overrides: bool
    members: frozenset[str]

    def covers(self, site: str, member: str) -> bool:
        """Whether the rule is about this meter or gateway, or with `member` "" about this site."""
        sites = self.rule.sites
        return (not sites or site in sites) and (not self.members or not member or member in self.members)

    def subject(self, point: Point, site: str, member: str) -> tuple[str, str] | None:
        """Whom a fact is about, when any variant takes it."""
        if not self.has_overrides:
            condition = self.variants[0].condition
            return condition.subject(point, site, member) if condition is not None else None
        for variant in reversed(self.variants):
            found = variant.condition.subject(point, site, member) if variant.condition is not None else None
            if found is not None:
                return found
        return None

    def variant_for(self, site: str, meter: str) -> Variant:
        """The variant that holds for a subject."""
        return next(one for one in self.variants if one.override is None or one.override.fits(site, meter))


@dataclass(slots=True)
class _Route:
    everyone: list[Watch] = field(default_factory=list)
    asked: list[Watch] = field(default_factory=list)
    by_site: dict[str, list[Watch]] = field(default_factory=dict)
    by_member: dict[str, list[Watch]] = field(default_factory=dict)


class Routes:
    """The rules that may be about a fact."""

    def __init__(self, watches: Iterable[Watch]) -> None:
        """Sort the rules by what they look at."""
        self._routes: dict[Feed, _Route] = {}
        for watch in watches:
            for feed in _feeds(watch):
                self._add(self._routes.setdefault(feed, _Route()), watch)

    def find(self, feed: Feed, site: str, member: str) -> Sequence[Watch]:
        """The rules that may be about a fact of this feed, of this site and meter or gateway."""
        route = self._routes.get(feed)
        if route is None:
            return ()
        if not (route.by_site or route.by_member or route.asked):
            return route.everyone
        of_site, of_member = route.by_site.get(site, ()), route.by_member.get(member, ())
        chosen = [watch for watch in (*of_member, *route.asked) if watch.covers(site, member)]
        return [*route.everyone, *of_site, *chosen]

    def wanted(self, columns: PointColumns) -> Sequence[Point]:
        """The points of the series that some rule may be about; of the others none are made."""
        heads = [Point(columns.measurement, tags, 0, {}) for tags in columns.tags]
        places = [place for place, head in enumerate(heads) if self.find(feed_of(head), *place_of(head))]
        return columns.only(places) if places else ()

    def knows(self, feed: Feed) -> bool:
        """Whether any rule looks at such facts."""
        return feed in self._routes

    def _add(self, route: _Route, watch: Watch) -> None:
        rule = watch.rule
        if len(watch.members) > LISTED_MEMBERS:
            route.asked.append(watch)
        elif watch.members:
            for member in watch.members:
                route.by_member.setdefault(member, []).append(watch)
        elif rule.sites:
            for site in rule.sites:
                route.by_site.setdefault(site, []).append(watch)
        else:
            route.everyone.append(watch)


def watches_of(rules: Sequence[Rule], around: Surroundings, max_age_ms: int) -> list[Watch]:
    """The rules that are switched on, at work."""
    return [_watch(index, rule, around, max_age_ms) for index, rule in enumerate(rules) if rule.enabled]


def feed_of(point: Point) -> Feed:
    """What tells the kind of a fact."""
    tags = point.tags
    if point.measurement == USAGE:
        return USAGE, tags.get("level", ""), tags.get("window", "")
    if point.measurement == FORECAST:
        return FORECAST, tags.get("level", ""), tags.get("lead", "")
    return (point.measurement,)


def place_of(point: Point) -> tuple[str, str]:
    """The site, and the meter or gateway, that a fact is about."""
    if point.measurement == GATEWAY:
        return str(point.fields.get("site", "")), point.tags.get("gateway", "")
    return point.tags.get("site", ""), point.tags.get("meter", "")


def _watch(index: int, rule: Rule, around: Surroundings, max_age_ms: int) -> Watch:
    variants = tuple(_variant(override, changed, around, max_age_ms) for override, changed in rule.variants())
    return Watch(index, rule, variants, len(variants) > 1, _set_of(rule.members))


@lru_cache(maxsize=256)
def _set_of(members: tuple[str, ...]) -> frozenset[str]:
    return frozenset(members)


def _variant(override: Override | None, rule: Rule | None, around: Surroundings, max_age_ms: int) -> Variant:
    if rule is None:
        return Variant(override, None, None, Timing(0, 0, max_age_ms))
    return Variant(override, rule, rule.condition(around), Timing(rule.hold_ms, rule.keep_ms, max_age_ms))


def _feeds(watch: Watch) -> set[Feed]:
    return {feed for one in watch.variants if one.condition is not None for feed in one.condition.feeds}
