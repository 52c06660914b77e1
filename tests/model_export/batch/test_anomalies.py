"""Unusual days: those unlike their kind."""

import numpy as np
import polars as pl
import pytest

from model_export.batch.anomalies import unusual_days
from model_export.batch.reading import Floats
from tests.model_export.batch.tables import days_table


def _kinds(days: int) -> dict[str, Floats]:
    rng = np.random.default_rng(2)
    return {name: size * rng.lognormal(0, 0.1, days) for name, size in (("a", 2), ("b", 8), ("c", 20), ("d", 60))}


def test_kinds_of_days_are_told_apart_and_the_largest_comes_first() -> None:
    homes = _kinds(200) | {"e": _kinds(200)["b"] * 1.01}
    fit, table = unusual_days(days_table(homes))
    assert fit is not None
    assert fit.days[0] >= fit.days[-1]
    assert sum(fit.days) == table.height == 1000
    most = table.group_by("home").agg(pl.col("cluster").mode().first())
    kinds = dict(most.iter_rows())
    assert len({kinds[name] for name in "abcd"}) == 4
    assert kinds["b"] == kinds["e"] == 0


def test_a_day_far_from_its_kind_is_unusual() -> None:
    homes = _kinds(200)
    homes["b"][100] = 13.5
    fit, table = unusual_days(days_table(homes))
    assert fit is not None
    day = table.filter(pl.col("home") == "b").row(100, named=True)
    assert day["anomalous"]
    assert day["distance"] > fit.thresholds[day["cluster"]]
    assert fit.anomalies == table["anomalous"].sum() < 0.03 * table.height


def test_centres_are_in_kwh() -> None:
    fit, _ = unusual_days(days_table(_kinds(200)))
    assert fit is not None
    evenings = sorted(centre[3] for centre in fit.centres)
    assert evenings == pytest.approx([0.8, 3.2, 8.0, 24.0], rel=0.1)


def test_days_with_holes_are_left_out() -> None:
    _, table = unusual_days(days_table(_kinds(100), [("a", 7), ("d", 8)]))
    assert table.height == 398


@pytest.mark.parametrize(
    "homes",
    [{"a": np.array([1.0, 2.0, 3.0, 4.0])}, {"a": np.full(500, 3.0)}, {"a": np.zeros(500)}],
    ids=["few days", "all alike", "an empty home"],
)
def test_days_that_are_few_or_alike_have_no_kinds(homes: dict[str, Floats]) -> None:
    fit, table = unusual_days(days_table(homes).with_columns(max_kwh=pl.col("kwh") / 24))
    assert fit is None
    assert table.is_empty()
    assert table.columns == ["home", "day", "cluster", "distance", "anomalous"]


def test_a_run_can_be_repeated() -> None:
    table = days_table(_kinds(300))
    assert unusual_days(table)[0] == unusual_days(table)[0]
