"""No row is learned from and calibrated on by the same model."""

import numpy as np
import pytest

from model_export import folds as folds_module
from model_export.dataset import FeatureTable
from model_export.folds import PARTS, folds
from tests.model_export.homes import HALF_HOUR, T0

N = 60


def table_of(meters: int) -> FeatureTable:
    meter = np.repeat(np.arange(meters), N)
    start_ms = np.tile(T0 + HALF_HOUR * np.arange(N), meters)
    names = tuple(str(i) for i in range(meters))
    return FeatureTable(np.zeros((meters * N, 1), np.float32), meter, start_ms, HALF_HOUR, names)


@pytest.mark.parametrize(("meters", "parts"), [(1, 3), (2, 3), (3, 3), (29, 3), (30, 1), (40, 1)])
def test_many_meters_are_parted_once_few_are_scored_whole(meters: int, parts: int) -> None:
    made = folds(table_of(meters), 1)
    assert len(made) == parts
    for fold in made:
        assert not set(fold.learned) & set(fold.held_out)
        assert len(fold.learned)
        assert len(fold.held_out)
    if parts > 1:
        assert sorted(np.concatenate([fold.held_out for fold in made]).tolist()) == list(range(meters * N))


@pytest.mark.parametrize("meters", [3, 5, 29, 30])
def test_meters_are_never_split_where_there_are_enough(meters: int) -> None:
    table = table_of(meters)
    for fold in folds(table, 1):
        assert not set(table.meter[fold.learned]) & set(table.meter[fold.held_out])


@pytest.mark.parametrize("meters", [1, 2])
def test_one_or_two_meters_are_split_by_time_whatever_the_order_of_rows(meters: int) -> None:
    table = table_of(meters)
    shuffled = np.random.default_rng(3).permutation(len(table))
    mixed = FeatureTable(
        table.matrix[shuffled], table.meter[shuffled], table.start_ms[shuffled], HALF_HOUR, table.names
    )
    for fold in folds(mixed, 1):
        for meter in range(meters):
            times = np.sort(mixed.start_ms[fold.held_out[mixed.meter[fold.held_out] == meter]])
            assert (np.diff(times) == HALF_HOUR).all()
            assert len(times) == N // 3


def test_a_meter_that_has_nearly_all_rows_is_split_by_time() -> None:
    table = table_of(12)
    kept = np.flatnonzero((table.meter == 2) | (np.arange(len(table)) % 30 == 0))
    few = FeatureTable(table.matrix[kept], table.meter[kept], table.start_ms[kept], HALF_HOUR, table.names)
    made = folds(few, 1)
    assert [2 in few.meter[fold.learned] and 2 in few.meter[fold.held_out] for fold in made] == [True] * 3


def test_very_many_rows_are_held_out_as_whole_meters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folds_module, "MAX_HELD_OUT_ROWS", 3 * N)
    table = table_of(30)
    [fold] = folds(table, 1)
    assert len(fold.held_out) == 3 * N
    assert len(np.unique(table.meter[fold.held_out])) == 3
    assert len(np.unique(table.meter[fold.learned])) == 20
    assert folds(table, 2)[0].held_out.tolist() != fold.held_out.tolist()
    assert [len(one.held_out) for one in folds(table_of(12), 1)] == [N] * PARTS
