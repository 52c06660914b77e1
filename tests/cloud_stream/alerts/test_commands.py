"""Looking at rules, and trying them on what is stored."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cloud_stream.alerts.commands import app
from cloud_stream.stores.sqlite import SqliteStore
from tests.cloud_stream.alerts.facts import DAY_MS, HALF_HOUR_MS, gateway, usage

RULES = """
[[rule]]
name = "limit"
quantity = "power_w"
window = "5m"
above = 5000
severity = "critical"
meters = ["m1"]
active = {days = ["mon", "tue"], from = "08:00", to = "18:00"}

[[rule]]
kind = "consumption"
name = "budget [kWh]"
level = "site"
above = 5

[[rule]]
kind = "silent"
name = "silent"
after = "2h"
window = "30m"

[[rule]]
kind = "gateway_offline"
name = "gateway"
sites = ["h1", "h2", "h3", "h4"]
override = [{gateways = ["g"], severity = "info"}]
"""
Shell = Callable[..., Result]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    rules, config = tmp_path / "alerts.toml", tmp_path / "cloud.toml"
    rules.write_text(RULES)
    config.write_text(f'[alerts]\nrules = "{rules}"\n[store]\nkind = "sqlite"\npath = "{tmp_path}/wattline.db"\n')

    def run(*words: str) -> Result:
        return CliRunner(env={"COLUMNS": "200"}).invoke(app, [*words, "-c", str(config)])

    return run


@pytest.fixture
def some_day_ms(tmp_path: Path) -> int:
    """A day of which the store knows that h1 used 1 kWh each half hour, and that m1 spoke only in the morning."""
    start_ms = (time.time_ns() // 1_000_000 // DAY_MS - 2) * DAY_MS
    store = SqliteStore(tmp_path / "wattline.db", 400 * DAY_MS)
    store.prepare()
    times = range(start_ms, start_ms + DAY_MS, HALF_HOUR_MS)
    site = [usage(t_ms, meter="", energy_kwh=1.0) for t_ms in times]
    meter = [usage(t_ms, energy_kwh=1.0) for t_ms in times[:10]]
    store.write([], [*site, *meter, gateway(start_ms + 1, "offline", reason="will")])
    store.close()
    return start_ms


def test_check_reads_the_rules_out(shell: Shell) -> None:
    result = shell("check")
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    assert lines == [
        "rule severity about fires on",
        "limit critical m1 meters mean power_w over 5m above 5000 (ends at 4750); active mon,tue 08:00-18:00",
        "budget [kWh] warning all sites energy_kwh of the local day above 5",
        "silent warning all meters no data for 2h",
        "gateway warning all gateways of 4 the gateway is offline; different for some: 1",
        "4 rules, no errors",
    ]


def test_check_speaks_json(shell: Shell) -> None:
    rows = json.loads(shell("check", "--json").output)
    assert rows[2] == {"rule": "silent", "severity": "warning", "about": "all meters", "words": "no data for 2h"}


def _told(result: Result) -> list[Any]:
    assert result.exit_code == 0, result.output
    rows: list[Any] = json.loads(result.output)
    return rows


@pytest.mark.usefixtures("some_day_ms")
def test_the_past_happens_once_more(shell: Shell) -> None:
    told = [(one["group"], one["state"], one["site"], one["meter"]) for one in _told(shell("test", "--json"))]
    assert told == [
        ("gateway", "firing", "h1", "g"),
        ("budget [kWh]", "firing", "h1", ""),
        ("silent", "firing", "h1", "m1"),
        ("budget [kWh]", "resolved", "h1", ""),
    ]


def test_times_are_those_of_then(shell: Shell, some_day_ms: int) -> None:
    (begun, ended) = _told(shell("test", "--json", "--rule", "budget [kWh]"))
    # The sixth kilowatt hour is the first above 5, known when its half hour has ended.
    assert (begun["since_ms"], ended["since_ms"]) == (some_day_ms + 5 * HALF_HOUR_MS,) * 2
    assert begun["decided_ms"] - some_day_ms - 6 * HALF_HOUR_MS in range(120_000)


@pytest.mark.usefixtures("some_day_ms")
def test_one_rule_of_a_short_past_is_a_table(shell: Shell) -> None:
    result = shell("test", "--rule", "silent", "--last", "3d")
    assert "no data since" in result.output
    assert result.output.splitlines()[-1] == "alerts that would have begun in the last 3d: 1, of 1 subjects"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--rule", "nothing"], "no rule is called 'nothing'"),
        (["--last", "week"], "expected a duration"),
        (["--last", "0s"], "more than 0"),
        (["--last", "9999999d"], "no more than the store keeps"),
    ],
)
def test_what_cannot_be_tried_is_said(shell: Shell, words: list[str], problem: str) -> None:
    assert problem in str(shell("test", *words).exception)


def test_without_rules_there_is_nothing_to_check(tmp_path: Path) -> None:
    config = tmp_path / "cloud.toml"
    config.write_text("")
    result = CliRunner().invoke(app, ["check", "-c", str(config)])
    assert "names no file" in str(result.exception)
