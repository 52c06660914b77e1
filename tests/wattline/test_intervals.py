"""Which series speaks for a meter, and how it is cut into intervals."""

import numpy as np
import pytest

from wattline.intervals import aggregate, concatenate, from_amounts, judged_quantity


@pytest.mark.parametrize(
    ("names", "judged"),
    [
        (["voltage_v", "energy_import_kwh", "power_w"], "power_w"),
        (["energy_kwh", "energy_import_kwh"], "energy_import_kwh"),
        (["water_used_m3"], "water_used_m3"),
        (["water_used_m3", "exported_kwh"], "exported_kwh"),
        (["temperature_c", "humidity_pct", "occupancy"], ""),
        (["of unknown unit"], ""),
        ([], ""),
    ],
)
def test_power_speaks_before_registers_before_amounts(names: list[str], judged: str) -> None:
    assert judged_quantity(names) == judged


def test_samples_become_mean_extremes_and_spread_of_epoch_aligned_intervals() -> None:
    t_ms = np.array([60_000, 90_000, 119_999, 120_000, 300_000])
    cut = aggregate(3, t_ms, np.array([1.0, 2.0, 3.0, 10.0, 4.0]), 60_000)
    assert cut.start_ms.tolist() == [60_000, 120_000, 300_000]
    assert cut.mean.tolist() == [2.0, 10.0, 4.0]
    assert cut.low.tolist() == [1.0, 10.0, 4.0]
    assert cut.high.tolist() == [3.0, 10.0, 4.0]
    assert cut.spread == pytest.approx([(2 / 3) ** 0.5, 0.0, 0.0])
    assert cut.count.tolist() == [3, 1, 1]
    assert cut.meter.tolist() == [3, 3, 3]


def test_no_samples_make_no_intervals() -> None:
    assert len(aggregate(0, np.zeros(0, np.int64), np.zeros(0), 60_000)) == 0


def test_an_amount_becomes_a_rate_per_hour() -> None:
    cut = from_amounts(0, np.array([0, 1_800_000]), np.array([0.25, 1.0]), 1_800_000)
    assert cut.mean.tolist() == cut.low.tolist() == cut.high.tolist() == [0.5, 2.0]


def test_parts_are_put_one_after_the_other() -> None:
    one = from_amounts(0, np.array([0]), np.array([1.0]), 3_600_000)
    two = from_amounts(1, np.array([0, 3_600_000]), np.array([2.0, 3.0]), 3_600_000)
    assert concatenate([one, two]).mean.tolist() == [1.0, 2.0, 3.0]
