"""The example files and the README's own are files that the product accepts."""

import re
from pathlib import Path

import pytest

from cloud_stream.alerts.rules import load_rules
from cloud_stream.config import load_config as load_cloud
from cloud_stream.intents.wishes import load_book
from cloud_stream.sites import load_sites
from edge_agent.config import load_config as load_agent

_CHECKOUT = Path(__file__).parents[1]
_DEPLOY = _CHECKOUT / "deploy"


def _readme_toml(title: str) -> str:
    """The first TOML block after a heading of the README."""
    section = (_CHECKOUT / "README.md").read_text().split(f"\n## {title}\n", 1)[1]
    found = re.search(r"```toml\n(.*?)```", section, re.DOTALL)
    assert found, f"no TOML under {title!r}"
    return found[1]


def test_the_example_gateway_reads_electricity_and_gas() -> None:
    config = load_agent(_DEPLOY / "agent.toml")
    assert [meter.sensor for meter in config.meter] == ["dsmr"]


def test_the_example_cloud_writes_to_influxdb() -> None:
    assert load_cloud(_DEPLOY / "cloud.toml").store.kind == "influxdb"


def test_the_example_rules_load() -> None:
    assert len(load_rules(_DEPLOY / "alerts.toml", (300_000, 1_800_000), forecasts=False)) == 9


def test_the_example_intents_load_with_the_example_sites() -> None:
    sites = load_sites(_DEPLOY / "sites.toml")
    book = load_book(_DEPLOY / "intents.toml", sites)
    assert [wish.name for wish in book.wishes] == [
        "main-fuse",
        "daily-budget",
        "monthly-bill",
        "ten-percent-less",
        "boilers-at-night",
    ]
    assert [getattr(book.tariff_of(sites.of(name)), "name", "") for name in ("house-1", "office-1", "other")] == [
        "evening-peak",
        "flat",
        "",
    ]


def test_the_readme_gateway_replays_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "MAC000002.csv.gz").touch()
    file = tmp_path / "agent.toml"
    file.write_text(_readme_toml("A gateway"))
    assert [meter.sensor for meter in load_agent(file).meter] == ["replay"]


def test_the_readme_cloud_writes_to_sqlite(tmp_path: Path) -> None:
    file = tmp_path / "cloud.toml"
    file.write_text(_readme_toml("The cloud"))
    assert load_cloud(file).store.kind == "sqlite"
