"""Each fault changes what it says, while it says, and nothing else."""

from itertools import pairwise

import numpy as np
import pytest

from simulators.faults import Fault, FaultKind, FaultPlan, FaultRule, check_rules
from simulators.randomness import Columns, FloatArray, IntArray
from simulators.weather import DAY_MS, HOUR_MS
from wattline.config import DurationMs

START = 1_767_225_600_000
DAYS = 20
TIMES = START + np.arange(DAYS * 1440, dtype=np.int64) * 60_000


def _truth(t_ms: IntArray) -> Columns:
    part = (t_ms - START) / HOUR_MS
    return {
        "power_w": 500 + 100 * np.sin(part),
        "energy_import_kwh": 1000 + 0.5 * part,
        "occupancy": np.floor(part % 3),
    }


def _plan(*rules: FaultRule, meter: str = "m1", seed: int = 1) -> FaultPlan:
    return FaultPlan(rules=rules, seed=seed, meter=meter, origin_ms=START)


def _rule(kind: FaultKind, per_day: float = 1.0, strength: float = 0.0, minutes: int = 0) -> FaultRule:
    return FaultRule(kind=kind, per_day=per_day, strength=strength, duration=DurationMs(minutes * 60_000))


def _inside(t_ms: IntArray, labels: tuple[Fault, ...]) -> np.ndarray:
    return np.array([any(fault.start_ms <= t < fault.end_ms for fault in labels) for t in t_ms.tolist()])


def _changed(kind: FaultKind, name: str) -> tuple[FloatArray, np.ndarray, tuple[Fault, ...]]:
    result = _plan(_rule(kind, per_day=0.9 if kind is FaultKind.NIGHT_LOAD else 3.0)).inject(_truth, TIMES)
    np.testing.assert_array_equal(result.t_ms, TIMES)
    return result.columns[name] - _truth(TIMES)[name], _inside(TIMES, result.labels), result.labels


def test_without_rules_nothing_happens() -> None:
    result = _plan().inject(_truth, TIMES)
    assert result.labels == ()
    for name, column in _truth(TIMES).items():
        np.testing.assert_array_equal(result.columns[name], column)


def test_a_spike_lifts_gauges_far_above_the_truth_and_only_there() -> None:
    change, inside, labels = _changed(FaultKind.SPIKE, "power_w")
    np.testing.assert_allclose(change[inside], 6000)
    assert not change[~inside].any()
    assert len(labels) > 2 * DAYS


@pytest.mark.parametrize("kind", [FaultKind.SPIKE, FaultKind.DRIFT])
@pytest.mark.parametrize("name", ["energy_import_kwh", "occupancy"])
def test_spike_and_drift_leave_registers_and_counts_alone(kind: FaultKind, name: str) -> None:
    change, _, labels = _changed(kind, name)
    assert labels
    assert not change.any()


@pytest.mark.parametrize("name", ["power_w", "energy_import_kwh", "occupancy"])
def test_a_stuck_meter_repeats_the_value_of_its_start(name: str) -> None:
    result = _plan(_rule(FaultKind.STUCK)).inject(_truth, TIMES)
    inside = _inside(TIMES, result.labels)
    np.testing.assert_array_equal(result.columns[name][~inside], _truth(TIMES)[name][~inside])
    for fault in result.labels:
        here = (fault.start_ms <= TIMES) & (fault.end_ms > TIMES)
        start = _truth(np.array([fault.start_ms], dtype=np.int64))[name][0]
        np.testing.assert_array_equal(result.columns[name][here], start)


def test_a_drop_out_withholds_readings_and_only_there() -> None:
    result = _plan(_rule(FaultKind.DROP_OUT)).inject(_truth, TIMES)
    inside = _inside(TIMES, result.labels)
    assert inside.any()
    np.testing.assert_array_equal(result.t_ms, TIMES[~inside])
    for name, column in _truth(TIMES).items():
        np.testing.assert_array_equal(result.columns[name], column[~inside])


def test_a_drift_grows_until_it_ends() -> None:
    change, inside, labels = _changed(FaultKind.DRIFT, "power_w")
    assert not change[~inside].any()
    for fault in labels[1:-1]:
        here = change[(fault.start_ms <= TIMES) & (fault.end_ms > TIMES)]
        assert (np.diff(here) > 0).all()
        assert here[0] < 20
        assert 1900 < here[-1] < 2000


