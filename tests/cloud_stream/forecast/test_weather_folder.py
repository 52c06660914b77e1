"""Weather from files that change, are missing, wrong or old."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from cloud_stream.config_sections import WeatherConfig
from cloud_stream.forecast.weather_folder import LOOK_EVERY_MS, WeatherFolder
from cloud_stream.sites import Site
from cloud_stream.weather_files import place_file_name
from wattline.config import DurationMs

HOUR_MS = 3_600_000
NOW_MS = 1_700_049_600_000
STALE_MS = 6 * HOUR_MS
LONDON = Site(id="home", latitude=51.5, longitude=-0.1)
NOWHERE = Site(id="cabin")


def write(path: Path, celsius: float, written_ms: int = NOW_MS) -> None:
    """A whole day of one temperature, put there as the fetching job does: at once."""
    times = [(NOW_MS + hour * HOUR_MS) // 1000 for hour in range(-12, 12)]
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({"hourly": {"time": times, "temperature_2m": [celsius] * len(times)}}))
    os.utime(fresh, ns=(written_ms * 1_000_000, written_ms * 1_000_000))
    fresh.replace(path)


@pytest.fixture
def config(tmp_path: Path) -> WeatherConfig:
    return WeatherConfig(dir=tmp_path, stale_after=DurationMs(STALE_MS))


def told(weather: WeatherFolder, site: Site, now_ms: int = NOW_MS) -> float:
    return float(weather.temperature_c(weather.place_of(site), NOW_MS, HOUR_MS, 1, now_ms)[0])


def test_a_site_has_the_weather_of_its_place(config: WeatherConfig) -> None:
    write(config.dir / place_file_name(51.5, -0.1), 7.0)
    weather = WeatherFolder(config)
    assert told(weather, LONDON) == 7.0
    assert weather.place_of(NOWHERE) == ""


def test_a_site_without_coordinates_has_the_weather_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "here.json"
    write(file, 3.0)
    weather = WeatherFolder(WeatherConfig(dir=tmp_path, file=file))
    assert told(weather, NOWHERE) == 3.0
    assert np.isnan(told(weather, LONDON)), "its own place is not known"


def test_a_file_that_changes_is_read_again_and_only_then(config: WeatherConfig) -> None:
    path = config.dir / weather_name()
    write(path, 7.0)
    weather = WeatherFolder(config)
    assert [told(weather, LONDON, NOW_MS + i * LOOK_EVERY_MS) for i in range(3)] == [7.0] * 3
    assert weather.counts["read_files"] == 1
    write(path, 9.0, NOW_MS + 5000)
    assert told(weather, LONDON, NOW_MS + 5000) == 9.0


def weather_name() -> str:
    return place_file_name(51.5, -0.1)


def test_weather_that_stops_is_used_until_it_is_stale(config: WeatherConfig) -> None:
    write(config.dir / weather_name(), 7.0)
    weather = WeatherFolder(config)
    assert told(weather, LONDON, NOW_MS + STALE_MS) == 7.0
    assert np.isnan(told(weather, LONDON, NOW_MS + STALE_MS + 1))


def test_a_wrong_file_leaves_the_weather_before_in_force_and_is_counted_once(config: WeatherConfig) -> None:
    path = config.dir / weather_name()
    write(path, 7.0)
    weather = WeatherFolder(config)
    assert told(weather, LONDON) == 7.0
    path.write_text("<html>502</html>")
    assert [told(weather, LONDON, NOW_MS + i * LOOK_EVERY_MS) for i in (1, 2, 3)] == [7.0] * 3
    assert weather.counts["bad_files"] == 1
    assert np.isnan(told(weather, LONDON, NOW_MS + STALE_MS + 1))


def test_no_file_and_no_folder_is_no_weather(config: WeatherConfig) -> None:
    weather = WeatherFolder(WeatherConfig(dir=config.dir / "nowhere"))
    assert np.isnan(told(weather, LONDON))
    assert weather.counts["bad_files"] == 0
