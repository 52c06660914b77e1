"""People get up, leave, come back and sleep."""

import numpy as np
import pytest

from simulators.residents import SLOTS, SLOTS_PER_HOUR, Person, draw_people, is_weekend, presence_on, slot

MONDAY = 20_458
"""2026-01-05."""
WORKER = Person(works=True, wake_h=7.0, leave_h=8.0, back_h=17.5, sleep_h=23.0)
SEED_AT_HOME = 1


@pytest.mark.parametrize(("day", "weekend"), [(0, "no"), (2, "yes"), (3, "yes"), (MONDAY, "no"), (MONDAY + 5, "yes")])
def test_weekends_are_saturday_and_sunday(day: int, weekend: str) -> None:
    assert is_weekend(day) is (weekend == "yes")


def test_a_worker_is_out_at_noon_on_weekdays_and_asleep_at_night() -> None:
    week = [presence_on(SEED_AT_HOME, (WORKER,), MONDAY + day) for day in range(5)]
    for presence in week:
        assert presence.home[slot(12)] == 0
        assert presence.home[slot(3)] == 1
        assert presence.awake[slot(3)] == 0
        assert presence.awake[slot(20)] == 1


@pytest.mark.parametrize("seed", range(6))
def test_nobody_is_awake_at_home_who_is_not_at_home(seed: int) -> None:
    people = draw_people(seed)
    for day in range(MONDAY, MONDAY + 30):
        presence = presence_on(seed, people, day)
        assert presence.home.shape == (SLOTS,)
        assert (presence.awake >= 0).all()
        assert (presence.awake <= presence.home).all()
        assert presence.home.max() <= len(people)


def test_a_home_is_empty_for_whole_weeks_at_times() -> None:
    weeks = [[presence_on(4, (WORKER,), MONDAY + week * 7 + day).home.any() for day in range(7)] for week in range(200)]
    away = [week for week in weeks if not any(week)]
    assert all(any(week) == all(week) for week in weeks)
    assert 2 <= len(away) <= 25


def test_a_slot_stays_inside_its_day() -> None:
    assert [slot(-1), slot(0), slot(1.5), slot(30)] == [0, 0, SLOTS_PER_HOUR * 3 // 2, SLOTS]


def test_homes_differ() -> None:
    sizes = np.array([len(draw_people(seed)) for seed in range(200)])
    assert set(sizes) == {1, 2, 3, 4, 5}
    assert 2.0 < sizes.mean() < 2.8
