"""The feature contract: one function for training and edge, free of scale, bounded."""

import itertools
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattline.features import (
    BOUND,
    DAY_MS,
    FEATURES,
    NAMES,
    WARM_UP_INTERVALS,
    FeatureRows,
    FeatureState,
    most_deviant,
)
from wattline.intervals import Intervals, concatenate, from_amounts

HALF_HOUR = 1_800_000
START = 1_700_006_400_000 // DAY_MS * DAY_MS


def made(meter: int, rate: npt.ArrayLike, *, start_ms: int = START, step_ms: int = HALF_HOUR) -> Intervals:
    """Intervals of a meter without gaps."""
    rates = np.asarray(rate, np.float64)
    t_ms = start_ms + step_ms * np.arange(len(rates), dtype=np.int64)
    cut = from_amounts(meter, t_ms, rates * (step_ms / 3_600_000), step_ms)
    return replace(cut, low=cut.mean * 0.5, high=cut.mean * 1.5, spread=np.abs(cut.mean) * 0.3)


def homes(seed: int, meters: int, n: int) -> Intervals:
    """Several meters of different sizes, with gaps, zeros and flat stretches, shuffled."""
    rng = np.random.default_rng(seed)
    parts = []
    for meter in range(meters):
        rate = rng.gamma(1.0, 10.0 ** rng.integers(-3, 6), n)
        rate[rng.random(n) < 0.1] = 0.0
        rate[n // 3 : n // 2] = rate[n // 3]
        series = made(meter, rate, step_ms=(HALF_HOUR, HALF_HOUR // 30, 2 * HALF_HOUR)[meter % 3])
        silence_ms = np.where(np.arange(n) > n * 2 // 3, int(rng.integers(0, 40)) * DAY_MS, 0)
        temperature = np.where(rng.random(n) > 0.2, rng.normal(10, 5, n), np.nan) if meter % 2 else None
        series = replace(series, start_ms=series.start_ms + silence_ms, temperature_c=temperature)
        parts.append(series.take(rng.random(n) > 0.1))
    everything = concatenate(parts)
    return everything.take(rng.permutation(len(everything)))


def column(rows: FeatureRows, name: str) -> npt.NDArray[np.float32]:
    return rows.matrix[:, NAMES.index(name)]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), cuts=st.lists(st.floats(0, 1), max_size=12), meters=st.integers(1, 9))
def test_training_at_once_and_the_edge_in_pieces_give_the_same_bits(seed: int, cuts: list[float], meters: int) -> None:
    everything = homes(seed, meters, 150)
    whole = FeatureState(meters).advance(everything)

    edge, parts = FeatureState(), []
    end = int(everything.start_ms.max()) + 1
    borders = sorted({START, *(START + int(cut * (end - START)) for cut in cuts), end})
    for low, high in itertools.pairwise(borders):
        chosen = np.flatnonzero((everything.start_ms >= low) & (everything.start_ms < high))
        piece = everything.take(chosen)
        edge.grow(int(piece.meter.max(initial=-1)) + 1)
        parts.append((chosen, edge.advance(piece)))
        edge = FeatureState.restore(edge.export())  # a restart after every piece

    for chosen, rows in parts:
        assert rows.matrix.tobytes() == whole.matrix[chosen].tobytes()
        assert rows.known_ms.tobytes() == whole.known_ms[chosen].tobytes()
    assert sum(len(chosen) for chosen, _ in parts) == len(everything)


@pytest.mark.parametrize("size", [1e-3, 1.0, 2e6])
def test_a_flat_and_an_office_block_look_the_same(size: float) -> None:
    rate = np.random.default_rng(1).gamma(2.0, 1.0, 200)
    small, large = FeatureState(1).advance(made(0, rate)), FeatureState(1).advance(made(0, rate * size))
    np.testing.assert_allclose(small.matrix, large.matrix, atol=1e-5)


@pytest.mark.parametrize("rate", [[0.0] * 60, [1e12, -1e12] * 30, [0.0] * 50 + [1e12] * 10, [1e-300] * 60])
def test_features_are_finite_and_bounded_whatever_a_meter_sends(rate: list[float]) -> None:
    matrix = FeatureState(1).advance(made(0, rate)).matrix
    assert np.isfinite(matrix).all()
    assert np.abs(matrix).max() <= BOUND


def ordinary_days(days: int) -> npt.NDArray[np.float64]:
    """A home's half hours: low at night, high in the evening, a little noise."""
    hours = np.arange(days * 48) % 48 / 2
    noise = np.random.default_rng(2).normal(0, 0.03, days * 48)
    return np.asarray(300.0 * (1.0 + 0.8 * np.sin((hours - 14) / 24 * 2 * np.pi) + noise), np.float64)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("level", lambda rate: np.r_[rate[:-1], rate[-1] * 20]),
        ("record", lambda rate: np.r_[rate[:-1], 5_000.0]),
        ("versus_week", lambda rate: np.r_[rate[:-1], rate[-1] * 20]),
        ("versus_kind", lambda rate: np.r_[rate[:-1], rate[-1] * 20]),
        ("versus_day", lambda rate: np.r_[rate[:-1], rate[-1] * 20]),
        ("odd", lambda rate: np.r_[rate[:-1], rate[-1] * 20]),
        ("odd_3h", lambda rate: np.r_[rate[:-6], rate[-6:] + 400]),
        ("odd_24h", lambda rate: np.r_[rate[:-48], rate[-48:] + 400]),
        ("beyond_week", lambda rate: np.r_[rate[:-1], rate[-1] * 20]),
        ("beyond_month", lambda rate: np.r_[rate[:-1], rate[-1] * 20]),
        ("beyond_3h", lambda rate: np.r_[rate[:-8], rate[-8:] * 20]),
        ("step", lambda rate: np.r_[rate[:-1], rate[-1] * 20]),
        ("versus_yesterday", lambda rate: np.r_[rate[:-1], rate[-1] * 20]),
        ("lifted", lambda rate: np.r_[rate[:-6], np.maximum(rate[-6:], 700)]),
        ("shift_1h", lambda rate: np.r_[rate[:-4], rate[-4:] + 400]),
        ("shift_3h", lambda rate: np.r_[rate[:-8], rate[-8:] + 400]),
        ("shift_8h", lambda rate: np.r_[rate[:-20], rate[-20:] + 400]),
        ("shift_24h", lambda rate: np.r_[rate[:-60], rate[-60:] + 400]),
        ("flat", lambda rate: np.r_[rate[:-12], np.full(12, rate[-12])]),
        ("zero", lambda rate: np.r_[rate[:-12], np.zeros(12)]),
        ("restlessness", lambda rate: np.r_[rate[:-6], rate[-6:] * np.array([5, 0, 5, 0, 5, 0])]),
    ],
)
def test_each_feature_sees_what_it_is_named_for(name: str, change: object) -> None:
    rate = ordinary_days(14)
    assert callable(change)
    with np.errstate(all="raise"):
        ordinary = made(0, rate)
        flat_within = replace(ordinary, low=ordinary.mean, high=ordinary.mean)
        changed = made(0, change(rate))
        changed = replace(changed, low=changed.mean, high=changed.mean)
        before = column(FeatureState(1).advance(flat_within), name)[-1]
        after = column(FeatureState(1).advance(changed), name)[-1]
    assert after > before + 0.5


