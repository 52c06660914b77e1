"""The weather job against a real server and a real store: files and points, and what happens when it goes wrong."""

import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cloud_stream.config import CloudConfig, FlowConfig, StoreConfig
from cloud_stream.config_sections import SitesConfig, WeatherConfig
from cloud_stream.forecast.weather_folder import WeatherFolder
from cloud_stream.jobs.errors import JobError
from cloud_stream.jobs.weather_job import WeatherRefresh, weather_job
from cloud_stream.jobs.web import get
from cloud_stream.records import Point
from cloud_stream.sites import load_sites
from cloud_stream.stores import open_store
from cloud_stream.weather_files import place_file_name
from tests.cloud_stream.jobs.weather_server import HOUR_MS, Handler, WeatherService, answer, serving
from wattline.config import DurationMs
from wattline.errors import ConfigError
from wattline.local_servers import LOOPBACK, free_port

SITES = """
[[site]]
id = "house-1"
latitude = 51.501
longitude = -0.118
[[site]]
id = "house-2"
latitude = 51.504
longitude = -0.122
[[site]]
id = "cottage"
latitude = 57.5
longitude = -4.2
[[site]]
id = "somewhere"
"""
START_MS = time.time_ns() // 10**9 * 1000 - 7 * HOUR_MS // 2
"""Three hours and a half ago: the hour does not turn while the tests run."""
LONDON, COTTAGE = place_file_name(51.5, -0.12), place_file_name(57.5, -4.2)


@pytest.fixture
def service() -> Iterator[WeatherService]:
    with serving(WeatherService(say_weather)) as running:
        yield running


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def say_weather(handler: Handler) -> None:
    handler.say(answer(START_MS, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))


def config_of(tmp_path: Path, url: str, **weather: object) -> CloudConfig:
    (tmp_path / "sites.toml").write_text(SITES)
    return CloudConfig(
        flow=FlowConfig(recovery_dir=tmp_path / "recovery"),
        store=StoreConfig(path=tmp_path / "store.db"),
        sites=SitesConfig(file=tmp_path / "sites.toml"),
        weather=WeatherConfig(url=url, dir=tmp_path / "weather", **weather),  # type: ignore[arg-type]
    )


def refresh_of(config: CloudConfig, timeout_s: float = 5.0) -> WeatherRefresh:
    return WeatherRefresh(config, lambda url: get(url, timeout_s=timeout_s, max_bytes=100_000), lambda _: None)


def stored(config: CloudConfig, **tags: str) -> list[Point]:
    with closing(open_store(config.store)) as store:
        store.prepare()
        return list(store.points("weather", tags, 0, now_ms() + 10 * HOUR_MS))


def age_files(folder: Path, hours: float) -> None:
    """Make what was fetched look older."""
    for file in folder.iterdir():
        before = file.stat().st_mtime - hours * 3600
        os.utime(file, (before, before))


def test_each_place_is_asked_once_and_kept_for_the_flow(tmp_path: Path, service: WeatherService) -> None:
    config = config_of(tmp_path, service.url)
    refresh_of(config).run(now_ms())
    assert sorted(service.paths) == ["/v1?latitude=51.50&longitude=-0.12", "/v1?latitude=57.50&longitude=-4.20"]
    assert config.weather is not None
    assert sorted(file.name for file in config.weather.dir.iterdir()) == [LONDON, COTTAGE]
    flow = WeatherFolder(config.weather)
    house = load_sites(config.sites.file).of("house-2")
    assert flow.temperature_c(flow.place_of(house), START_MS, HOUR_MS, 5, now_ms()).tolist() == [
        1.5,
        2.5,
        3.5,
        4.5,
        5.5,
    ]


