"""Each kind of fault does to a meter what its row in the table says, and to nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from model_export.dataset import FaultSpan, MeterSeries
from model_export.faults_on_series import EVERY_DAYS, KINDS, SETTLED_MS, with_faults
from tests.model_export.homes import HALF_HOUR, T0, small_homes
from wattline.intervals import HOUR_MS, Intervals, from_amounts

DAY_MS = 24 * HOUR_MS
DAYS = 200
Bools = np.ndarray[tuple[int], np.dtype[np.bool_]]


@pytest.fixture(scope="module")
def home() -> MeterSeries:
    return next(small_homes(homes=1, days=DAYS))


def during(cut: Intervals, fault: FaultSpan) -> Bools:
    return np.asarray((cut.start_ms >= fault.start_ms) & (cut.start_ms < fault.end_ms))


def outside(cut: Intervals, faults: tuple[FaultSpan, ...]) -> Bools:
    return np.asarray(~np.any([during(cut, fault) for fault in faults], axis=0), np.bool_)


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_changes_the_meter_while_it_lasts_and_never_else(home: MeterSeries, kind: str) -> None:
    faulty = with_faults(home, kind, seed=1)
    assert len(faulty.faults) - (DAYS - 28) // EVERY_DAYS in {0, 1}
    assert {fault.kind for fault in faulty.faults} == {kind}
    assert min(fault.start_ms for fault in faulty.faults) >= T0 + SETTLED_MS
    before, after = (cut.take(outside(cut, faulty.faults)) for cut in (home.intervals, faulty.intervals))
    np.testing.assert_array_equal(after.start_ms, before.start_ms)
    np.testing.assert_array_equal(after.mean, before.mean)
    for fault in faulty.faults:
        old = home.intervals.take(during(home.intervals, fault)).mean
        new = faulty.intervals.take(during(faulty.intervals, fault)).mean
        assert len(old) != len(new) or (old != new).any()


@pytest.mark.parametrize(("kind", "least_h", "most_h"), [
    ("spike", 0.5, 0.5),
    ("stuck", 5.5, 24),
    ("drop_out", 1.5, 24),
    ("drift", 14 * 24, 14 * 24),
    ("night_load", 2 * 24 + 6, 6 * 24 + 6),
])  # fmt: skip
def test_a_fault_lasts_as_long_as_its_kind_does(home: MeterSeries, kind: str, least_h: float, most_h: float) -> None:
    for seed in range(5):
        for fault in with_faults(home, kind, seed).faults:
            assert least_h <= (fault.end_ms - fault.start_ms) / HOUR_MS <= most_h


def test_a_spike_is_three_to_ten_times_the_highest_rate(home: MeterSeries) -> None:
    faulty = with_faults(home, "spike", 1)
    spikes = np.concatenate([faulty.intervals.take(during(faulty.intervals, one)).mean for one in faulty.faults])
    peak = home.intervals.mean.max()
    assert (spikes >= 3 * peak).all()
    assert (spikes <= 10 * peak).all()


def test_a_stuck_meter_repeats_the_value_before(home: MeterSeries) -> None:
    faulty = with_faults(home, "stuck", 1)
    for fault in faulty.faults:
        inside = np.flatnonzero(during(faulty.intervals, fault))
        assert (faulty.intervals.mean[inside] == faulty.intervals.mean[inside[0] - 1]).all()
        assert (faulty.intervals.high[inside] == faulty.intervals.low[inside]).all()


def test_a_drop_out_leaves_nothing(home: MeterSeries) -> None:
    faulty = with_faults(home, "drop_out", 1)
    assert all(not during(faulty.intervals, fault).any() for fault in faulty.faults)
    assert faulty.labels is None


def test_a_drift_grows_to_a_third_or_two_of_the_value_and_ends(home: MeterSeries) -> None:
    for fault in (faulty := with_faults(home, "drift", 1)).faults:
        inside = during(home.intervals, fault)
        error = faulty.intervals.mean[inside] / home.intervals.mean[inside] - 1.0
        assert abs(error[0]) < 0.01
        assert 0.25 <= abs(error[-1]) <= 0.6
        assert (np.diff(np.abs(error)) >= -1e-12).all()


def test_a_night_load_is_on_at_night_only(home: MeterSeries) -> None:
    faulty = with_faults(home, "night_load", 1)
    more = faulty.intervals.mean - home.intervals.mean
    hour = faulty.intervals.start_ms % DAY_MS // HOUR_MS
    assert set(hour[more > 0].tolist()) == {23, 0, 1, 2, 3, 4}
    share = more[more > 0] / home.intervals.mean.mean()
    assert (share >= 0.3).all()
    assert (share <= 1.0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_seed_and_name_decide_everything(home: MeterSeries, kind: str) -> None:
    again = with_faults(home, kind, 1)
    np.testing.assert_array_equal(again.intervals.mean, with_faults(home, kind, 1).intervals.mean)
    assert again.faults == with_faults(home, kind, 1).faults
    assert again.faults != with_faults(home, kind, 2).faults
    assert again.faults != with_faults(replace(home, name="another"), kind, 1).faults


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [0, 1, 20])
def test_a_series_without_room_or_use_has_no_fault(kind: str, n: int) -> None:
    t_ms = T0 + HALF_HOUR * np.arange(n, dtype=np.int64)
    nothing = MeterSeries("m", from_amounts(0, t_ms, np.zeros(n), HALF_HOUR))
    assert with_faults(nothing, kind, 1).faults == ()


def test_a_short_series_has_its_faults_after_its_first_third() -> None:
    short = next(small_homes(homes=1, days=24))
    [fault] = with_faults(short, "spike", 1).faults
    assert fault.start_ms >= T0 + 7 * DAY_MS
