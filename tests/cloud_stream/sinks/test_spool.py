"""The spool gives back what it was given, in order, also after a restart."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cloud_stream.records import Columns, Point, Write
from cloud_stream.sinks.spool import Spool, decode, encode
from tests.cloud_stream.stores.columns import NAN, NOW_MS, forecasts, frames, readings
from wattline.errors import LogFullError

POINT = Point("usage", {"level": "meter", "meter": "é,=\n"}, NOW_MS, {"energy_kwh": 0.1, "n": 3, "ok": True, "s": "x"})


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = Spool(tmp_path / "spool.db", 1 << 20)
    yield made
    made.close()


def same(a: Columns, b: Columns) -> bool:
    heads = ("quantities", "interval_ms")
    lists = ("site", "gateway", "meter", "length", "t_ms")
    return (
        all(getattr(a, name) == getattr(b, name) for name in heads)
        and all(list(getattr(a, name)) == list(getattr(b, name)) for name in lists)
        and np.array_equal(a.values, b.values, equal_nan=True)
    )


@pytest.mark.parametrize(
    "columns",
    [
        readings({"power_w": [1.0, NAN], "gas_m3": [NAN, -0.0]}, [NOW_MS, NOW_MS + 1]),
        readings({"energy_kwh": [0.5]}, [NOW_MS], interval_ms=1_800_000, site="ü"),
        frames({"power_w": [1, 2, 3]}, [1, 2, 3], [("s", "g", "a", 1), ("s", "h", "b", 2)]),
    ],
)
def test_columns_come_back(columns: Columns) -> None:
    decoded = decode(encode(columns))
    assert isinstance(decoded, Columns)
    assert same(decoded, columns)


def test_points_come_back() -> None:
    fields: dict[str, Any] = {"energy_kwh": np.float64(0.1), "n": np.int64(3)}
    numpys = Point("usage", {}, NOW_MS, fields)
    assert decode(encode([POINT, numpys])) == [POINT, Point("usage", {}, NOW_MS, {"energy_kwh": 0.1, "n": 3})]


def test_points_by_the_column_come_back_as_points() -> None:
    columns = forecasts([[1.0, NAN], [3.0, 4.0]], [NOW_MS, NOW_MS + 1])
    assert decode(encode(columns)) == list(columns)


@pytest.mark.parametrize(
    "raw", [b"", b"\x00", b"\xff" * 20, encode([POINT])[:-3], encode(readings({"a_w": [1]}, [1]))[:-1]]
)
def test_anything_else_is_none(raw: bytes) -> None:
    assert decode(raw) is None


def test_a_row_with_lengths_that_do_not_fit_is_none() -> None:
    columns = readings({"a_w": [1.0, 2.0]}, [1, 2])
    assert decode(encode(replace(columns, quantities=("a_w", "b_w")))) is None


def points(number: int) -> Write:
    return [Point("flow_mark", {"shard": "shard-01"}, NOW_MS + number, {"incarnation": "a", "number": number})]


def test_first_in_first_out_across_a_restart(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db", 1 << 20)
    spool.append([points(1), points(2)], NOW_MS)
    spool.forget_through(spool.head(1)[-1].seq)
    spool.close()
    again = Spool(tmp_path / "spool.db", 1 << 20)
    again.append([points(3)], NOW_MS)
    assert ([row.write for row in again.head(100)], again.rows) == ([points(2), points(3)], 2)
    again.forget_through(again.head(100)[-1].seq)
    assert (again.head(100), again.rows) == ([], 0)
    again.close()


def test_the_head_is_bounded_by_points_but_never_empty(spool: Spool) -> None:
    spool.append([readings({"power_w": [1.0] * 10}, list(range(10))) for _ in range(3)], NOW_MS)
    assert [len(spool.head(max_points)) for max_points in (5, 10, 29, 30)] == [1, 1, 2, 3]


def test_a_full_spool_keeps_all_or_none(spool: Spool) -> None:
    large = readings({"power_w": [1.0] * 20_000}, list(range(20_000)))
    spool.append([large, large], NOW_MS)
    with pytest.raises(LogFullError):
        spool.append([large, large], NOW_MS)
    assert spool.rows == 2
    spool.forget_through(spool.head(1)[-1].seq)
    spool.append([large], NOW_MS)
    assert spool.rows == 2