@pytest.mark.parametrize(("age_h", "asked"), [(0.1, 0), (1, 2), (-0.1, 0), (-9, 2)])
def test_an_answer_of_a_clock_that_was_ahead_is_not_fresh(
    tmp_path: Path, service: WeatherService, age_h: float, asked: int
) -> None:
    refresh = refresh_of(config_of(tmp_path, service.url))
    refresh.run(now_ms())
    before = refresh.counts["fetched"]
    for file in (tmp_path / "weather").iterdir():
        os.utime(file, (time.time() - age_h * 3600,) * 2)
    refresh.run(now_ms())
    assert refresh.counts["fetched"] - before == asked


def test_every_site_of_a_place_gets_points_measured_and_forecast(tmp_path: Path, service: WeatherService) -> None:
    config = config_of(tmp_path, service.url)
    refresh_of(config).run(now_ms())
    for site in ("house-1", "house-2", "cottage"):
        measured = stored(config, site=site, source="measured")
        assert [(point.t_ms, point.fields["temperature_c"]) for point in measured] == [
            (START_MS + k * HOUR_MS, 1.0 + k) for k in range(4)
        ]
        assert [point.fields["temperature_c"] for point in stored(config, site=site, source="forecast")] == [5.0, 6.0]
        assert abs(int(measured[0].fields["issued_at"]) - now_ms()) < 60_000
    assert stored(config, site="somewhere") == []


def test_only_what_is_new_is_written_again(tmp_path: Path, service: WeatherService) -> None:
    config = config_of(tmp_path, service.url)
    refresh = refresh_of(config)
    refresh.run(now_ms())
    assert refresh.counts["points"] == 18
    assert config.weather is not None
    refresh.run(now_ms())
    assert len(service.paths) == 2  # still fresh
    age_files(config.weather.dir, 2)
    service.behave = lambda handler: handler.say(answer(START_MS, [1.0, 2.0, 3.0, 4.0, 5.0, 6.5]))
    refresh.run(now_ms())
    assert len(service.paths) == 4
    assert refresh.counts["points"] == 18 + 3


def hang(handler: Handler) -> None:
    handler.service.closing.wait(60)


def huge(handler: Handler) -> None:
    handler.say(b"[" + b" " * 200_000)


@pytest.mark.parametrize(
    ("behave", "count"),
    [
        (hang, "fetch_failures"),
        (huge, "fetch_failures"),
        (lambda handler: handler.say(b"sorry", 500), "fetch_failures"),
        (lambda handler: handler.say(b"", 302, Location="file:///etc/passwd"), "fetch_failures"),
        (lambda handler: handler.say(b"<html>"), "unreadable"),
        (lambda handler: handler.say(b"{}"), "unreadable"),
        (lambda handler: handler.say(answer(0, [None, None])), "unreadable"),
        (lambda handler: handler.say(answer(0, [9000.0])), "unreadable"),
        (lambda handler: handler.say(answer(0, [1.0], hourly={"time": [1], "temperature_2m": [1, 2]})), "unreadable"),
    ],
    ids=["hangs", "huge", "500", "leads elsewhere", "not JSON", "empty", "no values", "impossible", "unequal"],
)
def test_a_bad_answer_leaves_the_old_one_and_a_good_one_is_taken_again(
    tmp_path: Path, service: WeatherService, behave: Callable[[Handler], None], count: str
) -> None:
    config = config_of(tmp_path, service.url)
    assert config.weather is not None
    refresh = refresh_of(config, timeout_s=0.2)
    refresh.run(now_ms())
    before = (config.weather.dir / LONDON).read_bytes()
    age_files(config.weather.dir, 2)
    service.behave = behave
    with pytest.raises(JobError):
        refresh.run(now_ms())
    assert refresh.counts[count] >= 2
    assert (config.weather.dir / LONDON).read_bytes() == before
    service.behave = lambda handler: handler.say(answer(START_MS, [7.0, 8.0]))
    refresh.run(now_ms())
    assert json.loads((config.weather.dir / LONDON).read_bytes())["hourly"]["temperature_2m"] == [7.0, 8.0]


