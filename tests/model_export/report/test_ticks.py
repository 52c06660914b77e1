"""A time axis has a few marks at round times, whatever its length."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_export.report.ticks import MOST, ticks

DAY_MS = 86_400_000


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("begin", "end", "words"),
    [
        ("2016-11-19 05:00", "2016-11-19 11:00", ["06:00", "09:00"]),
        ("2016-11-19 20:00", "2016-11-20 20:00", ["20 Nov", "06:00", "12:00", "18:00"]),
        ("2016-11-16 23:00", "2016-11-21 13:00", ["17 Nov", "18 Nov", "19 Nov", "20 Nov", "21 Nov"]),
        ("2016-06-10 09:00", "2016-06-28 09:00", ["12 Jun", "16 Jun", "20 Jun", "24 Jun", "28 Jun"]),
        ("2016-03-31 00:00", "2016-12-31 23:00", ["May", "Jul", "Sep", "Nov"]),
        ("2012-06-05 00:00", "2017-02-01 00:00", ["2013", "2014", "2015", "2016", "2017"]),
    ],
)
def test_marks_are_at_round_times(begin: str, end: str, words: list[str]) -> None:
    assert [said for _, said in ticks(ms(begin), ms(end))] == words


@given(begin_ms=st.integers(0, 4 * 10**12), length_ms=st.integers(0, 20 * 366 * DAY_MS))
def test_marks_are_few_and_within(begin_ms: int, length_ms: int) -> None:
    marks = [t_ms for t_ms, _ in ticks(begin_ms, begin_ms + length_ms)]
    assert len(marks) <= MOST + 1
    assert all(begin_ms <= t_ms <= begin_ms + length_ms for t_ms in marks)
    assert marks == sorted(set(marks))