def test_silence_shows_in_the_gap_and_sparse_sampling_does_not() -> None:
    dense = made(0, np.ones(100))
    silent = dense.take(np.r_[np.arange(80), np.arange(90, 100)])
    assert column(FeatureState(1).advance(dense), "gap").max() == 0
    assert column(FeatureState(1).advance(silent), "gap")[80] > 0.8

    sparse = replace(made(0, np.ones(400), step_ms=300_000), length_ms=np.full(400, 60_000))
    assert column(FeatureState(1).advance(sparse), "gap").max() < 0.3


def test_hours_and_weekends_are_local() -> None:
    saturday = 2 * DAY_MS  # 1970-01-03
    rows = FeatureState(1, utc_offset_ms=6 * 3_600_000).advance(made(0, [1.0, 1.0], start_ms=saturday - 6 * 3_600_000))
    assert column(rows, "hour_sin")[0] == pytest.approx(0.0)
    assert column(rows, "hour_cos")[0] == pytest.approx(1.0)
    assert column(rows, "weekend").tolist() == [1.0, 1.0]
    assert column(FeatureState(1).advance(made(0, [1.0], start_ms=saturday - 1)), "weekend").tolist() == [0.0]


def test_a_weekday_is_compared_with_the_same_weekday() -> None:
    hours = np.arange(24 * 7 * 5)
    office = np.where((hours // 24 % 7 < 5) & (hours % 24 > 7) & (hours % 24 < 18), 900.0, 100.0)
    monday = made(0, office, start_ms=START + 4 * DAY_MS, step_ms=2 * HALF_HOUR)
    rows = FeatureState(1).advance(monday)
    last_week = slice(24 * 7 * 4, None)
    assert np.abs(column(rows, "versus_week")[last_week]).max() == 0
    assert np.abs(column(rows, "versus_yesterday")[last_week]).max() > 2
    assert column(rows, "weeks")[-1] == 1.0

    closed = office.copy()
    closed[-24 * 7 + 24 : -24 * 7 + 48] = 100.0  # Tuesday is a holiday
    holiday = FeatureState(1).advance(made(0, closed, start_ms=START + 4 * DAY_MS, step_ms=2 * HALF_HOUR))
    noon = -24 * 7 + 24 + 12
    assert column(holiday, "versus_week")[noon] < -2
    assert column(holiday, "beyond_week")[noon] < -2
    assert column(holiday, "beyond_month")[noon] == 0, "weekends were as low"


def test_a_month_of_silence_leaves_nothing_to_compare_with() -> None:
    series = made(0, ordinary_days(30))
    series = replace(series, start_ms=series.start_ms + np.where(np.arange(30 * 48) >= 29 * 48, 30 * DAY_MS, 0))
    rows = FeatureState(1).advance(series)
    assert column(rows, "weeks")[29 * 48 - 1] == 1.0
    assert not column(rows, "weeks")[29 * 48 :].any()


def test_temperature_and_occupancy_are_told_against_their_own_weeks_where_they_are_known() -> None:
    n = 48 * 8
    cold = np.where(np.arange(n) < n - 1, 15.0, -5.0)
    cold[7] = np.nan
    series = replace(made(0, np.ones(n)), temperature_c=cold, occupancy=np.where(np.arange(n) < n - 1, 2.0, 0.0))
    rows = FeatureState(1).advance(series)
    assert column(rows, "temperature")[:-1].tolist() == [0.0] * (n - 1)
    assert column(rows, "temperature")[-1] == pytest.approx(-2.0, abs=0.1)
    assert column(rows, "occupancy")[-1] == pytest.approx(-0.66, abs=0.05)
    assert not column(FeatureState(1).advance(made(0, np.ones(n))), "temperature").any()


def test_a_late_or_repeated_interval_changes_nothing() -> None:
    series = made(0, np.random.default_rng(3).gamma(1, 1, 60))
    state = FeatureState(1)
    state.advance(series)
    before = state.export()
    rows = state.advance(series.take(np.array([10, 59])))
    assert not rows.in_order.any()
    assert not rows.matrix.any()
    assert all(np.array_equal(before[name], array, equal_nan=True) for name, array in state.export().items())


def test_one_wild_interval_does_not_move_the_scale_far() -> None:
    rate = np.random.default_rng(4).gamma(2.0, 100.0, 48 * 14)
    wild = rate.copy()
    wild[48 * 7] = 1e9
    tame_level = column(FeatureState(1).advance(made(0, rate)), "level")[-48:]
    wild_level = column(FeatureState(1).advance(made(0, wild)), "level")[-48:]
    np.testing.assert_allclose(wild_level, tame_level, rtol=0.2)


def test_a_meter_is_ready_after_three_days_and_enough_intervals() -> None:
    ready = FeatureState(1).advance(made(0, np.ones(160))).ready()
    assert ready.tolist() == [False] * 144 + [True] * 16
    daily = FeatureState(1).advance(made(0, np.ones(WARM_UP_INTERVALS + 5), step_ms=DAY_MS)).ready()
    assert daily.sum() == 5


def test_state_stays_the_same_size_however_long_it_runs() -> None:
    state = FeatureState(2)
    size = sum(array.nbytes for array in state.export().values())
    state.advance(homes(5, 2, 3_000))
    assert sum(array.nbytes for array in state.export().values()) == size


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"memory": np.zeros((3, 2)), "half_hours": np.zeros((4, 2, 48)), "places": np.zeros((3, 2))},
        {name: array[..., :1] for name, array in FeatureState(2).export().items()},
        FeatureState(2).export() | {"memory": np.full_like(FeatureState(2).export()["memory"], np.nan)},
        FeatureState(2).export() | {"half_hours": np.full_like(FeatureState(2).export()["half_hours"], np.inf)},
    ],
    ids=["nothing", "another contract", "cut off", "no numbers", "endless numbers"],
)
def test_a_foreign_state_is_refused(arrays: dict[str, npt.NDArray[np.float64]]) -> None:
    with pytest.raises(ValueError, match="state"):
        FeatureState.restore(arrays)


def test_the_most_deviant_feature_is_furthest_beyond_its_usual_size() -> None:
    usual = np.array([feature.usual for feature in FEATURES], np.float32)
    matrix = np.tile(usual, (2, 1))
    matrix[0, NAMES.index("zero")] *= 3
    matrix[1, NAMES.index("step")] *= -3
    matrix[1, NAMES.index("hour_sin")] = 100
    assert [NAMES[i] for i in most_deviant(matrix)] == ["zero", "step"]