def test_a_server_that_is_away_is_not_asked_for_every_place(tmp_path: Path) -> None:
    config = config_of(tmp_path, f"http://{LOOPBACK}:{free_port()}/?at={{latitude}},{{longitude}}")
    many = "".join(f'[[site]]\nid = "s-{k}"\nlatitude = {k}\nlongitude = 0\n' for k in range(20))
    (tmp_path / "sites.toml").write_text(many)
    refresh = refresh_of(config)
    with pytest.raises(JobError, match="refused"):
        refresh.run(now_ms())
    assert (refresh.counts["fetch_failures"], refresh.counts["skipped"]) == (15, 15)


def test_one_place_that_fails_does_not_keep_the_others_back(tmp_path: Path, service: WeatherService) -> None:
    def behave(handler: Handler) -> None:
        if "57.50" in handler.path:
            handler.say(b"", 404)
        else:
            say_weather(handler)

    service.behave = behave
    config = config_of(tmp_path, service.url)
    refresh = refresh_of(config)
    with pytest.raises(JobError, match="answers 404"):
        refresh.run(now_ms())
    assert config.weather is not None
    assert [file.name for file in config.weather.dir.iterdir()] == [LONDON]
    assert stored(config, site="house-1", source="measured")


def test_a_store_that_was_away_gets_the_points_later(tmp_path: Path, service: WeatherService) -> None:
    config = config_of(tmp_path, service.url)
    (tmp_path / "store.db").mkdir()
    refresh = refresh_of(config)
    with pytest.raises(JobError, match="store"):
        refresh.run(now_ms())
    assert config.weather is not None
    assert (config.weather.dir / LONDON).is_file()
    (tmp_path / "store.db").rmdir()
    refresh.run(now_ms())
    assert len(stored(config)) == 18
    assert len(service.paths) == 2


def test_a_file_of_ones_own_serves_sites_without_coordinates(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_bytes(answer(START_MS, [9.0, 10.0]))
    config = config_of(tmp_path, "", file=file)
    refresh_of(config).run(now_ms())
    assert [point.fields["temperature_c"] for point in stored(config, site="somewhere")] == [9.0, 10.0]
    assert [point.fields["temperature_c"] for point in stored(config, site="")]
    assert stored(config, site="house-1") == []


def test_old_answers_are_reported(tmp_path: Path, service: WeatherService, caplog: pytest.LogCaptureFixture) -> None:
    config = config_of(tmp_path, service.url)
    caplog.set_level(logging.INFO, "cloud_stream.jobs")
    refresh = refresh_of(config)
    refresh.run(now_ms())
    assert "weather_refreshed places=2 stale=0" in caplog.text
    assert config.weather is not None
    age_files(config.weather.dir, 13)
    service.behave = lambda handler: handler.say(b"", 500)
    with pytest.raises(JobError):
        refresh.run(now_ms())
    assert "weather_refreshed places=2 stale=2" in caplog.text


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("ftp://host/{latitude}{longitude}", "expected"),
        ("api.example/{latitude}{longitude}", "expected"),
        ("https:///{latitude}{longitude}", "expected"),
        ("https://host:99999/{latitude}{longitude}", "expected"),
        ("https://host/?latitude={latitude}", "{longitude}"),
    ],
)
def test_a_url_that_cannot_be_asked_is_a_wrong_file(tmp_path: Path, url: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        weather_job(config_of(tmp_path, url))
    assert caught.value.where == "weather.url"
    assert problem in caught.value.problem


def test_without_weather_there_is_no_job(tmp_path: Path) -> None:
    assert weather_job(CloudConfig()) is None
    assert weather_job(config_of(tmp_path, "")) is None


def test_the_refresh_is_the_configured_one(tmp_path: Path) -> None:
    url = "https://h/{latitude}/{longitude}"
    job = weather_job(config_of(tmp_path, url, refresh=DurationMs(1_800_000)))
    assert job is not None
    assert job.period_ms == 1_800_000
