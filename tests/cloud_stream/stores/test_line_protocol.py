"""Line protocol as text; that servers read it so is the conformance suite's business."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_stream.measurements import FieldValue
from cloud_stream.records import Columns, Point
from cloud_stream.stores.blocks import ALL_TIME, sort_out
from cloud_stream.stores.line_protocol import (
    MAX_BODY_POINTS,
    MAX_BODY_VALUES,
    Body,
    encode_block,
    encode_columns,
    encode_point,
    encode_points,
    pack,
    split_lines,
)
from tests.cloud_stream.stores.columns import NAN, forecasts, frames, readings


def lines(columns: Columns) -> list[str]:
    return [
        line
        for block in sort_out(columns, ALL_TIME).good
        for body in encode_block(block)
        for line in body.data.decode().split("\n")
    ]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        pytest.param(
            readings({"power_w": [512.0, -0.5], "energy_import_kwh": [1034.512, 1e22]}, [1, 2]),
            [
                "reading,site=house-1,gateway=gw-1,meter=m1 power_w=512.0,energy_import_kwh=1034.512 1",
                "reading,site=house-1,gateway=gw-1,meter=m1 power_w=-0.5,energy_import_kwh=1e+22 2",
            ],
            id="quantities in order, shortest digits",
        ),
        pytest.param(
            readings({"energy_kwh": [0.25]}, [1], interval_ms=1_800_000),
            ["reading,site=house-1,gateway=gw-1,meter=m1 energy_kwh=0.25,interval_ms=1800000i 1"],
            id="an amount with its interval",
        ),
        pytest.param(
            readings({"power_w": [1.0]}, [1], site="a b,c=d", meter='"é"'),
            ['reading,site=a\\ b\\,c\\=d,gateway=gw-1,meter="é" power_w=1.0 1'],
            id="escapes",
        ),
        pytest.param(
            readings({"power_w": [1.0, NAN, 3.0, NAN], "voltage_v": [NAN, NAN, 230.0, 231.0]}, [1, 2, 3, 4]),
            [
                "reading,site=house-1,gateway=gw-1,meter=m1 voltage_v=231.0 4",
                "reading,site=house-1,gateway=gw-1,meter=m1 power_w=1.0 1",
                "reading,site=house-1,gateway=gw-1,meter=m1 power_w=3.0,voltage_v=230.0 3",
            ],
            id="holes are left out, empty rows too",
        ),
        pytest.param(
            frames({"power_w": [1, 2, 3, 4]}, [1, 2, 3, 4], [("s", "g", name, 1) for name in ("a", "b", "a", "b")]),
            [
                "reading,site=s,gateway=g,meter=a power_w=1.0 1",
                "reading,site=s,gateway=g,meter=a power_w=3.0 3",
                "reading,site=s,gateway=g,meter=b power_w=2.0 2",
                "reading,site=s,gateway=g,meter=b power_w=4.0 4",
            ],
            id="the rows of a series together",
        ),
    ],
)
def test_readings_as_lines(columns: Columns, expected: list[str]) -> None:
    assert lines(columns) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"energy_kwh": 1}, "energy_kwh=1.0"),
        ({"energy_kwh": np.float64(0.1)}, "energy_kwh=0.1"),
        ({"power_w_n": np.int64(3)}, "power_w_n=3.0"),
        ({"note": 'say "hi" \\ now', "ok": True, "bad": False}, 'note="say \\"hi\\" \\\\ now",ok=true,bad=false'),
        ({"note": ""}, 'note=""'),
    ],
)
def test_a_points_fields(fields: dict[str, FieldValue], expected: str) -> None:
    point = Point("usage", {"level": "fleet", "site": "", "meter": "", "window": "5m"}, 7, fields)
    assert encode_point(point).decode() == f"usage,level=fleet,window=5m {expected} 7"


def test_the_number_of_a_mark_is_an_integer() -> None:
    point = Point("flow_mark", {"shard": "shard-01"}, 7, {"incarnation": "x", "number": 2**60 + 1})
    assert encode_point(point) == f'flow_mark,shard=shard-01 incarnation="x",number={2**60 + 1}i 7'.encode()


@pytest.mark.parametrize("quantities", [1, 40])
def test_bodies_are_bounded_by_points_and_by_values(quantities: int) -> None:
    count = 3 * MAX_BODY_POINTS // quantities + 1
    columns = readings({f"x{i}_w": [1.0] * count for i in range(quantities)}, list(range(count)))
    (block,) = sort_out(columns, ALL_TIME).good
    bodies = encode_block(block)
    assert sum(body.points for body in bodies) == count
    assert max(body.points for body in bodies) <= min(MAX_BODY_POINTS, MAX_BODY_VALUES // quantities)
    assert all(body.data.count(b"\n") == body.points - 1 for body in bodies)


@given(st.lists(st.integers(1, MAX_BODY_POINTS), max_size=20))
def test_packing_keeps_the_order_and_the_bound(sizes: list[int]) -> None:
    bodies = [Body(f"body {i}".encode(), size) for i, size in enumerate(sizes)]
    packed = list(pack(bodies))
    assert b"\n".join(body.data for body in packed) == b"\n".join(body.data for body in bodies)
    assert sum(body.points for body in packed) == sum(sizes)
    assert all(body.points <= MAX_BODY_POINTS for body in packed)
    assert all(a.points + b.points > MAX_BODY_POINTS for a, b in pairwise(packed))


TAG = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\\"), max_size=10)
TEXT = st.text(st.sampled_from('a"\\\n ,=') | st.characters(exclude_categories=["Cs"]), max_size=10)


@given(st.lists(st.tuples(TAG, TEXT), min_size=1, max_size=5))
def test_a_body_falls_apart_into_the_lines_it_was_made_of(parts: list[tuple[str, str]]) -> None:
    points = [Point("usage", {"meter": tag}, 1, {"note": text, "x": 1.0}) for tag, text in parts]
    (body,) = encode_points(points)
    assert split_lines(body.data) == [encode_point(point) for point in points]


QUARTERS = st.integers(-(10**6), 10**6).map(lambda number: number / 4) | st.just(NAN)
"""Numbers that have but one way to be written."""


@given(TAG, TEXT, st.integers(-(2**63), 2**63 - 1), st.lists(QUARTERS, min_size=2, max_size=6))
def test_points_by_the_column_are_written_as_the_points_that_they_are(
    meter: str, text: str, number: int, values: list[float]
) -> None:
    columns = forecasts(
        [values, values[::-1]], list(range(len(values))), meters=("m", meter), note=text, issued_at=number
    )
    lines = b"\n".join(encode_point(point) for point in columns)
    assert b"\n".join(body.data for body in encode_columns(columns)) == lines
    assert sum(body.points for body in encode_columns(columns)) == len(columns)
