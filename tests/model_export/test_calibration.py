"""Scores are shares of ordinary intervals, thresholds are alarms that a person can bear."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_export.calibration import QUIET_MS, alarms, clear_cut, raw_threshold, surprise_curve, tail_curve
from model_export.errors import TrainingError

MINUTE = 60_000


def test_a_score_is_the_share_of_ordinary_intervals_that_look_less_strange() -> None:
    raw = np.random.default_rng(1).normal(50, 10, 100_000)
    curve = tail_curve(raw)
    for share in (0.1, 0.5, 0.9, 0.99, 0.999, 0.9999):
        assert curve(np.array([np.quantile(raw, share)]))[0] == pytest.approx(share, abs=0.05 * (1 - share))


@given(seed=st.integers(0, 1000), n=st.integers(100, 3000))
def test_a_stranger_interval_never_scores_lower_and_scores_stay_in_0_to_1(seed: int, n: int) -> None:
    raw = np.random.default_rng(seed).gamma(1.0, 20.0, n)
    curve = tail_curve(raw)
    asked = np.linspace(raw.min() - 100, raw.max() * 5000, 4000)
    scores = curve(asked)
    assert (np.diff(scores) >= 0).all()
    assert scores[0] >= 0
    assert 1.0 - 1e-6 < scores[-1] < 1.0


def test_beyond_all_that_was_seen_stranger_still_scores_higher() -> None:
    raw = np.random.default_rng(2).normal(0, 1, 10_000)
    scores = tail_curve(raw)(raw.max() * np.array([1.0, 1.5, 2.5, 6.0]))
    assert (np.diff(scores) > 0).all()


def test_data_that_do_not_vary_make_no_model() -> None:
    with pytest.raises(TrainingError, match="do not vary"):
        tail_curve(np.full(1000, 3.0))


@pytest.mark.parametrize(
    ("minutes", "meters", "expected"),
    [
        ([], [], 0),
        ([5], [0], 1),
        ([5, 6, 7], [0, 0, 0], 1),
        ([5, 5], [0, 1], 2),
        ([0, QUIET_MS // MINUTE], [0, 0], 1),
        ([0, QUIET_MS // MINUTE + 1], [0, 0], 2),
        ([200, 0, 1], [0, 0, 0], 2),
    ],
)
def test_anomalies_of_a_meter_close_together_are_one_alarm(
    minutes: list[int], meters: list[int], expected: int
) -> None:
    start_ms = np.array(minutes, np.int64) * MINUTE
    assert alarms(np.ones(len(minutes), np.bool_), np.array(meters, np.int64), start_ms) == expected


@pytest.mark.parametrize("wanted", [1, 5, 40])
def test_the_threshold_gives_as_many_alarms_as_wanted_and_hardly_fewer(wanted: int) -> None:
    rng = np.random.default_rng(3)
    raw, meter = rng.gamma(1, 1, 20_000), np.repeat(np.arange(4), 5_000)
    start_ms = np.tile(np.arange(5_000), 4) * 30 * MINUTE
    cut = raw_threshold(raw, meter, start_ms, wanted)
    assert wanted - 1 <= alarms(raw >= cut, meter, start_ms) <= wanted
    assert np.abs(raw - cut).min() > 0


def test_too_little_data_for_the_wanted_rate_is_said() -> None:
    with pytest.raises(TrainingError, match="more homes or days"):
        raw_threshold(np.arange(10.0), np.zeros(10, np.int64), np.arange(10), 0.3)


def test_a_surprise_is_the_logarithm_of_the_share_that_looks_stranger() -> None:
    raw = np.random.default_rng(4).gamma(2.0, 3.0, 50_000)
    curve = surprise_curve(raw)
    for share in (0.5, 0.1, 0.01, 0.001):
        assert curve(np.array([np.quantile(raw, 1.0 - share)]))[0] == pytest.approx(-np.log(share), rel=0.02)
    assert (np.diff(curve(np.linspace(-10, raw.max() * 500, 3000))) >= 0).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_scores_that_are_no_numbers_make_no_curve(value: float) -> None:
    raw = np.random.default_rng(5).normal(0, 1, 1000)
    raw[3] = value
    with pytest.raises(TrainingError, match="no numbers"):
        tail_curve(raw)


def test_many_equal_scores_make_no_cliff() -> None:
    raw = np.r_[np.zeros(5000), np.random.default_rng(6).gamma(1, 1, 5000)]
    curve = tail_curve(raw)
    assert (np.diff(curve.raw) > 1e-3).all()
    assert curve(np.array([0.0]))[0] < 0.51
    assert curve(np.array([1.0]))[0] == pytest.approx(0.5 + 0.5 * (1 - np.exp(-1)), abs=0.03)


@pytest.mark.parametrize(
    ("cut", "expected"),
    [
        (0.5, 0.5),  # half-way already
        (0.3, 0.5),  # the middle between the two scores around it
        (2.0, 1.5),  # a score at the threshold stays an anomaly
        (3.0000001, 3.5),  # two scores that float32 cannot tell apart stay on one side
        (9.0, 9.0),  # nothing there to be confused with
    ],
)
def test_a_threshold_keeps_clear_of_all_scores_that_occurred(cut: float, expected: float) -> None:
    ordinary = np.random.default_rng(7).uniform(0, 4, 100_000)
    curve = tail_curve(ordinary)
    occurred = np.array([0.0, 1.0, 2.0, 2.0 + 1e-9, 3.0, 3.0 + 2e-7, 4.0])
    assert clear_cut(cut, occurred, curve) == pytest.approx(expected)
