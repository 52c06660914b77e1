"""The command line `wattline alerts`: look at rules, and try them on what is stored."""

import sys
import time
from collections.abc import Sequence
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from cloud_stream.alerts.judge import AlertJudge
from cloud_stream.alerts.rule import GATEWAY, Level, Rule
from cloud_stream.alerts.rules import load_rules
from cloud_stream.alerts.schedule import local_time
from cloud_stream.alerts.trial import feeds_of, replay
from cloud_stream.config import CloudConfig, load_config
from cloud_stream.ports import Store
from cloud_stream.records import Notice
from cloud_stream.sites import Sites, load_sites
from wattline.config import parse_duration
from wattline.errors import ConfigError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Rules for alerts: look at them, and try them on what is stored.",
    epilog="Example: wattline alerts check -c cloud.toml",
)
ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="The cloud's configuration.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DEFAULT_CONFIG: Final = Path("cloud.toml")
_SHOWN: Final = 3
"""Names of a scope that a table shows; of more, only how many."""


@app.command()
def check(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:  # noqa: FBT002 (typer's way to write a flag)
    """Say whether the rules can be used, and in words what each does.

    Example: wattline alerts check -c cloud.toml
    """
    rows = [_row(rule) for rule in _rules(load_config(config))]
    if as_json:
        _print(rows)
        return
    _table(
        ["rule", "severity", "about", "fires on"], [[*row.values()] for row in rows], f"{len(rows)} rules, no errors"
    )


@app.command("test")
def try_rules(
    config: ConfigOption = DEFAULT_CONFIG,
    rule: Annotated[str, typer.Option(help="The name of one rule; all by default.")] = "",
    last: Annotated[str, typer.Option(help="How much of the past is tried.")] = "7d",
    most: Annotated[int, typer.Option(min=1, help="Alerts that are printed; all are counted.")] = 100,
    as_json: JsonOption = False,  # noqa: FBT002 (typer's way to write a flag)
) -> None:
    """Let the past happen once more and say what people would have been told. Nothing is stored or sent.

    Of forecasts the store keeps only the last word on each interval: rules on them see less than they do live.

    Example: wattline alerts test -c cloud.toml --rule "connection limit" --last 7d
    """
    settings = load_config(config)
    rules = [one for one in _rules(settings) if rule in ("", one.name)]
    if not rules:
        raise ConfigError("--rule", f"no rule is called {rule!r}")
    sites, end_ms = load_sites(settings.sites.file), time.time_ns() // 1_000_000
    length_ms = _length(last, settings.store.retention)
    judge = AlertJudge(rules, zone_of=lambda site: sites.of(site).time_zone)
    with closing(_open_store(settings)) as store:
        decisions = replay(judge, store, feeds_of(rules), end_ms - length_ms, end_ms)
        told = [one for one in decisions if isinstance(one, Notice)]
    if as_json:
        _print([msgspec.to_builtins(one) for one in told])
        return
    begun = sum(one.state == "firing" for one in told)
    whom = len({(one.group, one.site, one.meter) for one in told})
    summary = f"alerts that would have begun in the last {last}: {begun}, of {whom} subjects"
    _table(["when", "state", "rule", "what"], [_told_row(one, sites) for one in told[:most]], summary)


def _rules(settings: CloudConfig) -> Sequence[Rule]:
    if settings.alerts.rules is None:
        raise ConfigError("alerts.rules", "names no file: there are no rules")
    return load_rules(settings.alerts.rules, settings.flow.widths_ms, forecasts=settings.forecast is not None)


def _row(rule: Rule) -> dict[str, str]:
    words = rule.words() if rule.enabled else f"(off) {rule.words()}"
    words += f"; active {rule.active.words()}" if rule.active is not None else ""
    words += f"; different for some: {len(rule.override)}" if rule.override else ""
    return {"rule": rule.name, "severity": rule.severity.value, "about": _about(rule), "words": words}


def _about(rule: Rule) -> str:
    what = {Level.METER: "meters", Level.SITE: "sites", Level.FLEET: "the fleet", GATEWAY: "gateways"}[
        rule.subject_level
    ]
    if rule.subject_level == Level.FLEET:
        return what
    members = f"{_names(rule.members)} " if rule.members else ""
    place = f" of {_names(rule.sites)}" if rule.sites and rule.subject_level != Level.SITE else ""
    of_site = f"{_names(rule.sites)} " if rule.sites and rule.subject_level == Level.SITE else ""
    return f"{members}{of_site}{what}{place}" if members or of_site else f"all {what}{place}"


def _names(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= _SHOWN else str(len(names))


def _told_row(one: Notice, sites: Sites) -> list[str]:
    return [local_time(one.happened_ms, sites.of(one.site).time_zone), one.state, one.group, one.text]


def _length(last: str, most_ms: int) -> int:
    try:
        length_ms = parse_duration(last)
    except ValueError as error:
        raise ConfigError("--last", str(error)) from None
    if not 0 < length_ms <= most_ms:
        raise ConfigError("--last", f"expected more than 0 and no more than the store keeps, got {last!r}")
    return length_ms


def _open_store(settings: CloudConfig) -> Store:
    # By name: this command composes alerts and stores, which know nothing of each other.
    store: Store = import_module("cloud_stream.stores").open_store(settings.store)
    return store


def _print(rows: Sequence[Any]) -> None:
    sys.stdout.write(msgspec.json.encode(rows).decode() + "\n")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], summary: str) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(*head, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(escape, row))
    console = Console(soft_wrap=False)
    console.print(table)
    console.print(summary, markup=False, highlight=False)
