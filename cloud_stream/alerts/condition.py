"""What every kind of rule is to the judge: conditions, the watchers they make, and the samples that these give."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple, Protocol

from cloud_stream.records import Point

Feed = tuple[str, ...]
"""Which facts a condition takes: a measurement, and what tells its points apart ("usage", "site", "5m")."""
Frozen = tuple[object, ...]
"""What a watcher remembers, as plain values for a snapshot."""
NEVER: Final = 2**62
FAR_PAST: Final = -(2**62)


class Verdict(IntEnum):
    """Where a value is: inside its limit, between `clear` and the limit, or beyond it."""

    CLEAR = 0
    BETWEEN = 1
    BEYOND = 2


class Sample(NamedTuple):
    """What a condition says of one subject at one time.

    A later sample of the same time revises the earlier one; of an older time it says nothing any more.

    Attributes:
        t_ms: The start of the window, or when the event happened; the time of the alert points.
        until_ms: It was so at least until then: what `for` is measured by. A function of the facts alone.
        seen_ms: It was so as late as then, by the wall clock at most: what decides whether people are still told.
        value: What is compared. limit: with what.
        is_open: The window goes on: what is beyond its limit stays so until its end, all else says nothing yet.
        detail: For the words of the condition.
    """

    t_ms: int
    until_ms: int
    seen_ms: int
    value: float
    limit: float
    verdict: Verdict
    is_open: bool = False
    detail: tuple[object, ...] = ()


class Watcher(Protocol):
    """One subject under one rule. The times of its samples do not depend on how facts are cut into batches."""

    @property
    def wake_ms(self) -> int:
        """When `due` has something to say, by the wall clock; `NEVER` while it needs no clock."""

    @property
    def weight(self) -> int:
        """How many windows or events are remembered."""

    def take(self, point: Point, now_ms: int) -> Sequence[Sample]:
        """Take a fact that is about this subject; samples in the order of time."""

    def due(self, now_ms: int) -> Sequence[Sample]:
        """What the wall clock alone decides; samples in the order of time."""

    def freeze(self) -> Frozen:
        """What to go on from; see `Condition.watcher`."""


class Condition(Protocol):
    """What one rule looks at and how; one object a rule (and override), shared by the watchers of all its subjects."""

    @property
    def feeds(self) -> Sequence[Feed]:
        """Which facts it takes."""

    def subject(self, point: Point, site: str, member: str) -> tuple[str, str] | None:
        """Whom a fact of its feeds is about: (site, meter or gateway), or None when it says nothing to this rule.

        Args:
            point: The fact.
            site: The fact's site; "" of the fleet.
            member: The meter or gateway that it names; "" without.
        """

    def watcher(self, site: str, meter: str, frozen: Frozen = ()) -> Watcher:
        """Watch a subject from now on, or from what another watcher's `freeze` gave."""

    def words(self, who: str, sample: Sample, *, firing: bool) -> str:
        """One sentence for a person: who, what, how much and against which limit."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What conditions need to know beside their rule.

    Attributes:
        grace_ms: How long after its end a window still counts as open.
        zone_of: The time zone of a site; of "", of the fleet.
    """

    grace_ms: int
    zone_of: Callable[[str], str]


def verdict_of(value: float, above: float | None, below: float | None, clear_at: float) -> Verdict:
    """Where a value is, for a limit from one side."""
    if above is not None:
        if value > above:
            return Verdict.BEYOND
        return Verdict.CLEAR if value <= clear_at else Verdict.BETWEEN
    if below is not None and value < below:
        return Verdict.BEYOND
    return Verdict.CLEAR if value >= clear_at else Verdict.BETWEEN
