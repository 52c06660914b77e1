"""What is found, what is named beside it, and what is not claimed."""

import math
from dataclasses import astuple

import numpy as np
import polars as pl
import pytest

from cloud_stream.correlation.drivers import (
    findings,
    hour_finding,
    occupancy_finding,
    pearson,
    share_of_groups,
    spearman,
    temperature_finding,
    within_groups,
)
from tests.cloud_stream.correlation.series import history, random, span, spread_over, winds


def test_a_heated_home_is_told_by_its_temperature() -> None:
    days = span()
    warmth = winds(90)
    daily = 8 + 1.5 * np.maximum(0, 14 - warmth) + random(3).normal(0, 0.8, 90)
    found, fit = temperature_finding(
        history(days, spread_over(days, daily), temperature_c=warmth, temperature_source="weather service")
    )
    assert found.n == 90
    assert found.r is not None
    assert found.r < -0.9
    assert found.slope_kwh_per_unit == pytest.approx(1.5, rel=0.1)
    assert found.balance_c == pytest.approx(14, abs=1)
    assert fit is not None
    assert "for each degree below 14 °C" in found.note
    assert "weather service" in found.note


@pytest.mark.parametrize(
    ("known_days", "spread_c", "note"),
    [
        (13, 5.0, "Only 13 days are known: 14 are needed."),
        (90, 0.1, "all about as warm"),
    ],
)
def test_too_little_gives_a_note_and_no_numbers(known_days: int, spread_c: float, note: str) -> None:
    days = span()
    warmth = 10 + spread_c * random().standard_normal(90)
    warmth[known_days:] = np.nan
    energy = spread_over(days, 20 - warmth)
    found, fit = temperature_finding(history(days, energy, temperature_c=warmth, temperature_source="weather service"))
    assert note in found.note
    assert fit is None
    assert set(astuple(found)[3:]) == {None}


def test_what_may_be_chance_is_said_to_be_and_has_no_slope() -> None:
    days = span()
    found, fit = temperature_finding(
        history(
            days,
            spread_over(days, 10 + random(9).standard_normal(90)),
            temperature_c=winds(90),
            temperature_source="weather service",
        )
    )
    assert "may be chance" in found.note
    assert found.r is not None
    assert (found.slope_kwh_per_unit, found.balance_c, fit) == (None, None, None)


def test_a_weekday_that_is_behind_it_is_named() -> None:
    days = span()
    weekend = days.weekday >= 5
    warmth = np.where(weekend, 12.0, 6.0) + random().standard_normal(90)
    found, _ = temperature_finding(
        history(
            days,
            spread_over(days, np.where(weekend, 5.0, 15.0) + random(2).standard_normal(90)),
            temperature_c=warmth,
            temperature_source="weather service",
        )
    )
    assert found.r is not None
    assert found.r < -0.8
    assert "The day of the week tells 9" in found.note
    assert "on the same weekday r is -0.0" in found.note or "on the same weekday r is +0.0" in found.note


def test_a_season_that_may_be_behind_it_is_named() -> None:
    days = span()
    warmth = np.linspace(18, 4, 90) + 0.5 * random().standard_normal(90)
    found, _ = temperature_finding(
        history(days, spread_over(days, 30 - warmth), temperature_c=warmth, temperature_source="weather service")
    )
    assert "It grew steadily colder" in found.note


def test_people_are_told_apart_from_the_hour() -> None:
    days = span()
    evening = (days.hour >= 18) & (days.hour <= 22)
    people = np.where(evening, 3.0, 0.0)
    energy = np.where(evening, 1.0, 0.2) + 0.05 * random().standard_normal(len(people))
    by_hour = occupancy_finding(history(days, energy, occupancy=people))
    assert by_hour.r is not None
    assert by_hour.r > 0.9
    assert "at the same hour r is +0.00" in by_hour.note
    people = random(4).integers(0, 4, len(people)).astype(float)
    energy = 0.1 + 0.25 * people + 0.05 * random().standard_normal(len(people))
    by_people = occupancy_finding(history(days, energy, occupancy=people))
    assert by_people.slope_kwh_per_unit == pytest.approx(0.5, rel=0.05)  # an hour, of half hours
    assert by_people.base_kwh == pytest.approx(0.2, rel=0.1)
    assert "at the same hour" not in by_people.note


def test_the_course_of_the_day_is_told_by_the_hour() -> None:
    days = span()
    found = hour_finding(history(days, spread_over(days, np.full(90, 26.0))))
    assert found.peak_hour == 19
    assert found.peak_kwh == pytest.approx(3.0)
    assert found.base_kwh == pytest.approx(1.0)
    assert found.r2 == pytest.approx(1.0)
    noise = hour_finding(history(days, random().uniform(1, 2, len(days.hour))))
    assert noise.r2 is not None
    assert noise.r2 < 0.02


def test_weekends_with_another_course_are_named() -> None:
    days = span()
    weekend = (days.weekday >= 5)[days.day]
    peak = np.where(weekend, 11, 19)
    found = hour_finding(history(days, np.where(days.hour == peak, 2.0, 0.5)))
    assert "Weekends have another course of the day" in found.note


def test_nothing_known_is_three_notes() -> None:
    days = span()
    notes = [found.note for found in findings(history(days, np.full(len(days.hour), np.nan)))]
    assert notes == [
        "No outdoor temperature is known.",
        "Nobody counts the people present.",
        "Only 0 days are known: 14 are needed.",
    ]


def test_a_meter_that_shows_nothing_is_no_error() -> None:
    days = span()
    flat = history(
        days,
        np.zeros(len(days.hour)),
        occupancy=np.ones(len(days.hour)),
        temperature_c=winds(90),
        temperature_source="weather service",
    )
    assert [found.r for found in findings(flat)] == [None] * 3


def test_statistics_are_those_of_an_independent_library() -> None:
    x = random(1).integers(0, 20, 300).astype(float)
    y = x + random(2).normal(0, 8, 300)
    frame = pl.DataFrame({"x": x, "y": y})
    assert pearson(x, y) == pytest.approx(frame.select(pl.corr("x", "y")).item())
    assert spearman(x, y) == pytest.approx(frame.select(pl.corr("x", "y", method="spearman")).item())


def test_groups_explain_what_they_explain() -> None:
    group = np.repeat(np.arange(4), 100)
    noise = random().standard_normal(400)
    assert share_of_groups(group, noise) < 0.02
    assert share_of_groups(group, group * 10 + 0.1 * noise) > 0.99
    x = group + random(1).standard_normal(400)
    assert within_groups(x, group.astype(float), group) == 0.0
    assert math.isclose(within_groups(x, x + group * 5, group), 1.0)
