"""Weather that southern England could have."""

import numpy as np
import pytest

from simulators.randomness import FloatArray
from simulators.weather import DAY_MS, HOUR_MS, Climate, Weather, saturation_pa

NEW_YEAR_MS = 1_767_225_600_000
YEAR = NEW_YEAR_MS + np.arange(365 * 24, dtype=np.int64) * HOUR_MS


def _month_means(values: FloatArray) -> FloatArray:
    return np.array([values[month * 730 : (month + 1) * 730].mean() for month in range(12)])


@pytest.mark.parametrize("seed", range(4))
def test_winters_are_cold_and_summers_warm(seed: int) -> None:
    outdoor = Weather(seed).outdoor_c(YEAR)
    months = _month_means(outdoor)
    assert 9.5 < outdoor.mean() < 12.5
    assert months[[0, 1, 11]].max() < 9
    assert months[[5, 6, 7]].min() > 14
    assert outdoor.min() > -15
    assert outdoor.max() < 40


def test_afternoons_are_warmer_than_nights() -> None:
    hours = Weather(1).outdoor_c(YEAR).reshape(365, 24).mean(axis=0)
    assert hours[15] - hours[4] > 4


def test_another_climate_moves_the_temperature() -> None:
    cold = Weather(1, Climate(mean_c=1.0)).outdoor_c(YEAR)
    np.testing.assert_allclose(Weather(1).outdoor_c(YEAR) - cold, 10.0)


@pytest.mark.parametrize(
    ("day", "hour", "dark"),
    [(171, 12, 0.0), (171, 19, 0.0), (171, 0, 1.0), (355, 12, 0.0), (355, 17, 1.0), (355, 7, 1.0), (80, 12, 0.0)],
)
def test_lamps_are_needed_when_the_sun_is_down(day: int, hour: int, dark: float) -> None:
    t_ms = np.array([NEW_YEAR_MS + day * DAY_MS + hour * HOUR_MS], dtype=np.int64)
    assert Weather(1).darkness(t_ms)[0] == pytest.approx(dark, abs=0.01)


def test_humidity_stays_a_percentage() -> None:
    humidity = Weather(1).outdoor_humidity_pct(YEAR)
    assert humidity.min() >= 30
    assert humidity.max() <= 100


def test_saturation_pressure_matches_the_tables() -> None:
    # CRC Handbook: 611 Pa at 0, 2339 Pa at 20, 4247 Pa at 30 degrees.
    np.testing.assert_allclose(saturation_pa(np.array([0.0, 20.0, 30.0])), [611, 2339, 4247], rtol=0.005)
