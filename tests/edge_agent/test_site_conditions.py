"""The site's temperature and occupancy stand beside the intervals that end while they hold."""

from dataclasses import replace

import numpy as np
import pytest

from edge_agent.site_conditions import SiteConditions
from wattline.intervals import HOUR_MS, STALE_MS, Intervals, from_amounts
from wattline.reading import Reading


def hours(n: int) -> Intervals:
    return from_amounts(0, HOUR_MS * np.arange(n, dtype=np.int64), np.ones(n), HOUR_MS)


def told(t_ms: int, value: float, meter: str = "roof", quantity: str = "temperature_c") -> Reading:
    return Reading(meter, t_ms, {quantity: value})


def temperatures(conditions: SiteConditions, n: int) -> list[float]:
    column = conditions.beside(hours(n)).temperature_c
    assert column is not None
    return [round(value, 1) for value in column.tolist()]


def test_an_interval_has_what_was_known_at_its_end() -> None:
    conditions = SiteConditions(temperature_meter="roof")
    conditions.add([told(0, 4.0), told(HOUR_MS, 5.0), told(2 * HOUR_MS + 1, 6.0)])
    assert temperatures(conditions, 3) == [5.0, 5.0, 6.0]


@pytest.mark.parametrize("late_ms", [0, 1])
def test_a_condition_is_believed_for_some_hours(late_ms: int) -> None:
    conditions = SiteConditions(temperature_meter="roof")
    conditions.add([told(HOUR_MS - STALE_MS - late_ms, 4.0)])
    assert np.isnan(temperatures(conditions, 1)[0]) == bool(late_ms)


@pytest.mark.parametrize(
    "reading",
    [
        told(0, 4.0, meter="cellar"),
        told(0, 4.0, quantity="humidity_pct"),
        told(0, float("nan")),
        told(0, -127.0),
        told(0, 1e300),
        told(10 * HOUR_MS, 4.0),
    ],
    ids=["another meter", "another quantity", "no number", "a broken sensor", "no temperature", "from later"],
)
def test_nothing_else_is_taken_for_it(reading: Reading) -> None:
    conditions = SiteConditions(temperature_meter="roof")
    conditions.add([reading])
    assert np.isnan(temperatures(conditions, 2)).all()


def test_a_time_that_cannot_be_believed_blocks_nothing() -> None:
    conditions = SiteConditions(temperature_meter="roof")
    conditions.add([told(0, 4.0), told(10**14, 9.0)])
    conditions.clock(HOUR_MS)
    conditions.add([told(HOUR_MS, 5.0)])
    assert temperatures(conditions, 1) == [5.0]


def test_a_reading_every_second_for_a_month_is_kept_in_bounded_memory() -> None:
    conditions = SiteConditions(occupancy_meter="door")
    conditions.add(told(t_ms, 1.0, "door", "occupancy") for t_ms in range(0, 30 * 24 * HOUR_MS, 60_000))
    conditions.add([told(0, 7.0, "door", "occupancy")])  # late: changes nothing
    last = conditions.beside(replace(hours(1), start_ms=np.array([30 * 24 * HOUR_MS - HOUR_MS])))
    assert last.occupancy is not None
    assert last.occupancy.tolist() == [1.0]
    assert last.temperature_c is None


def test_without_such_meters_intervals_stay_as_they_are() -> None:
    conditions = SiteConditions()
    conditions.add([told(0, 4.0)])
    intervals = hours(2)
    assert conditions.beside(intervals) is intervals
