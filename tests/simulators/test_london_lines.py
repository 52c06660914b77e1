"""Rows as the original writes them."""

import numpy as np
import pytest

from simulators import london_lines
from simulators.london_homes import DAY, END_DAY, FIRST_DAY, IMPOSSIBLE, NEGATIVE, NULL, Home
from simulators.london_lines import lines_of

_SLOT = FIRST_DAY * DAY


def _lines(*rows: tuple[int, int, int]) -> list[str]:
    slot, wh, odd_s = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    return lines_of(Home("MAC005567", "ToU", slot, odd_s, wh)).decode().split("\r\n")


@pytest.mark.parametrize(
    ("slot", "wh", "odd_s", "line"),
    [
        (_SLOT, 0, 0, "MAC005567,ToU,2011-11-23 00:00:00.0000000, 0 "),
        (_SLOT + 1, 118, 0, "MAC005567,ToU,2011-11-23 00:30:00.0000000, 0.118 "),
        (_SLOT + DAY, 100, 0, "MAC005567,ToU,2011-11-24 00:00:00.0000000, 0.1 "),
        (END_DAY * DAY - 1, 9999, 0, "MAC005567,ToU,2014-02-27 23:30:00.0000000, 9.999 "),
        (_SLOT, NULL, 61, "MAC005567,ToU,2011-11-23 00:01:01.0000000,Null"),
        (_SLOT, NEGATIVE, 0, "MAC005567,ToU,2011-11-23 00:00:00.0000000, -0.125 "),
        (_SLOT, IMPOSSIBLE, 0, "MAC005567,ToU,2011-11-23 00:00:00.0000000, 4194.303 "),
    ],
)
def test_a_row_is_a_line(slot: int, wh: int, odd_s: int, line: str) -> None:
    assert _lines((slot, wh, odd_s)) == [line, ""]


def test_lines_keep_the_order_of_the_rows_across_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(london_lines, "_BLOCK", 2)
    lines = _lines(*((_SLOT + place, place * 10, 0) for place in (3, 1, 2, 0, 4)))
    assert [line.rpartition(",")[2].strip() for line in lines[:-1]] == ["0.03", "0.01", "0.02", "0", "0.04"]


def test_no_rows_are_no_lines() -> None:
    empty = np.empty(0, np.int64)
    assert lines_of(Home("MAC000002", "Std", empty, empty, empty)) == b""
