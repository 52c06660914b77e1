"""What all kinds of rules have in common: whom they are about, how much they matter, and when they speak."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import ClassVar, Final, Self

import msgspec
from msgspec import field

from cloud_stream.alerts.condition import Condition, Surroundings
from cloud_stream.alerts.schedule import Schedule
from wattline.config import DurationMs
from wattline.errors import ConfigError
from wattline.wire import Id

DEFAULT_HYSTERESIS: Final = 0.05
"""How far inside its limit a rule resolves when it names no `clear`."""
MAX_HOLD_MS: Final = 31 * 86_400_000


class Level(StrEnum):
    """Whose windows a rule judges."""

    METER = "meter"
    SITE = "site"
    FLEET = "fleet"


GATEWAY: Final = "gateway"
"""The level of rules on gateways; the alert's `meter` is then the gateway."""


class Severity(StrEnum):
    """How much a firing rule matters to a person."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Made:
    """What the flow makes that rules can be about.

    Attributes:
        windows_ms: The lengths of the windows; empty when not known.
        forecasts: Whether there are forecasts; None when not known.
    """

    windows_ms: Collection[int] = ()
    forecasts: bool | None = None


class Override(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[[rule.override]]`: what is different for some subjects; the first one that fits holds.

    Attributes:
        sites: For these. meters: For these. gateways: For these. At least one of them is given.
        enabled: False leaves them out of the rule.
    """

    sites: tuple[str, ...] = ()
    meters: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    enabled: bool = True
    severity: Severity | None = None
    above: float | None = None
    below: float | None = None
    clear: float | None = None
    after: DurationMs | None = None
    at_least: int | None = None
    min_score: float | None = None
    outside_band: float | None = None
    relative: float | None = None

    def fits(self, site: str, member: str) -> bool:
        """Whether it is about this subject."""
        members = self.meters or self.gateways
        return (not self.sites or site in self.sites) and (not members or member in members)

    @property
    def changes(self) -> dict[str, object]:
        """The keys of the rule that it changes."""
        given = msgspec.structs.asdict(self)
        return {key: given[key] for key in _CHANGES if given[key] is not None}


