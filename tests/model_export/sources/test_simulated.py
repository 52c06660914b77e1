"""Simulated meters: of every kind, the same for the same seed, labelled where they are faulty."""

import numpy as np
import pytest

from model_export.dataset import feature_table
from model_export.errors import DataError
from model_export.sources import simulated
from model_export.sources.simulated import FAULT_KINDS, Spec, simulated_series

HALF_HOUR = 1_800_000


def test_the_same_seed_gives_the_same_rows_and_another_others() -> None:
    spec = Spec(homes=4, days=5, interval_ms=HALF_HOUR, seed=5)
    first, second = (feature_table(simulated_series(spec)) for _ in range(2))
    assert first.digest() == second.digest()
    other = feature_table(simulated_series(Spec(homes=4, days=5, interval_ms=HALF_HOUR, seed=6)))
    assert first.digest() != other.digest()


def test_every_kind_of_meter_takes_part_on_an_aligned_grid() -> None:
    series = list(simulated_series(Spec(homes=4, days=3, interval_ms=60_000, seed=5)))
    assert [one.name.rsplit("-", 1)[0] for one in series] == ["power", "slow-power", "energy", "gas"]
    for one in series:
        assert (one.intervals.start_ms % 60_000 == 0).all()
        assert (np.diff(one.intervals.start_ms) >= 60_000).all()
        assert (one.intervals.mean >= 0).all()
    power, energy = series[1].intervals, series[2].intervals
    assert 50 < power.mean.mean() < 3_000
    assert 0.05 < energy.mean.mean() < 3.0


def test_faults_of_every_kind_are_labelled_where_they_are_asked_for() -> None:
    plain = Spec(homes=4, days=20, interval_ms=HALF_HOUR, seed=5)
    faulty = Spec(homes=4, days=20, interval_ms=HALF_HOUR, seed=5, faults_per_day=0.2)
    assert all(one.faults == () for one in simulated_series(plain))
    labels = {fault.kind for one in simulated_series(faulty) for fault in one.faults}
    assert labels == set(FAULT_KINDS)


def test_without_the_simulators_the_reason_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated, "HOUSEHOLDS", "simulators.not_installed")
    with pytest.raises(DataError, match="not installed"):
        list(simulated_series(Spec(homes=1, days=3, interval_ms=HALF_HOUR, seed=5)))
