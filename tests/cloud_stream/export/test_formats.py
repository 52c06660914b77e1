"""Rows as text that other programs read back as they were."""

import csv
import io
import json
from collections.abc import Sequence
from datetime import UTC
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_stream.export.formats import Csv, JsonLines

HALF_PAST_MS = 1_793_493_000_000
"""2026-11-01T00:30:00Z."""


def row(t_ms: int = HALF_PAST_MS, site: str = "house-1", value: Any = 1.5) -> Sequence[Any]:  # noqa: ANN401 (whatever a field holds)
    return (site, t_ms, value)


def cells(*rows: Sequence[Any], zone: Any = UTC, guarded: bool = True) -> list[list[str]]:  # noqa: ANN401 (UTC or a zone)
    form = Csv(["site"], ["value"], zone, guarded=guarded)
    return list(csv.reader(io.StringIO((form.head() + form.block(list(rows))).decode(), newline="")))


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (1.5, "1.5"),
        (-0.1, "-0.1"),
        (1e-12, "1e-12"),
        (5, "5"),
        (None, ""),
        (True, "1"),
        (False, "0"),
        ("plain", "plain"),
        ("", ""),
        ('with "quotes", commas\nand lines', 'with "quotes", commas\nand lines'),
        ("=1+1", "'=1+1"),
        ("+44 20", "'+44 20"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("＝1", "'＝1"),  # noqa: RUF001 (the wide sign is meant)
        ("a=1", "a=1"),
        ("'=1", "'=1"),
    ],
)
def test_values_as_cells(value: Any, cell: str) -> None:  # noqa: ANN401 (whatever a field holds)
    assert cells(row(value=value))[1] == ["2026-11-01T00:30:00.000Z", "house-1", cell]
    if isinstance(value, str):
        assert cells(row(site=value))[1][1] == cell
        assert cells(row(site=value, value=value), guarded=False)[1][1:] == [value, value]


def test_a_column_of_mixed_values() -> None:
    found = cells(row(value=1.0), row(value="=x"), row(value=None), row(value=True))
    assert [cell for *_, cell in found] == ["value", "1.0", "'=x", "", "1"]


def test_csv_is_as_rfc_4180_has_it() -> None:
    form = Csv(["site"], ["value"], UTC)
    assert form.head() == b"time,site,value\r\n"
    assert form.block([row(site='a "b", c')]) == b'2026-11-01T00:30:00.000Z,"a ""b"", c",1.5\r\n'


@pytest.mark.parametrize(
    ("t_ms", "zone", "text"),
    [
        (HALF_PAST_MS, UTC, "2026-11-01T00:30:00.000Z"),
        (HALF_PAST_MS + 7, UTC, "2026-11-01T00:30:00.007Z"),
        (-1, UTC, "1969-12-31T23:59:59.999Z"),
        (HALF_PAST_MS, ZoneInfo("Europe/Berlin"), "2026-11-01T01:30:00.000+01:00"),
        (1_792_890_000_000, ZoneInfo("Europe/Berlin"), "2026-10-25T02:00:00.000+01:00"),
        (1_792_886_400_000, ZoneInfo("Europe/Berlin"), "2026-10-25T02:00:00.000+02:00"),
    ],
)
def test_times(t_ms: int, zone: Any, text: str) -> None:  # noqa: ANN401 (UTC or a zone)
    assert cells(row(t_ms), zone=zone)[1][0] == text
    assert json.loads(JsonLines(["site"], ["value"], zone).block([row(t_ms)]))["time"] == text


@given(
    rows=st.lists(
        st.tuples(st.text(max_size=10), st.integers(-(10**12), 9 * 10**12), st.floats(allow_nan=False)), min_size=1
    )
)
def test_what_is_not_guarded_comes_back_from_csv(rows: list[tuple[str, int, float]]) -> None:
    found = cells(*rows, guarded=False)[1:]
    assert [(site, float(value)) for _, site, value in found] == [(site, value) for site, _, value in rows]


def test_json_lines_have_what_the_row_has() -> None:
    form = JsonLines(["site", "meter"], ["energy_kwh", "note", "open"], UTC)
    rows: list[Sequence[Any]] = [("a", "", HALF_PAST_MS, 0.0, None, False), ("b", "m", HALF_PAST_MS, None, "=1", None)]
    assert form.head() == b""
    assert [json.loads(line) for line in form.block(rows).splitlines()] == [
        {"time": "2026-11-01T00:30:00.000Z", "site": "a", "energy_kwh": 0.0, "open": False},
        {"time": "2026-11-01T00:30:00.000Z", "site": "b", "meter": "m", "note": "=1"},
    ]
