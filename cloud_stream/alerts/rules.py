"""What `alerts.toml` says: limits on the windows of meters, sites and the fleet.

```toml
[[rule]]
name = "connection limit"
quantity = "power_w"
statistic = "peak"      # mean (default) | peak | last
window = "5m"
level = "site"          # meter (default) | site | fleet
above = 9000            # or below = ..
clear = 8500            # resolves here; 5 % inside the limit by default
severity = "critical"   # info | warning (default) | critical
sites = ["house-1"]     # all by default; `meters` likewise
last_n = 3              # judge the average of the last 3 windows
```
"""

from collections.abc import Collection
from enum import StrEnum
from math import isfinite
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from wattline.config import DurationMs, load
from wattline.errors import ConfigError, DecodeError
from wattline.quantities import Kind, Quantity, RollUp, quantity
from wattline.wire import Id

DEFAULT_HYSTERESIS: Final = 0.05
"""How far inside its limit a rule resolves when it names no `clear`."""
MAX_LAST_N: Final = 1000


class Statistic(StrEnum):
    """Which value of a gauge's window is judged: the average, the largest or the newest."""

    MEAN = "mean"
    PEAK = "peak"
    LAST = "last"


class Level(StrEnum):
    """Whose windows a rule judges."""

    METER = "meter"
    SITE = "site"
    FLEET = "fleet"


class Severity(StrEnum):
    """How much a firing rule matters to a person."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


_FIELD_END: Final = {Statistic.MEAN: "_mean", Statistic.PEAK: "_max", Statistic.LAST: "_last"}


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One limit on one quantity.

    Attributes:
        name: Unique in its file; a tag of every alert.
        quantity: A gauge, or an amount such as `energy_kwh`; not a register.
        statistic: Which value of a gauge's window; an amount has only one.
        window: The length of the windows judged, in ms.
        level: Whose windows.
        above: Fires when the value is larger. In the quantity's unit.
        below: Fires when the value is smaller. Exactly one of the two is given.
        clear: Resolves at this value or farther inside; None is 5 % inside.
        severity: A tag of every alert.
        sites: Only these; empty is all.
        meters: Only the meters with these ids; empty is all.
        last_n: How many windows are averaged; none is judged before so many are there.
    """

    name: Id
    quantity: str
    statistic: Statistic = Statistic.MEAN
    window: DurationMs = DurationMs(300_000)
    level: Level = Level.METER
    above: float | None = None
    below: float | None = None
    clear: float | None = None
    severity: Severity = Severity.WARNING
    sites: tuple[str, ...] = ()
    meters: tuple[str, ...] = ()
    last_n: Annotated[int, Meta(ge=1, le=MAX_LAST_N)] = 1

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
    def field(self) -> str:
        """The field of a usage point that is judged."""
        if quantity(self.quantity).kind is Kind.AMOUNT:
            return self.quantity
        return self.quantity + _FIELD_END[self.statistic]

    @property
    def judges_open_windows(self) -> bool:
        """Whether a value can only grow farther beyond the limit until its window closes."""
        is_gauge = quantity(self.quantity).kind is Kind.GAUGE
        return is_gauge and self.statistic is Statistic.PEAK and self.above is not None and self.last_n == 1

    def is_beyond(self, value: float) -> bool:
        """Whether `value` breaks the limit."""
        return value > self.above if self.above is not None else value < self.limit

    def is_cleared(self, value: float) -> bool:
        """Whether `value` is far enough inside the limit to resolve."""
        return value <= self.clear_at if self.above is not None else value >= self.clear_at

    def covers(self, site: str, meter: str) -> bool:
        """Whether the rule is about this meter, or with `meter` "" about this site."""
        return (not self.sites or site in self.sites) and (not self.meters or meter in self.meters)


class RulesFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of `alerts.toml`."""

    rule: tuple[Rule, ...] = ()


def load_rules(path: Path, windows_ms: Collection[int] = ()) -> tuple[Rule, ...]:
    """Read `alerts.toml`.

    Args:
        path: The file.
        windows_ms: The lengths of the windows that the flow makes; empty when not known.

    Raises:
        ConfigError: The file is missing, or a rule is not one that can ever fire.
    """
    rules = load(path, RulesFile).rule
    try:
        check_rules(rules, windows_ms)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.where}", error.problem) from None
    return rules


def check_rules(rules: Collection[Rule], windows_ms: Collection[int] = ()) -> None:
    """Check what a schema cannot say.

    Args:
        rules: In the order of their file.
        windows_ms: As in `load_rules`.

    Raises:
        ConfigError: Two rules share a name, or one could never fire; `where` is such as ``rule[2].clear``.
    """
    names: set[str] = set()
    for index, rule in enumerate(rules):
        try:
            _check_name(rule, names)
            _check_quantity(rule)
            _check_limits(rule)
            _check_scope(rule, windows_ms)
        except ConfigError as error:
            raise ConfigError(f"rule[{index}].{error.where}", error.problem) from None
        names.add(rule.name)


def _check_name(rule: Rule, names: Collection[str]) -> None:
    if rule.name in names:
        raise ConfigError("name", f"{rule.name!r} names two rules")


def _check_quantity(rule: Rule) -> None:
    judged = _known(rule.quantity)
    if judged.kind is Kind.COUNTER:
        raise ConfigError("quantity", f"{judged.name!r} is a register; its windows hold {judged.usage!r}")
    if judged.kind is Kind.GAUGE and judged.roll_up is RollUp.NONE and rule.level is not Level.METER:
        raise ConfigError("level", f"{judged.name!r} does not add up over meters: only level = 'meter' has it")


def _known(name: str) -> Quantity:
    try:
        return quantity(name)
    except DecodeError:
        raise ConfigError("quantity", f"{name!r} is unknown and does not end in a known unit") from None


def _check_limits(rule: Rule) -> None:
    if (rule.above is None) == (rule.below is None):
        raise ConfigError("above", "give either 'above' or 'below'")
    for key, value in (("above", rule.above), ("below", rule.below), ("clear", rule.clear)):
        if value is not None and not isfinite(value):
            raise ConfigError(key, f"{value} is not a limit")
    if rule.clear is not None and rule.is_beyond(rule.clear):
        raise ConfigError("clear", f"{rule.clear:g} lies beyond the limit {rule.limit:g}: it would never resolve there")


def _check_scope(rule: Rule, windows_ms: Collection[int]) -> None:
    if rule.window <= 0:
        raise ConfigError("window", "has no length")
    if windows_ms and rule.window not in windows_ms:
        known = ", ".join(span(length) for length in sorted(windows_ms))
        raise ConfigError("window", f"no windows of {span(rule.window)} are made; there are {known}")
    if rule.meters and rule.level is not Level.METER:
        raise ConfigError("meters", f"level = '{rule.level}' has no meters")
    if rule.sites and rule.level is Level.FLEET:
        raise ConfigError("sites", "level = 'fleet' has no sites")


def span(length_ms: int) -> str:
    """Write a length of time as a configuration file would: "5m", "90s"."""
    for unit, unit_ms in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if length_ms % unit_ms == 0:
            return f"{length_ms // unit_ms}{unit}"
    return f"{length_ms}ms"
