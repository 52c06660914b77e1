"""What `alerts.toml` says; each kind of rule is described in its module of `kinds`.

```toml
segments = "segments.csv"   # optional: names for groups of meters, as `wattline models segments` writes them

[[rule]]
kind = "threshold"          # the default; consumption, forecast, deviation, anomalies, event, silent, gateway_offline,
                            # clock_drift
name = "connection limit"
severity = "critical"       # info | warning (default) | critical
sites = ["house-1"]         # all by default; `meters` and `segments` likewise
active = {days = ["mon", "tue"], from = "08:00", to = "18:00"}

[[rule.override]]           # what is different for some; the first that fits holds
sites = ["workshop"]
above = 20000
```
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from cloud_stream.alerts.kinds.anomalies import AnomaliesRule, EventRule
from cloud_stream.alerts.kinds.consumption import ConsumptionRule
from cloud_stream.alerts.kinds.deviation import DeviationRule
from cloud_stream.alerts.kinds.forecast_limit import ForecastRule
from cloud_stream.alerts.kinds.gateways import ClockDriftRule, GatewayOfflineRule
from cloud_stream.alerts.kinds.silence import SilentRule
from cloud_stream.alerts.kinds.threshold import ThresholdRule
from cloud_stream.alerts.rule import Made, Rule
from cloud_stream.records import Notice
from wattline.config import convert, load
from wattline.errors import ConfigError
from wattline.segments import load_segment_tags

KINDS: Final[Mapping[str, type[Rule]]] = {
    kind.KIND: kind
    for kind in (
        ThresholdRule,
        ConsumptionRule,
        ForecastRule,
        DeviationRule,
        AnomaliesRule,
        EventRule,
        SilentRule,
        GatewayOfflineRule,
        ClockDriftRule,
    )
}
MAX_RULES: Final = 2000


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules in force.

    Attributes:
        problem: Why the newest file is not the one in force; None when it is.
    """

    rules: tuple[Rule, ...] = ()
    problem: Notice | None = None


RulesSource = Callable[[], RuleSet]
"""Gives the newest good rules; the same object as long as nothing has changed. Called often: it must be quick."""


class RulesFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of `alerts.toml`, its rules not looked at yet."""

    rule: tuple[dict[str, Any], ...] = ()
    segments: Path | None = None


def load_rules(path: Path, windows_ms: Collection[int] = (), *, forecasts: bool | None = None) -> tuple[Rule, ...]:
    """Read `alerts.toml`.

    Args:
        path: The file.
        windows_ms: The lengths of the windows that the flow makes; empty when not known.
        forecasts: Whether forecasts are made; None when not known.

    Raises:
        ConfigError: The file is missing, or a rule is not one that can ever fire.
    """
    rules, _ = load_rules_and_files(path, Made(windows_ms, forecasts))
    return rules


def load_rules_and_files(path: Path, made: Made) -> tuple[tuple[Rule, ...], tuple[Path, ...]]:
    """Read `alerts.toml`, and say which files it was made of.

    Raises:
        ConfigError: As `load_rules`.
    """
    file = load(path, RulesFile)
    try:
        segments = load_segment_tags(file.segments) if file.segments is not None else {}
        rules = tuple(_rule(table, f"rule[{index}]", segments) for index, table in enumerate(file.rule))
        check_rules(rules, made)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.where}", error.problem) from None
    return rules, (path,) if file.segments is None else (path, file.segments)


def check_rules(rules: Collection[Rule], made: Made) -> None:
    """Check what a schema cannot say.

    Args:
        rules: In the order of their file.
        made: What the flow makes.

    Raises:
        ConfigError: Two rules share a name, or one could never fire; `where` is such as ``rule[2].clear``.
    """
    if len(rules) > MAX_RULES:
        raise ConfigError("rule", f"there are more than {MAX_RULES}")
    names: set[str] = set()
    for index, rule in enumerate(rules):
        try:
            _check_name(rule, names)
            rule.check(made)
        except ConfigError as error:
            raise ConfigError(f"rule[{index}].{error.where}", error.problem) from None
        names.add(rule.name)


def _check_name(rule: Rule, names: Collection[str]) -> None:
    if rule.name in names:
        raise ConfigError("name", f"{rule.name!r} names two rules")


def _rule(table: Mapping[str, Any], where: str, segments: Mapping[str, str]) -> Rule:
    own = dict(table)
    kind = own.pop("kind", ThresholdRule.KIND)
    if not isinstance(kind, str) or kind not in KINDS:
        raise ConfigError(f"{where}.kind", f"{kind!r} is none of {', '.join(KINDS)}")
    return _with_meters_of(convert(own, KINDS[kind], where), where, segments)


def _with_meters_of(rule: Rule, where: str, segments: Mapping[str, str]) -> Rule:
    """The rule with the meters of its segments, which may be narrowed by `meters`."""
    wanted: tuple[str, ...] = getattr(rule, "segments", ())
    for name in wanted:
        if name not in segments.values():
            raise ConfigError(f"{where}.segments", f"no meter is in segment {name!r}")
    if not wanted:
        return rule
    members = {meter for meter, segment in segments.items() if segment in wanted}
    meters = members & set(rule.members) if rule.members else members
    if not meters:
        raise ConfigError(f"{where}.segments", "none of the rule's meters is in them")
    return msgspec.structs.replace(rule, meters=tuple(sorted(meters)))
