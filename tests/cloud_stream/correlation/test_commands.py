"""`wattline cloud correlation` as its user sees it."""

import json
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from cloud_stream.correlation.commands import correlation
from cloud_stream.correlation.history import span_before
from cloud_stream.records import Point
from cloud_stream.stores.sqlite import SqliteStore
from tests.cloud_stream.correlation.series import HALF_HOUR, random, spread_over, winds
from wattline.errors import ConfigError, WattlineError

DAYS = 20
PNG = b"\x89PNG"

app = typer.Typer()
app.command()(correlation)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A cloud with one heated house of two meters."""
    now_ms = time.time_ns() // 1_000_000
    days = span_before("UTC", now_ms, DAYS, HALF_HOUR)
    warmth = winds(DAYS)
    energy = spread_over(days, 8 + 2 * np.maximum(0, 12 - warmth) + random(5).normal(0, 0.3, DAYS))
    points = [
        Point(
            "usage",
            {"level": "meter" if meter else "site", "site": "house", "meter": meter, "window": "30m"},
            t_ms,
            {"energy_kwh": float(share * energy[k])},
        )
        for meter, share in (("", 1.0), ("boiler", 0.75), ("rest", 0.25))
        for k, t_ms in enumerate(days.start_ms.tolist())
    ]
    points += [
        Point("weather", {"site": "house", "source": "measured"}, t_ms, {"temperature_c": float(warmth[k // 24])})
        for k, t_ms in enumerate(days.start_ms[::2].tolist())
    ]
    with closing(SqliteStore(tmp_path / "store.db", 400 * 86_400_000)) as store:
        store.prepare()
        assert not store.write((), points)
    file = tmp_path / "cloud.toml"
    file.write_text(f'[store]\npath = "{tmp_path}/store.db"\n')
    return file


def run(config: Path, *arguments: str) -> str:
    result = CliRunner().invoke(app, ["-c", str(config), *arguments])
    if result.exception is not None:
        raise result.exception
    return result.stdout


def test_a_person_gets_sentences(config: Path) -> None:
    printed = run(config, "--site", "house")
    assert "for each degree below 12 °C" in printed
    assert "Nobody counts the people present." in printed
    assert "Most is used from 19:00" in printed


def test_a_program_gets_numbers(config: Path) -> None:
    document = json.loads(run(config, "--site", "house", "--json"))
    temperature, occupancy, hour = document["drivers"]
    assert (document["site"], temperature["n"]) == ("house", DAYS)
    assert temperature["slope_kwh_per_unit"] == pytest.approx(2, rel=0.1)
    assert set(occupancy) == {"driver", "note", "n"}
    assert hour["peak_hour"] == 19


def test_one_meter_can_be_looked_at(config: Path) -> None:
    document = json.loads(run(config, "--site", "house", "--meter", "boiler", "--json"))
    assert document["meter"] == "boiler"
    assert document["drivers"][0]["slope_kwh_per_unit"] == pytest.approx(1.5, rel=0.1)


@pytest.mark.parametrize("site", ["house", "nowhere"])
def test_a_picture_is_drawn_also_of_nothing(config: Path, tmp_path: Path, site: str) -> None:
    run(config, "--site", site, "--plot", str(tmp_path / "picture.png"))
    assert (tmp_path / "picture.png").read_bytes().startswith(PNG)


def test_a_site_that_nobody_knows_is_no_error(config: Path) -> None:
    assert "No outdoor temperature is known." in run(config, "--site", "nowhere")


def test_what_cannot_be_used_is_one_readable_error(config: Path, tmp_path: Path) -> None:
    with pytest.raises(WattlineError, match="No such file"):
        run(config, "--site", "house", "--plot", str(tmp_path / "missing" / "picture.png"))
    with pytest.raises(ConfigError):
        run(tmp_path / "missing.toml", "--site", "house")