_CHANGES: Final = ("severity", "above", "below", "clear", "after", "at_least", "min_score", "outside_band", "relative")


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One rule of the file; each kind adds its own keys.

    Attributes:
        name: Unique in its file; a tag of every alert.
        severity: A tag of every alert.
        enabled: False is as if the rule were not there.
        sites: Only these; empty is all.
        active: Only at these local times; what happens outside counts as inside the limit.
        override: What is different for some subjects.
    """

    KIND: ClassVar[str]
    MOVABLE: ClassVar[frozenset[str]] = frozenset()
    """Keys that an override may change, beside `severity` and `enabled`."""
    ABOUT: ClassVar[tuple[str, ...]] = ()
    """Keys that must not change for remembered values to go on meaning the same."""
    COUNTS_METERS: ClassVar[bool] = False
    """Whether a rule on sites may be about some of their meters only."""

    name: Id
    severity: Severity = Severity.WARNING
    enabled: bool = True
    sites: tuple[str, ...] = ()
    active: Schedule | None = None
    override: tuple[Override, ...] = ()

    @property
    def subject_level(self) -> str:
        """The `level` of its alerts."""
        level: Level | str = getattr(self, "level", GATEWAY)
        return level.value if isinstance(level, Level) else level

    @property
    def members(self) -> tuple[str, ...]:
        """The meters or gateways that it is about; empty is all."""
        found: tuple[str, ...] = getattr(self, "gateways" if self.subject_level == GATEWAY else "meters", ())
        return found

    @property
    def hold_ms(self) -> int:
        """`for`: how long it must be so before the rule fires."""
        return 0

    @property
    def keep_ms(self) -> int:
        """`keep_firing_for`: how long it must be over before the rule resolves."""
        return 0

    @property
    def judged_quantity(self) -> str:
        """What value and limit of its alerts are of; "" where it is nothing that a store keeps."""
        return ""

    @property
    def judged_window_ms(self) -> int:
        """The window that values are of; 0 without one."""
        return 0

    @property
    def basis(self) -> tuple[object, ...]:
        """What must not change for remembered values to go on meaning the same."""
        special = tuple((one.sites, one.meters, one.gateways, one.severity, one.enabled) for one in self.override)
        about = tuple(_plain(getattr(self, key)) for key in self.ABOUT)
        return (self.KIND, self.severity.value, self.subject_level, about, tuple(map(_plain, special)))

    def variants(self) -> "list[tuple[Override | None, Self | None]]":
        """The rule as each override has it, None where switched off; last as it is for everyone else."""
        plain = msgspec.structs.replace(self, override=())
        special: list[tuple[Override | None, Self | None]] = [
            (one, msgspec.structs.replace(plain, **one.changes) if one.enabled else None) for one in self.override
        ]
        return [*special, (None, plain)]

    def check(self, made: Made) -> None:
        """Refuse a rule that can never fire, or never resolve.

        Raises:
            ConfigError: `where` is the path inside the rule.
        """
        self._check_scope()
        if self.active is not None:
            try:
                self.active.check()
            except ConfigError as error:
                raise ConfigError(f"active.{error.where}", error.problem) from None
        self.check_own(made)
        self._check_overrides(made)

    def check_own(self, made: Made) -> None:
        """What only this kind can get wrong.

        Raises:
            ConfigError: As `check`.
        """

    def condition(self, around: Surroundings) -> Condition:
        """What the rule looks at; of a rule without overrides."""
        raise NotImplementedError

    def words(self) -> str:
        """The rule in words, for a person."""
        raise NotImplementedError

    def _check_scope(self) -> None:
        level = self.subject_level
        for key in ("meters", "segments"):
            if getattr(self, key, ()) and level != Level.METER and not self.COUNTS_METERS:
                raise ConfigError(key, f"level = '{level}' has no meters")
        if self.sites and level == Level.FLEET:
            raise ConfigError("sites", "level = 'fleet' has no sites")

    def _check_overrides(self, made: Made) -> None:
        for number, one in enumerate(self.override):
            try:
                self._check_override(one)
                if one.enabled:
                    msgspec.structs.replace(self, override=(), **one.changes).check_own(made)
            except ConfigError as error:
                raise ConfigError(f"override[{number}].{error.where}", error.problem) from None

    def _check_override(self, one: Override) -> None:
        level = self.subject_level
        allowed = {Level.METER: ("sites", "meters"), Level.SITE: ("sites",), GATEWAY: ("sites", "gateways")}.get(
            level, ()
        )
        for key in ("sites", "meters", "gateways"):
            if getattr(one, key) and key not in allowed:
                raise ConfigError(key, f"a rule of level = '{level}' has no {key} to tell apart")
        if not (one.sites or one.meters or one.gateways):
            raise ConfigError(allowed[-1] if allowed else "sites", "is missing: whom is the override about?")
        for key in one.changes:
            if key != "severity" and key not in self.MOVABLE:
                raise ConfigError(key, f"is no key of kind = '{self.KIND}'")


def _plain(value: object) -> object:
    """A value as a snapshot keeps it: no classes of ours."""
    if isinstance(value, tuple):
        return tuple(_plain(one) for one in value)
    if isinstance(value, StrEnum):
        return value.value
    return int(value) if isinstance(value, DurationMs) else value


class LimitRule(Rule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A rule with a limit from one side, and how long things must be so.

    Attributes:
        above: Fires when the value is larger.
        below: Fires when the value is smaller.
        clear: Resolves at this value or farther inside; None is 5 % inside.
        hold: `for`: how long it must be beyond the limit; pending until then.
        keep_firing_for: How long it must be inside before the alert ends.
    """

    above: float | None = None
    below: float | None = None
    clear: float | None = None
    hold: DurationMs = field(default=DurationMs(0), name="for")
    keep_firing_for: DurationMs = DurationMs(0)

    @property
    def limit(self) -> float:
        """The value beyond which the rule fires."""
        return self.above if self.above is not None else (self.below or 0.0)

    @property
    def clear_at(self) -> float:
        """The value at which a firing rule resolves."""
        if self.clear is not None:
            return self.clear
        inwards = -1.0 if self.above is not None else 1.0
        return self.limit + inwards * DEFAULT_HYSTERESIS * abs(self.limit)

    @property
    def hold_ms(self) -> int:
        """See `Rule`."""
        return self.hold

    @property
    def keep_ms(self) -> int:
        """See `Rule`."""
        return self.keep_firing_for

    def is_beyond(self, value: float) -> bool:
        """Whether `value` breaks the limit."""
        return value > self.above if self.above is not None else value < self.limit

    def check_limit(self) -> None:
        """Refuse limits that are none.

        Raises:
            ConfigError: Not exactly one limit is given, it is no number, or `clear` lies beyond it.
        """
        if (self.above is None) == (self.below is None):
            raise ConfigError("above", "give either 'above' or 'below'")
        for key, value in (("above", self.above), ("below", self.below), ("clear", self.clear)):
            if value is not None and not isfinite(value):
                raise ConfigError(key, f"{value} is not a limit")
        if self.clear is not None and self.is_beyond(self.clear):
            raise ConfigError(
                "clear", f"{self.clear:g} lies beyond the limit {self.limit:g}: it would never resolve there"
            )
        for key, length in (("for", self.hold_ms), ("keep_firing_for", self.keep_ms)):
            if length > MAX_HOLD_MS:
                raise ConfigError(key, "is longer than 31 days")

    def side_words(self) -> str:
        """The limit for a person: "above 9000, clear at 8500, for 10m"."""
        side = "above" if self.above is not None else "below"
        words = f"{side} {self.limit:g} (ends at {self.clear_at:g})"
        words += f" for {span(self.hold_ms)}" if self.hold_ms else ""
        return words + (f", ends after {span(self.keep_ms)} inside" if self.keep_ms else "")


def check_window(window_ms: int, made: Made) -> None:
    """Refuse a window that is not made.

    Raises:
        ConfigError: `where` is `window`.
    """
    if window_ms <= 0:
        raise ConfigError("window", "has no length")
    if made.windows_ms and window_ms not in made.windows_ms:
        known = ", ".join(span(length) for length in sorted(made.windows_ms))
        raise ConfigError("window", f"no windows of {span(window_ms)} are made; there are {known}")


def span(length_ms: int) -> str:
    """Write a length of time as a configuration file would: "5m", "90s"."""
    for unit, unit_ms in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if length_ms % unit_ms == 0:
            return f"{length_ms // unit_ms}{unit}"
    return f"{length_ms}ms"
