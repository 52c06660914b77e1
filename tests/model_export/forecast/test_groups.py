"""Sums of meters."""

import numpy as np
import pytest

from model_export.errors import DataError
from model_export.forecast.groups import random_sums, sums
from model_export.forecast.table import Span
from tests.model_export.forecast.tables import random_table

DAY = 24


def test_a_sum_is_the_sum_of_its_members() -> None:
    table = random_table(4)
    chosen = np.array([[True, True, False, False], [True, True, True, True]])
    summed = sums(table, chosen, table.length)
    known = np.isfinite(table.energy_kwh).all(axis=0)
    np.testing.assert_allclose(summed.energy_kwh[0, known], table.energy_kwh[:2, known].sum(axis=0), rtol=1e-5)
    assert summed.members.tolist() == [2, 4]
    assert summed.floor_m2.tolist() == [160, 320]


def test_a_silent_member_is_taken_to_use_its_share() -> None:
    table = random_table(4)
    table.energy_kwh[:, table.history :] = np.array([[1.0], [2.0], [3.0], [4.0]])
    at = table.history + 100
    table.energy_kwh[3, at] = np.nan
    table.energy_kwh[:3, at + 1] = np.nan
    summed = sums(table, np.ones((1, 4), np.bool_), table.length).energy_kwh[0]
    assert summed[at] == pytest.approx(10)
    assert np.isnan(summed[at + 1])


def test_groups_are_of_all_sizes_and_follow_the_seed() -> None:
    table, span = random_table(16), Span(0, DAY * 40)
    summed = random_sums(table, span, 1)
    assert summed.members.min() >= 2
    assert summed.members.max() > 12
    np.testing.assert_array_equal(summed.energy_kwh, random_sums(table, span, 1).energy_kwh)
    assert not np.array_equal(summed.members, random_sums(table, span, 2).members)


def test_a_sum_of_one_is_refused() -> None:
    with pytest.raises(DataError, match="sums are made of 2 at least"):
        random_sums(random_table(1), Span(0, DAY * 40), 1)
