"""Points by the column are a sequence of points."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_stream.records import Point, PointColumns

NAN = float("nan")


def columns(energy: list[list[float]], lower: list[list[float]]) -> PointColumns:
    """Two meters at the times 0, 10, ..."""
    return PointColumns(
        "forecast",
        [{"meter": "a"}, {"meter": "b"}],
        np.arange(len(energy[0])) * 10,
        {"energy_kwh": np.array(energy), "lower": np.array(lower)},
        {"model": ["x", "y"], "issued_at": [1, 2]},
    )


def point(meter: str, t_ms: int, energy: float, lower: float) -> Point:
    facts: dict[str, str | int] = {"model": "x", "issued_at": 1} if meter == "a" else {"model": "y", "issued_at": 2}
    return Point("forecast", {"meter": meter}, t_ms, {"energy_kwh": energy, "lower": lower, **facts})


def test_a_point_is_there_where_all_its_numbers_are() -> None:
    some = columns([[1.0, NAN, 3.0], [4.0, 5.0, 6.0]], [[0.0, 0.0, NAN], [0.0, 0.5, float("inf")]])
    expected = [point("a", 0, 1.0, 0.0), point("b", 0, 4.0, 0.0), point("b", 10, 5.0, 0.5)]
    assert list(some) == expected
    assert (len(some), some[0], some[-1], list(some[1:])) == (3, expected[0], expected[-1], expected[1:])
    assert expected[1] in some


@pytest.mark.parametrize("series", [[], [0], [1], [1, 0]])
def test_some_series_are_columns_again(series: list[int]) -> None:
    some = columns([[1.0, NAN], [4.0, 5.0]], [[0.0, 0.0], [0.0, 0.5]])
    meters = [list(some)[:1], list(some)[1:]]
    assert list(some.only(series)) == [one for place in series for one in meters[place]]


def test_columns_travel_between_processes() -> None:
    some = columns([[1.0, NAN], [4.0, 5.0]], [[0.0, 0.0], [0.0, 0.5]])
    assert list(pickle.loads(pickle.dumps(some))) == list(some)  # noqa: S301 (our own bytes)


def test_no_points_are_none() -> None:
    nothing = columns([[NAN], [NAN]], [[1.0], [1.0]])
    assert (len(nothing), list(nothing)) == (0, [])
    with pytest.raises(IndexError):
        nothing[0]


@given(st.lists(st.lists(st.floats(), min_size=3, max_size=3), min_size=2, max_size=2))
def test_there_are_as_many_points_as_are_counted_with_the_values_that_were_given(values: list[list[float]]) -> None:
    some = columns(values, [[0.0] * 3] * 2)
    finite = [value for row in values for value in row if np.isfinite(value)]
    assert len(some) == len(finite)
    assert [one.fields["energy_kwh"] for one in some] == finite
