"""The degree-day fit finds what was put in."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cloud_stream.correlation.degree_days import fit_degree_days
from tests.cloud_stream.correlation.series import random, winds


@pytest.mark.parametrize(
    ("heating", "below", "cooling", "above", "mean_c"),
    [
        pytest.param(1.5, 14.0, 0.0, None, 10.0, id="a heated home"),
        pytest.param(0.0, None, 2.0, 20.0, 22.0, id="a cooled office"),
        pytest.param(1.0, 16.0, 3.0, 16.0, 16.0, id="both, from the same temperature on"),
        pytest.param(1.0, 13.0, 2.0, 19.0, 16.0, id="both, and mild days between"),
        pytest.param(1.0, 15.0, 0.0, None, 6.0, id="few mild days"),
    ],
)
def test_slopes_and_balance_are_recovered(
    heating: float, below: float | None, cooling: float, above: float | None, mean_c: float
) -> None:
    t = winds(180, mean_c)
    y = 8 + random(2).normal(0, 0.7, 180)
    y += heating * np.maximum(0, (below or -99) - t) + cooling * np.maximum(0, t - (above or 99))
    fit = fit_degree_days(t, y)
    assert fit.heating_kwh == pytest.approx(heating, rel=0.15)
    assert fit.cooling_kwh == pytest.approx(cooling, rel=0.15)
    assert fit.heated_below_c == (pytest.approx(below, abs=1.2) if below else None)
    assert fit.cooled_above_c == (pytest.approx(above, abs=1.2) if above else None)
    assert fit.base_kwh == pytest.approx(8, abs=1)
    assert fit.r2 > 0.8
    assert fit.at(t).mean() == pytest.approx(y.mean())


def test_without_a_mild_day_no_balance_is_made_up() -> None:
    t = winds(90, -5.0)
    fit = fit_degree_days(t, 8 + 1.5 * (15 - t) + random(2).normal(0, 1, 90))
    assert fit.balance_c is None
    assert fit.heating_kwh == pytest.approx(1.5, rel=0.05)
    assert fit.at(np.array([-10.0]))[0] == pytest.approx(8 + 1.5 * 25, rel=0.05)


@example(days=[(0.0, 0.0), (5.54e-158, 1.0)])
@given(st.lists(st.tuples(st.floats(-30, 40), st.floats(0, 1e5)), min_size=2, max_size=60))
def test_anything_finite_gives_finite_numbers(days: list[tuple[float, float]]) -> None:
    t, y = np.array(days).T
    fit = fit_degree_days(t, y)
    assert np.isfinite([fit.base_kwh, fit.heating_kwh, fit.cooling_kwh, fit.r2]).all()
    assert min(fit.heating_kwh, fit.cooling_kwh) >= 0
    assert -1e-9 <= fit.r2 <= 1 + 1e-9
    assert np.isfinite(fit.at(t)).all()
