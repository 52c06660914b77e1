"""From the store and back into it: what is read, written, and read again by whoever uses it."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from cloud_stream.correlation.daily import correlate_all
from cloud_stream.correlation.drivers import Finding
from cloud_stream.correlation.reading import MAX_METERS, Reading
from cloud_stream.correlation.stored import correlation_points
from cloud_stream.intents.ports import Correlation
from cloud_stream.intents.store_correlations import StoreCorrelations
from cloud_stream.measurements import problem
from cloud_stream.ports import Store
from cloud_stream.records import Floats, Point
from cloud_stream.sites import Defaults, Sites
from cloud_stream.stores.sqlite import SqliteStore
from tests.cloud_stream.correlation.series import HALF_HOUR, NOW, random, span, spread_over, winds

DAY = 86_400_000
DAYS = 30
YEARS_MS = 4000 * DAY


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(SqliteStore(tmp_path / "store.db", YEARS_MS)) as opened:
        opened.prepare()
        yield opened


def reading_of(store: Store, time_zone: str = "UTC") -> Reading:
    return Reading(store, Sites(Defaults(time_zone=time_zone)), "30m", HALF_HOUR, DAYS)


def put_usage(store: Store, site: str, energy: Floats, meter: str = "", **fields: Floats) -> None:
    days = span(DAYS)
    tags = {"level": "meter" if meter else "site", "site": site, "meter": meter, "window": "30m"}
    columns = {"energy_kwh": energy} | fields
    assert not store.write(
        (),
        [
            Point("usage", tags, t_ms, {name: float(column[k]) for name, column in columns.items()})
            for k, t_ms in enumerate(days.start_ms.tolist())
        ],
    )


def put_weather(store: Store, site: str, daily_c: Floats, source: str = "measured") -> None:
    days = span(DAYS)
    hours = days.start_ms[::2].tolist()
    points = [
        Point(
            "weather", {"site": site, "source": source}, t, {"temperature_c": float(daily_c[k // 24]), "issued_at": t}
        )
        for k, t in enumerate(hours)
    ]
    assert not store.write((), points)


def heated(warmth: Floats) -> Floats:
    return spread_over(span(DAYS), 8 + 2 * np.maximum(0, 12 - warmth) + random(5).normal(0, 0.3, DAYS))


def read_back(store: Store, site: str, now_ms: int) -> dict[str, Correlation]:
    """As recommendations use them."""
    return {one.driver: one for one in StoreCorrelations(store, lambda: now_ms)(site)}


def test_findings_are_stored_for_the_last_whole_day_and_read_back(store: Store) -> None:
    warmth = winds(DAYS)
    put_usage(store, "house", heated(warmth), occupancy_mean=random().uniform(0, 3, DAYS * 48))
    put_weather(store, "house", warmth)
    counts = correlate_all(reading_of(store), store, NOW + 3_600_000)
    assert counts == {"sites": 1, "points": 3, "refused": 0}
    points = store.points("correlation", {"site": "house"}, 0, NOW + DAY)
    assert {point.t_ms for point in points} == {NOW - DAY}
    found = read_back(store, "house", NOW + 3_600_000)
    assert set(found) == {"temperature", "occupancy", "hour"}
    assert found["temperature"].slope_kwh_per_unit == pytest.approx(2, rel=0.1)
    assert found["temperature"].balance_c == pytest.approx(12, abs=1)
    assert [point.fields["peak_hour"] for point in points if point.tags["driver"] == "hour"] == [19]
    assert found["occupancy"].n == DAYS * 48


def test_running_it_again_writes_the_same(store: Store) -> None:
    put_usage(store, "house", heated(winds(DAYS)))
    correlate_all(reading_of(store), store, NOW + 1)
    before = store.points("correlation", {}, 0, NOW + DAY)
    correlate_all(reading_of(store), store, NOW + 1)
    assert store.points("correlation", {}, 0, NOW + DAY) == before


def test_the_newest_day_counts_and_last_weeks_does_not(store: Store) -> None:
    for days_ago, r2 in ((3, 0.1), (1, 0.2), (9, 0.3)):
        store.write((), correlation_points("house", "", NOW - days_ago * DAY, [Finding("temperature", "x", 20, r2=r2)]))
    assert read_back(store, "house", NOW)["temperature"].r2 == 0.2
    assert read_back(store, "house", NOW + 30 * DAY) == {}
    assert read_back(store, "other", NOW) == {}


def test_meters_are_looked_at_where_a_site_has_several(store: Store) -> None:
    warmth = winds(DAYS)
    energy = heated(warmth)
    put_usage(store, "house", energy)
    put_usage(store, "house", 0.9 * energy, "boiler")
    put_usage(store, "house", 0.1 * energy, "rest")
    put_usage(store, "flat", energy)
    put_usage(store, "flat", energy, "only")
    put_weather(store, "house", warmth)
    correlate_all(reading_of(store), store, NOW)
    tags = {"level": "meter", "driver": "temperature"}
    found = {point.tags["meter"]: point.fields for point in store.points("correlation", tags, 0, NOW + DAY)}
    assert set(found) == {"boiler", "rest"}
    assert found["boiler"]["slope_kwh_per_unit"] == pytest.approx(1.8, rel=0.1)


def test_the_meters_of_a_large_site_are_left_to_the_site(store: Store) -> None:
    tags = {"level": "meter", "site": "campus", "window": "30m"}
    middle = NOW - DAY // 2
    store.write(
        (), [Point("usage", tags | {"meter": f"m-{k}"}, middle, {"energy_kwh": 1.0}) for k in range(MAX_METERS + 1)]
    )
    reading = reading_of(store)
    assert reading.meters("campus", reading.site("campus", NOW)) == {}


@pytest.mark.parametrize(
    ("weather_site", "source", "own", "told"),
    [
        pytest.param("house", "measured", False, "weather service", id="the site's weather"),
        pytest.param("", "measured", False, "weather service", id="the defaults' weather"),
        pytest.param("other", "measured", False, "", id="another site's weather"),
        pytest.param("house", "forecast", False, "", id="only forecast"),
        pytest.param("other", "measured", True, "the site's own sensor, which may be indoors", id="a sensor"),
        pytest.param("house", "measured", True, "weather service", id="weather and a sensor"),
    ],
)
def test_where_temperature_comes_from(store: Store, weather_site: str, source: str, told: str, *, own: bool) -> None:
    warmth = winds(DAYS)
    sensor = {"temperature_c_mean": np.full(DAYS * 48, 21.0)} if own else {}
    put_usage(store, "house", heated(warmth), "", **sensor)
    put_weather(store, weather_site, warmth, source)
    assert reading_of(store).site("house", NOW).temperature_source == told


def test_a_day_is_the_sites_own(store: Store) -> None:
    put_usage(store, "house", heated(winds(DAYS)))
    correlate_all(reading_of(store, time_zone="Asia/Kolkata"), store, NOW)
    points = store.points("correlation", {"site": "house"}, 0, NOW + DAY)
    assert {point.t_ms for point in points} == {NOW - DAY - 5 * 3_600_000 - HALF_HOUR}


def test_a_site_that_is_silent_for_days_is_not_looked_at(store: Store) -> None:
    put_usage(store, "house", heated(winds(DAYS)))
    assert reading_of(store).live_sites(NOW + 3 * DAY) == []


def test_every_field_that_is_there_can_be_stored() -> None:
    full = Finding("hour", "note", 90, -0.5, -0.4, 0.3, 1.0, 2.0, 3.0, 14.0, 20.0, 19, 0.5)
    for finding in (full, Finding("temperature", "too few"), replace(full, peak_hour=None)):
        (point,) = correlation_points("house", "", NOW, [finding])
        assert problem(point) == ""
        known = {name: value for name, value in asdict(finding).items() if value is not None}
        assert {"driver": finding.driver, **point.fields} == known
