"""One site at one instant, as limits and moved loads look at it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan
from typing import NamedTuple

from cloud_stream.intents.ledger import Ledger, ShortWindow, Subject
from cloud_stream.intents.loads import Load, LoadKey
from cloud_stream.intents.settings import IntentSettings
from cloud_stream.intents.wishes import Book
from cloud_stream.sites import Site


class Want(NamedTuple):
    """That a load shall be off.

    Attributes:
        intent: For which. reason: for a person.
    """

    intent: str
    reason: str


class Fresh(NamedTuple):
    """The newest short window of a subject.

    Attributes:
        start_ms: Its start. until_ms: how far its readings reach.
    """

    window: ShortWindow
    start_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class Scene:
    """A site at an instant.

    Attributes:
        site: The defaults for the fleet, which has no loads.
        book: The intents in force.
        ledgers: Of every subject that is followed.
        loads: Of the site, in a fixed order.
        now_ms: The wall clock.
        commands: Whether orders may be given at all.
    """

    site: Site
    book: Book
    settings: IntentSettings
    ledgers: Mapping[Subject, Ledger]
    loads: Sequence[tuple[LoadKey, Load]]
    now_ms: int
    commands: bool

    def newest(self, subject: Subject) -> Fresh | None:
        """The newest short window of a subject; None when it says nothing of now."""
        ledger = self.ledgers.get(subject)
        if ledger is None:
            return None
        begun = (
            start for start, one in ledger.short.items() if start + one.is_sum * self.settings.short_ms <= self.now_ms
        )
        start_ms = max(begun, default=0)
        until_ms = min(start_ms + self.settings.short_ms, self.now_ms)
        if self.now_ms - until_ms > self.settings.fresh_ms:
            return None
        return Fresh(ledger.short[start_ms], start_ms, until_ms)

    def shown_w(self, load: Load) -> float:
        """What the meter of a load, or of its site, shows now; NaN is unknown."""
        fresh = self.newest(self.seen_by(load))
        if fresh is None:
            return nan
        return fresh.window.mean_w if isnan(fresh.window.last_w) else fresh.window.last_w

    def draw_w(self, load: Load) -> float:
        """What a load takes now, at most what it is said to: switching it off saves that."""
        if load.hold is not None:
            return load.hold.draw_w
        if load.state == "off":
            return 0.0
        shown_w = self.shown_w(load) if load.meter else nan
        return load.power_w if isnan(shown_w) else min(load.power_w, max(shown_w, 0.0))

    def seen_by(self, load: Load) -> Subject:
        """Whose power a load shows in."""
        return Subject("meter" if load.meter else "site", self.site.id, load.meter)