def test_a_night_load_is_consumed_at_night_and_stays_in_the_register() -> None:
    power, inside, labels = _changed(FaultKind.NIGHT_LOAD, "power_w")
    np.testing.assert_allclose(power[inside], 1500)
    assert not power[~inside].any()
    hours = [fault.start_ms % DAY_MS / HOUR_MS for fault in labels]
    assert all(0.5 <= hour < 2.5 for hour in hours)
    register, _, _ = _changed(FaultKind.NIGHT_LOAD, "energy_import_kwh")
    assert (np.diff(register) >= -1e-9).all()
    used_kwh = sum(min(f.end_ms, TIMES[-1]) - f.start_ms for f in labels) / HOUR_MS * 1.5
    assert register[-1] == pytest.approx(used_kwh, abs=1e-6)


def test_a_register_with_night_loads_can_be_asked_in_any_order() -> None:
    plan = _plan(_rule(FaultKind.NIGHT_LOAD))
    at_once = plan.inject(_truth, TIMES).columns["energy_import_kwh"]
    for index in (len(TIMES) - 1, 5, 14_000, 2000):
        alone = plan.inject(_truth, TIMES[index : index + 1]).columns["energy_import_kwh"]
        assert alone[0] == pytest.approx(at_once[index], abs=1e-9)


@pytest.mark.parametrize("kind", list(FaultKind))
def test_the_schedule_does_not_depend_on_the_question(kind: FaultKind) -> None:
    plan = _plan(_rule(kind, per_day=1.0))
    all_faults = plan.between(START, START + DAYS * DAY_MS)
    pieces = {
        fault
        for hour in range(DAYS * 24)
        for fault in plan.between(START + hour * HOUR_MS, START + (hour + 1) * HOUR_MS)
    }
    assert tuple(sorted(pieces)) == all_faults
    assert DAYS - 2 <= len(all_faults) <= DAYS + 2


def test_meters_and_seeds_have_schedules_of_their_own() -> None:
    rule = _rule(FaultKind.SPIKE)
    spans = (START, START + DAYS * DAY_MS)
    starts = [plan.between(*spans)[3].start_ms for plan in (_plan(rule), _plan(rule, meter="m2"), _plan(rule, seed=2))]
    assert len(set(starts)) == 3


def test_faults_never_meet_and_night_loads_always_stay() -> None:
    rules = [_rule(kind, per_day=1.0 if kind is FaultKind.NIGHT_LOAD else 6.0) for kind in FaultKind]
    faults = _plan(*rules).between(START, START + DAYS * DAY_MS)
    assert {fault.kind for fault in faults} == set(FaultKind)
    assert all(one.end_ms <= other.start_ms for one, other in pairwise(faults))
    nights = [fault for fault in faults if fault.kind is FaultKind.NIGHT_LOAD]
    assert tuple(nights) == _plan(_rule(FaultKind.NIGHT_LOAD)).between(START, START + DAYS * DAY_MS)


def test_a_fault_between_two_readings_is_not_labelled() -> None:
    plan = _plan(_rule(FaultKind.SPIKE))
    hourly = TIMES[::60]
    labels = plan.inject(_truth, hourly).labels
    assert len(labels) < len(plan.between(START, START + DAYS * DAY_MS))
    assert all(any(fault.start_ms <= t < fault.end_ms for t in hourly.tolist()) for fault in labels)


def test_a_duration_is_kept_within_a_third_and_half_a_slot() -> None:
    for minutes, low, high in [(30, 20, 40), (5000, 720, 720)]:
        faults = _plan(_rule(FaultKind.STUCK, minutes=minutes)).between(START, START + DAYS * DAY_MS)
        lengths = [(fault.end_ms - fault.start_ms) / 60_000 for fault in faults]
        assert low - 1 <= min(lengths)
        assert max(lengths) <= high + 1


@pytest.mark.parametrize(
    ("kinds", "quantities", "problem"),
    [
        (["spike", "drift", "stuck", "drop_out", "night_load"], ["power_w", "energy_import_kwh"], ""),
        (["stuck", "drop_out", "night_load"], ["gas_m3"], ""),
        (["spike"], ["gas_m3"], "spike changes nothing on a meter of gas_m3"),
        (["drift"], ["gas_m3"], "drift changes nothing on a meter of gas_m3"),
        (["night_load"], ["temperature_c"], "night_load changes nothing on a meter of temperature_c"),
        (["stuck", "stuck"], ["gas_m3"], "the same rule is listed twice"),
    ],
)
def test_rules_must_fit_the_meter(kinds: list[str], quantities: list[str], problem: str) -> None:
    assert check_rules([FaultRule(kind=FaultKind(kind)) for kind in kinds], quantities) == problem
