"""Forecasts of a day ahead against what came true."""

from collections.abc import Sequence

import numpy as np
import pytest

from cloud_stream.forecast.step import ForecastSettings, ForecastStep
from cloud_stream.forecast.turn import Turn
from cloud_stream.forecast.weather import NoWeather
from cloud_stream.records import ClosedUsage, Point
from cloud_stream.sharding import shard_of
from cloud_stream.sites import Sites
from wattline.forecasting.port import HORIZON_MS, Forecast, Scene

HOUR_MS = 3_600_000
DAY = 24
MONDAY = 480_096
"""A number of an hour: midnight UTC."""


class TwoInADay:
    """Two in the hour a day ahead, between one and three; anything else for the other hours."""

    name = "two-1"

    def forecast(self, scene: Scene) -> Forecast:
        middle = np.full((len(scene.energy_kwh), HORIZON_MS // HOUR_MS), 99.0, np.float32)
        middle[:, DAY] = 2.0
        return Forecast(middle, middle - 1, middle + 1, np.ones(len(middle), np.bool_))


def truth(hour: int) -> float:
    """Four kWh at midnight, else 2.5; a week before both were one less."""
    used = 4.0 if hour % DAY == 0 else 2.5
    return used if hour >= MONDAY else used - 1


def closed(hour: int, energy_kwh: float) -> ClosedUsage:
    """One meter, its site, and a second meter in the same hour."""
    rows = [("meter", "home", "a"), ("site", "home", ""), ("meter", "home", "b")]
    level, site, meter = zip(*rows, strict=True)
    energy = np.array([energy_kwh, energy_kwh, 2.0])
    start_ms = np.full(3, hour * HOUR_MS)
    return ClosedUsage(HOUR_MS, start_ms, level, site, meter, energy, energy * np.nan, np.array([1.0, 2.0, 1.0]))


def after(hour: int) -> int:
    return (hour + 1) * HOUR_MS + 10_000


def run(
    first: int, last: int, step: ForecastStep | None = None
) -> tuple[ForecastStep, dict[tuple[str, str, int], Point]]:
    """Hour by hour; returns the newest scores by level, meter and day's start."""
    if step is None:
        models = dict.fromkeys(("meter", "site", "fleet"), TwoInADay())
        step = ForecastStep(ForecastSettings(HOUR_MS), models, Sites(), NoWeather(), Turn())
    scores: dict[tuple[str, str, int], Point] = {}
    for hour in range(first, last + 1):
        step.on_batch([closed(hour, truth(hour))], after(hour))
        scores |= scores_of(step.on_timer(after(hour)))
    return step, scores


def scores_of(outputs: list[Sequence[Point]]) -> dict[tuple[str, str, int], Point]:
    points = [point for output in outputs for point in output if point.measurement == "forecast_quality"]
    return {(point.tags["level"], point.tags["meter"], point.t_ms): point for point in points}


def test_a_day_is_scored_when_its_truth_is_known() -> None:
    _, scores = run(MONDAY - 7 * DAY, MONDAY + DAY - 1)
    score = scores["meter", "a", MONDAY * HOUR_MS]
    assert score.tags == {"level": "meter", "site": "home", "meter": "a", "lead": "day_ahead"}
    # One error of 2 and 23 of a half, all too low; only midnight lies outside of the band; the naive one errs by 1.
    mae = (2 + 23 * 0.5) / 24
    expected = {"n": 24.0, "mae": mae, "bias": -mae, "coverage": 23 / 24, "skill": 1 - mae}
    assert score.fields == pytest.approx(expected)


def test_aggregates_have_a_relative_error() -> None:
    _, scores = run(MONDAY - 7 * DAY, MONDAY + DAY - 1)
    fields = scores["site", "", MONDAY * HOUR_MS].fields
    assert fields["mape"] == pytest.approx((2 / 4 + 23 * 0.5 / 2.5) / 24)


def test_the_meters_of_a_shard_are_scored_together() -> None:
    _, scores = run(MONDAY - 7 * DAY, MONDAY + DAY - 1)
    together = scores["shard", "", MONDAY * HOUR_MS]
    assert together.tags["site"] == shard_of("home")
    assert together.fields["n"] == 48
    assert together.fields["mae"] == pytest.approx((2 + 23 * 0.5 + 24 * 0) / 48)


def test_a_day_is_scored_while_it_runs_and_only_where_a_forecast_was_made_a_day_before() -> None:
    _, scores = run(MONDAY - 20, MONDAY + 9)
    assert scores["meter", "a", MONDAY * HOUR_MS].fields["n"] == 5, (
        "the first forecast was for four hours after midnight"
    )
    assert "skill" not in scores["meter", "a", MONDAY * HOUR_MS].fields, "there was no week before"


def test_a_revised_truth_is_scored_again_the_day_before_included() -> None:
    step, before = run(MONDAY - 7 * DAY, MONDAY + DAY + 2)
    step.on_batch([closed(MONDAY + 5, 102.0)], after(MONDAY + DAY + 2))
    _, scores = run(MONDAY + DAY + 3, MONDAY + DAY + 3, step)
    old, new = (float(found["meter", "a", MONDAY * HOUR_MS].fields["mae"]) for found in (before, scores))
    assert new - old == pytest.approx((100 - 0.5) / 24)


def test_hours_of_today_that_are_still_to_come_are_not_scored_with_those_of_four_weeks_ago() -> None:
    _, scores = run(MONDAY - 28 * DAY, MONDAY + 9)
    assert scores["meter", "a", MONDAY * HOUR_MS].fields["n"] == 10


def test_nothing_is_scored_without_a_forecast_of_the_day_before() -> None:
    _, scores = run(MONDAY, MONDAY + DAY)
    assert scores == {}
