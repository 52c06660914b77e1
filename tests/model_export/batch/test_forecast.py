"""Tomorrow's use: from what it is learnt, for which days there is a forecast, and how good it is."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from model_export.batch import forecast
from model_export.batch.forecast import forecast_days
from model_export.batch.reading import Floats
from model_export.batch.rules import FEATURES, split_day
from tests.model_export.batch.surveys import FIRST_DAY
from tests.model_export.batch.tables import days_table

_RNG = np.random.default_rng(1)


def _swinging(days: int, noise: float = 0.5) -> Floats:
    day = np.arange(days)
    return np.asarray(8 + 3 * np.sin(day / 9) + 2 * (day % 7 == 3) + _RNG.normal(0, noise, days))


def _on(day: int) -> date:
    return date(1970, 1, 1) + timedelta(FIRST_DAY + day)


def _following_a_rule(days: int) -> Floats:
    kwh = [8.0] * 7
    while len(kwh) < days:
        kwh.append(2.0 + 0.5 * kwh[-1] + 0.25 * kwh[-7] + float(_RNG.normal(0, 1)))
    return np.array(kwh)


def test_a_rule_that_is_linear_is_found() -> None:
    fit, _ = forecast_days(days_table({name: _following_a_rule(800) for name in "abcdef"}))
    assert fit is not None
    assert tuple(fit.coefficients) == FEATURES
    for name, weight in {"lag_1": 0.5, "lag_2": 0.0, "lag_6": 0.0, "lag_7": 0.25, "saturday": 0.0}.items():
        assert fit.coefficients[name] == pytest.approx(weight, abs=0.15), name
    assert fit.mae_kwh == pytest.approx((2 / np.pi) ** 0.5, rel=0.1)  # of normal noise


def test_errors_are_those_of_the_later_days() -> None:
    fit, table = forecast_days(days_table({"a": _swinging(400)}))
    assert fit is not None
    later = table.filter(pl.col("day").to_physical() >= fit.split_day).drop_nulls()
    assert fit.tested == later.height
    assert fit.trained == table.drop_nulls().height - later.height
    assert fit.mae_kwh == pytest.approx((later["forecast_kwh"] - later["actual_kwh"]).abs().mean())


def test_it_beats_the_same_day_of_last_week() -> None:
    fit, _ = forecast_days(days_table({name: _swinging(300) for name in "abcd"}))
    assert fit is not None
    assert fit.mae_kwh < 0.8 * fit.week_ago_mae_kwh


@pytest.mark.parametrize(
    ("missing", "first", "gap"),
    [((), 7, set()), ((("a", 3),), 11, set()), ((("a", 20),), 7, set(range(21, 28)))],
    ids=["no gap", "a gap in the first week", "a gap later"],
)
def test_seven_whole_days_in_a_row_make_a_forecast(
    missing: tuple[tuple[str, int], ...], first: int, gap: set[int]
) -> None:
    _, table = forecast_days(days_table({"a": _swinging(40), "b": _swinging(400)}, missing))
    days = table.filter(pl.col("home") == "a")["day"].to_list()
    assert days == [_on(day) for day in range(first, 41) if day not in gap]


def test_the_day_after_the_last_is_forecast_and_not_known_yet() -> None:
    _, table = forecast_days(days_table({"a": _swinging(400), "b": _swinging(30)}))
    last = table.filter(pl.col("home") == "b").row(-1, named=True)
    assert (last["day"], last["actual_kwh"]) == (_on(30), None)
    assert last["forecast_kwh"] > 0


def test_a_day_before_a_gap_is_forecast_and_its_use_is_not_known() -> None:
    _, table = forecast_days(days_table({"a": _swinging(400)}, [("a", 100)]))
    assert table.filter(pl.col("day") == _on(100))["actual_kwh"].to_list() == [None]


def test_homes_do_not_run_into_each_other() -> None:
    _, table = forecast_days(days_table({"a": _swinging(400), "b": _swinging(5)}))
    assert table["home"].unique().to_list() == ["a"]


@pytest.mark.parametrize("days", [1, 6, 16, 100])
def test_too_little_to_learn_from_is_no_forecast(days: int) -> None:
    fit, table = forecast_days(days_table({"a": _swinging(days)}))
    assert fit is None
    assert table.is_empty()
    assert table.columns == ["home", "day", "forecast_kwh", "actual_kwh"]


def test_a_home_that_always_uses_the_same_is_forecast_to_do_so() -> None:
    _, table = forecast_days(days_table({"a": np.full(400, 6.0)}))
    assert table["forecast_kwh"].to_numpy() == pytest.approx(np.full(394, 6.0))


def test_it_learns_from_the_earlier_days_only() -> None:
    kwh = _swinging(400)
    wild = kwh.copy()
    wild[330:] = _RNG.uniform(0, 50, 70)
    fits = [forecast_days(days_table({"a": one}))[0] for one in (kwh, wild)]
    assert fits[0] is not None
    assert fits[1] is not None
    assert fits[0].coefficients == pytest.approx(fits[1].coefficients)
    assert fits[0].mae_kwh < fits[1].mae_kwh


def test_the_size_of_the_chunks_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    table = days_table({name: _swinging(150) for name in "abcd"})
    whole, _ = forecast_days(table)
    monkeypatch.setattr(forecast, "_CHUNK_ROWS", 37)
    parts, _ = forecast_days(table)
    assert whole is not None
    assert parts is not None
    assert parts.coefficients == pytest.approx(whole.coefficients, rel=1e-6)


@pytest.mark.parametrize(
    ("days", "split"),
    [
        ({}, 1),
        ({10: 5}, 10),
        (dict.fromkeys(range(100, 110), 1), 108),
        ({1: 80, 2: 10, 3: 10}, 2),
        ({3: 10, 1: 80, 2: 10}, 2),
    ],
    ids=["nothing", "one day", "ten days", "most on the first", "in another order"],
)
def test_four_fifths_lie_before_the_split(days: dict[int, int], split: int) -> None:
    assert split_day(days) == split
