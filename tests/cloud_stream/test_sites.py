"""What the sites file may say, and the days of a site."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cloud_stream.sites import Site, Sites, day_start_ms, load_sites, month_start_ms
from wattline.errors import ConfigError


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1000)


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "sites.toml"
    path.write_text(text)
    return path


def test_without_a_file_every_site_has_the_defaults() -> None:
    assert load_sites(None).of("any") == Site(id="any") == Sites().of("any")


def test_a_listed_site_takes_from_the_defaults_what_it_does_not_say(tmp_path: Path) -> None:
    text = '[defaults]\ntime_zone = "Europe/London"\ncurrency = "GBP"\n'
    text += '[[site]]\nid = "h1"\nfloor_m2 = 85\ncountry = "GB"\n'
    sites = load_sites(_file(tmp_path, text))
    assert sites.of("h1") == Site(id="h1", time_zone="Europe/London", currency="GBP", floor_m2=85.0, country="GB")
    assert sites.of("h2") == Site(id="h2", time_zone="Europe/London", currency="GBP")
    assert [site.id for site in sites.listed] == ["h1"]
    assert str(sites.of("h1").zone) == "Europe/London"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('[defaults]\ntime_zone = "Europe/Londn"\n', "defaults.time_zone"),
        ('[defaults]\ntime_zone = "../../etc/passwd"\n', "defaults.time_zone"),
        ('[[site]]\nid = "a"\n[[site]]\nid = "a"\n', "site[1].id"),
        ('[[site]]\nid = "a"\ntime_zone = ""\n', "site[0].time_zone"),
        ('[[site]]\nid = "a"\nlatitude = 99\n', "site[0].latitude"),
        ('[[site]]\nid = "a"\ncurency = "EUR"\n', "site[0]"),
        ('[[site]]\nid = "a"\ncountry = "Germany"\n', "site[0].country"),
    ],
)
def test_a_wrong_file_is_one_error_with_the_place(tmp_path: Path, text: str, where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_sites(_file(tmp_path, text))
    assert where in caught.value.where


@pytest.mark.parametrize(
    ("at", "start"),
    [
        ("2026-03-29T12:00+01:00", "2026-03-29T00:00+00:00"),  # 23 hours
        ("2026-10-25T12:00+00:00", "2026-10-25T00:00+01:00"),  # 25 hours
        ("2026-10-25T01:30+00:00", "2026-10-25T00:00+01:00"),  # the hour that comes twice
        ("2026-07-01T00:00+01:00", "2026-07-01T00:00+01:00"),
        ("2026-06-30T23:59+01:00", "2026-06-30T00:00+01:00"),
    ],
)
def test_a_day_begins_at_local_midnight(at: str, start: str) -> None:
    assert day_start_ms("Europe/London", _ms(at)) == _ms(start)


def test_a_month_begins_at_the_local_midnight_of_its_first_day() -> None:
    assert month_start_ms("Europe/London", _ms("2026-04-15T12:00+01:00")) == _ms("2026-04-01T00:00+01:00")
    assert month_start_ms("Europe/London", _ms("2026-03-31T23:30+00:00")) == _ms("2026-04-01T00:00+01:00")
