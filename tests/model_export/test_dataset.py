"""Series become rows to learn from, with the edge's own features."""

from dataclasses import replace

import numpy as np
import pytest

from model_export.dataset import MeterSeries, feature_table
from model_export.errors import DataError
from tests.model_export.homes import HALF_HOUR, T0, small_homes
from wattline.features import NAMES
from wattline.intervals import from_amounts


def series(n: int, length_ms: int = HALF_HOUR) -> MeterSeries:
    t_ms = T0 + length_ms * np.arange(n, dtype=np.int64)
    return MeterSeries("m", from_amounts(0, t_ms, np.ones(n), length_ms))


def test_only_intervals_after_the_warm_up_are_learned_from() -> None:
    table = feature_table([series(156), series(10), series(146)])
    assert np.bincount(table.meter).tolist() == [12, 0, 2]
    assert table.matrix.shape == (14, len(NAMES))
    assert table.interval_ms == HALF_HOUR
    assert table.meter_weeks() == pytest.approx(14 / 336)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ([], "no intervals"),
        ([series(0)], "no intervals"),
        ([series(40)], "warm-up"),
        ([series(100), series(100, 3_600_000)], "several lengths"),
    ],
)
def test_data_that_hold_nothing_to_learn_are_refused(source: list[MeterSeries], problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        feature_table(source)


def test_the_same_rows_have_the_same_digest_and_others_another() -> None:
    assert feature_table(small_homes()).digest() == feature_table(small_homes()).digest()
    assert feature_table(small_homes()).digest() != feature_table(small_homes(seed=2)).digest()


def test_rows_of_chosen_meters_keep_their_index() -> None:
    table = feature_table(small_homes()).of_meters([1, 4])
    assert np.unique(table.meter).tolist() == [1, 4]


@pytest.mark.parametrize("block_intervals", [1, 1_000, 10_000_000])
def test_rows_do_not_depend_on_how_meters_are_worked_through(block_intervals: int) -> None:
    whole = feature_table(list(small_homes()))
    cut = feature_table(small_homes(), block_intervals=block_intervals)
    assert cut.digest() == whole.digest()
    assert cut.names == whole.names
    assert np.array_equal(cut.meter, whole.meter)
    assert np.array_equal(cut.start_ms, whole.start_ms)


def test_what_is_known_of_the_site_reaches_the_features() -> None:
    plain = next(iter(small_homes(homes=1, days=40)))
    rng = np.random.default_rng(1)
    told = replace(plain, temperature_c=rng.normal(10.0, 8.0, len(plain.intervals)))
    assert feature_table([told]).digest() != feature_table([plain]).digest()
