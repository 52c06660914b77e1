"""Text becomes times and numbers; what does not is left for cleaning to count."""

import math
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_export.errors import DataError
from model_export.sources.columns import flags, numbers, times

NEW_YEAR = 1_356_998_400_000
HOUR = 3_600_000


@pytest.mark.parametrize(
    ("text", "t_ms"),
    [
        ("2013-01-01 00:00:00", NEW_YEAR),
        (" 2013-01-01 00:00:00 ", NEW_YEAR),
        ("2013-01-01 00:00:00.0000000", NEW_YEAR),
        ("2013-01-01 00:00:00.2500000", NEW_YEAR + 250),
        ("2013-01-01T00:00:00Z", NEW_YEAR),
        ("2013-01-01T00:00:00.000Z", NEW_YEAR),
        ("2013-01-01 00:00", NEW_YEAR),
        ("2013-01-01", NEW_YEAR),
        ("2013-01-01 01:00:00+01:00", NEW_YEAR),
        ("2012-12-31T19:00:00.5-0500", NEW_YEAR + 500),
        ("1356998400000", NEW_YEAR),
        ("1356998400", NEW_YEAR),
        ("", None),
        ("no time", None),
        ("2013-13-01 00:00:00", None),
        ("0001-01-01 00:00:00", None),
        ("1970-01-01 00:00:05", None),
        ("99999999999999999999", None),
        ("-5", None),
        (None, None),
    ],
)
@pytest.mark.parametrize("company", [[], ["2013-01-01 00:00:00"], ["2013-01-01 01:00:00+01:00"], ["?"]])
def test_times_of_many_forms_are_understood_in_any_company(
    text: str | None, t_ms: int | None, company: list[str]
) -> None:
    assert times(pl.Series([text, *company], dtype=pl.String))[0] == t_ms


@settings(deadline=None)
@given(st.datetimes(datetime(1991, 1, 1), datetime(2099, 1, 1)))  # noqa: DTZ001 - naive times are the point
def test_any_naive_time_is_taken_as_utc(moment: datetime) -> None:
    expected = int(moment.replace(tzinfo=UTC).timestamp() * 1000)
    assert abs(times(pl.Series([moment.isoformat(" ")]))[0] - expected) <= 1


@settings(deadline=None)
@given(st.lists(st.text(max_size=30), max_size=8))
def test_no_text_is_an_error(cells: list[str]) -> None:
    column = pl.Series(cells, dtype=pl.String)
    assert len(times(column)) == len(numbers(column)) == len(cells)


@pytest.mark.parametrize(
    ("text", "value"),
    [(" 0.219 ", 0.219), ("-3", -3.0), ("1e3", 1000.0), (" Null ", None), ("", None), (None, None), ("NaN", None)],
)
def test_numbers_are_read_and_missing_ones_are_null(text: str | None, value: float | None) -> None:
    assert numbers(pl.Series(["1", text, "x"], dtype=pl.String))[1] == value


@pytest.mark.parametrize("text", ["x", "1,5", "inf", "1e400", "0.1 kWh"])
def test_what_is_no_finite_number_is_marked(text: str) -> None:
    assert math.isnan(numbers(pl.Series([text]))[0])


def test_labels_are_numbers_or_words() -> None:
    text = pl.Series(["0", "1", "1.0", " True ", "false", "", "nan", None])
    assert flags(text, Path("labels.csv")).to_list() == [False, True, True, True, False, None, None, None]


@pytest.mark.parametrize("said", ["?", "yes", "0 or 1"])
def test_what_is_no_label_is_refused(said: str) -> None:
    with pytest.raises(DataError, match=r"labels.csv: column anomaly: expected 0 or 1, got"):
        flags(pl.Series("anomaly", ["0", said]), Path("labels.csv"))
