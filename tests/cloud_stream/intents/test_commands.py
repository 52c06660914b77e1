"""The command line `wattline intents`, as its user sees it."""

import json
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cloud_stream.intents.commands import app, bar
from cloud_stream.records import Point
from cloud_stream.stores.sqlite import SqliteStore
from tests.cloud_stream.intents.rig import HOUR_MS, TWO_RATES
from wattline.errors import ConfigError

INTENTS = (
    TWO_RATES
    + """
[[intent]]
name = "daily budget"
kind = "budget"
limit_kwh = 12
[[intent]]
name = "main fuse"
kind = "power_limit"
limit_w = 9000
"""
)
SITES = '[[site]]\nid = "house-1"\ncurrency = "GBP"\ntariff = "two-rates"\n'
CLOUD = '[store]\npath = "{0}/w.db"\n[sites]\nfile = "{0}/sites.toml"\n[intents]\nfile = "{0}/intents.toml"\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "sites.toml").write_text(SITES)
    (tmp_path / "intents.toml").write_text(INTENTS)
    file = tmp_path / "cloud.toml"
    file.write_text(CLOUD.format(tmp_path))
    return file


def _store(config: Path, points: list[Point]) -> None:
    store = SqliteStore(config.parent / "w.db", 400 * 24 * HOUR_MS)
    store.prepare()
    store.write([], points)
    store.close()


def _run(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_check_says_what_is_asked_for(config: Path) -> None:
    output = _run("check", "-c", str(config))
    assert "daily budget         every site: at most 12 kWh a day\n" in output
    assert "two-rates            tariff in GBP, 0.1 to 0.3 a kWh; of house-1\n" in output
    assert "loads are not switched, there are only recommendations" in output
    told = json.loads(_run("check", "-c", str(config), "--json"))
    assert [one["kind"] for one in told["intents"]] == ["budget", "power_limit"]


def test_check_without_intents_is_a_readable_error(config: Path) -> None:
    config.write_text("")
    with pytest.raises(ConfigError, match=r"intents\.file: is not set"):
        CliRunner().invoke(app, ["check", "-c", str(config)], catch_exceptions=False)


def test_status_shows_the_newest_word_and_what_would_help(config: Path) -> None:
    now_ms = time.time_ns() // 1_000_000
    tags = {"intent": "daily budget", "site": "house-1", "meter": ""}
    rows = [
        Point("intent", tags, now_ms - 2 * HOUR_MS, {"state": "on_track", "text": "old", "actual": 1.0, "limit": 12.0}),
        Point(
            "intent",
            tags,
            now_ms - HOUR_MS,
            {"state": "at_risk", "text": "new", "actual": 6.0, "expected": 18.0, "limit": 12.0},
        ),
        Point("intent", tags | {"intent": "gone"}, now_ms - HOUR_MS, {"state": "on_track", "text": "gone"}),
        Point("recommendation", tags | {"advice": "move"}, now_ms - 3 * HOUR_MS, {"text": "older", "assumption": "x"}),
        Point("recommendation", tags | {"advice": "allowance"}, now_ms - HOUR_MS, {"text": "less", "assumption": "y"}),
    ]
    _store(config, rows)
    output = _run("status", "-c", str(config))
    assert output.splitlines() == [
        "daily budget         house-1              at risk   [############++++++++++++] 150% expected",
        "                     new",
        "                     - less (y)",
        "main fuse            unknown   nothing is stored about it yet",
    ]
    (told,) = json.loads(_run("status", "-c", str(config), "--json"))["intents"]
    assert (told["state"], told["recommendations"][0]["advice"]) == ("at_risk", "allowance")
    assert json.loads(_run("status", "-c", str(config), "--site", "house-2", "--json")) == {"intents": []}


def test_cost_adds_up_day_by_day(config: Path) -> None:
    now_ms = time.time_ns() // 1_000_000
    midnight_ms = now_ms // (24 * HOUR_MS) * 24 * HOUR_MS
    tags = {"level": "site", "site": "house-1", "meter": "", "window": "30m"}
    _store(
        config,
        [
            Point("usage", tags, midnight_ms - (number + 1) * HOUR_MS // 2, {"energy_kwh": 0.5})
            for number in range(2 * 48)
        ],
    )
    told = json.loads(_run("cost", "--site", "house-1", "--last", "2d", "-c", str(config), "--json"))
    assert [day["kwh"] for day in told["days"]] == [24, 24, 0]
    assert told["days"][0]["energy"] == pytest.approx(7 * 0.1 + 17 * 0.3)
    assert told["days"][0]["standing"] == pytest.approx(0.5)
    assert told["total"]["energy"] == pytest.approx(2 * (7 * 0.1 + 17 * 0.3))
    assert [day["known"] for day in told["days"]][:2] == [1, 1]
    assert "together" in _run("cost", "--site", "house-1", "-c", str(config))
    with pytest.raises(ConfigError, match="'house-2' has no tariff"):
        CliRunner().invoke(app, ["cost", "--site", "house-2", "-c", str(config)], catch_exceptions=False)


def test_the_standing_charge_is_owed_without_readings(config: Path) -> None:
    now_ms = time.time_ns() // 1_000_000
    midnight_ms = now_ms // (24 * HOUR_MS) * 24 * HOUR_MS
    tags = {"level": "site", "site": "house-1", "meter": "", "window": "30m"}
    _store(
        config,
        [Point("usage", tags, midnight_ms - (n + 1) * HOUR_MS // 2, {"energy_kwh": 0.5}) for n in range(12)],
    )
    (day, _) = json.loads(_run("cost", "--site", "house-1", "--last", "1d", "-c", str(config), "--json"))["days"]
    assert (day["standing"], day["known"]) == (pytest.approx(0.5), 0.25)
    assert "; readings of 25% of the time" in _run("cost", "--site", "house-1", "--last", "1d", "-c", str(config))


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        ({"actual": 6.0, "expected": 9.0, "limit": 12.0}, "[############++++++......] 75% expected"),
        ({"actual": 30.0, "expected": 40.0, "limit": 12.0}, "[########################] 333% expected"),
        ({"actual": -1.0, "limit": 12.0}, "[........................]"),
        ({"actual": 6.0}, ""),
        ({"limit": 12.0}, ""),
    ],
)
def test_a_bar_ends_at_the_limit(row: dict[str, float], shown: str) -> None:
    assert bar(row) == shown
