"""What the homes of the London files used: days, sizes, and what their meters got wrong."""

import numpy as np
import pytest

from simulators.household import Household, HouseholdOptions
from simulators.london_homes import (
    DAY,
    END_DAY,
    FIRST_DAY,
    IMPOSSIBLE,
    NEGATIVE,
    NULL,
    Home,
    Truth,
    count_kinds,
    home_at,
    stays_in,
    year_wh,
)
from simulators.randomness import IntArray

_START_MS = FIRST_DAY * 86_400_000


@pytest.fixture(scope="module")
def years() -> IntArray:
    return np.stack([year_wh(1, number) for number in range(2)])


def _home(slot: list[int], wh: list[int], odd_s: list[int] | None = None) -> Home:
    times = np.array(slot, np.int64)
    odd = np.array(odd_s or [0] * len(slot), np.int64)
    return Home("MAC000002", "Std", times, odd, np.array(wh, np.int64))


def test_a_year_is_what_the_simulated_home_uses(years: IntArray) -> None:
    home = Household(HouseholdOptions(seed=100_001, weather_seed=1, origin_ms=_START_MS))
    week_ms = np.array([_START_MS, _START_MS + 7 * 86_400_000], np.int64)
    used_kwh = np.diff(home.electricity(week_ms)["energy_import_kwh"])[0]
    assert years[1, : 7 * DAY].sum() / 1000 == pytest.approx(used_kwh, abs=0.2)
    assert years.shape == (2, 364 * DAY)


def test_stays_follow_each_other_and_have_years_of_rows() -> None:
    stays = stays_in(1, 3_000_000)
    ends = [stay.first_row + stay.rows for stay in stays]
    assert [stay.first_row for stay in stays] == [0, *ends[:-1]]
    assert ends[-1] >= 3_000_000 > ends[-2]
    assert np.mean([stay.rows for stay in stays]) == pytest.approx(30_144, rel=0.05)


def test_a_home_has_the_rows_of_its_stay_within_the_projects_time(years: IntArray) -> None:
    for stay in stays_in(1, 300_000):
        home = home_at(1, stay, years)
        assert len(home.slot) == len(home.wh) == len(home.odd_s) == stay.rows
        assert home.slot.min() >= FIRST_DAY * DAY
        assert home.slot.max() == END_DAY * DAY - 1


def test_weekdays_and_sizes_are_kept(years: IntArray) -> None:
    stay = stays_in(1, 1)[0]
    home = home_at(1, stay, years)
    year = years[0].reshape(-1, 7 * DAY).mean(axis=0)
    week = np.array([home.wh[home.slot % (7 * DAY) == slot % (7 * DAY)].mean() for slot in range(7 * DAY)])
    aligned = np.roll(year, (FIRST_DAY * DAY) % (7 * DAY))
    assert np.corrcoef(week, aligned)[0, 1] > 0.95


@pytest.mark.parametrize(
    ("home", "truth"),
    [
        (_home([5, 6, 7], [1, 2, 3]), Truth(rows=3)),
        (_home([5, 5, 5], [1, 1, 2]), Truth(rows=3, duplicate=2)),
        (_home([5, 5], [NULL, 1]), Truth(rows=2, null=1)),
        (_home([5, 6], [NULL, 1], [7, 0]), Truth(rows=2, null=1)),
        (_home([5, 6, 5], [1, 1, 1], [7, 0, 0]), Truth(rows=3, off_grid=1)),
        (_home([5, 6], [NEGATIVE, IMPOSSIBLE]), Truth(rows=2, negative=1, impossible=1)),
        (_home([5], [NEGATIVE], [7]), Truth(rows=1, off_grid=1)),
        (_home([], []), Truth()),
    ],
)
def test_a_row_is_of_the_first_kind_that_fits(home: Home, truth: Truth) -> None:
    assert count_kinds(home) == truth


@pytest.mark.parametrize(
    ("begin", "end", "slots"), [(0, 9, [5, 6, 7]), (1, 2, [6]), (-4, 2, [5, 6]), (-4, -1, []), (3, 9, [])]
)
def test_parts_of_a_home(begin: int, end: int, slots: list[int]) -> None:
    assert _home([5, 6, 7], [1, 2, 3]).part(begin, end).slot.tolist() == slots
