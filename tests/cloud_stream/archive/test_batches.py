"""What goes into the spool comes out of it, and what is something else is known as such."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_stream.archive.batches import decode, encode
from cloud_stream.records import Columns
from tests.cloud_stream.archive.samples import MIDNIGHT_MS, NAN, readings

BATCH = readings({"power_w": [1.0, NAN], "energy_kwh": [0.1, -0.0]}, [MIDNIGHT_MS, -5], interval_ms=1_800_000)


def same(one: Columns, other: Columns) -> bool:
    heads = [
        (some.quantities, some.interval_ms, list(some.site), list(some.gateway), list(some.meter))
        for some in (one, other)
    ]
    arrays = [(some.length, some.t_ms, some.values) for some in (one, other)]
    return heads[0] == heads[1] and all(a.tobytes() == b.tobytes() for a, b in zip(*arrays, strict=True))


def test_a_batch_comes_back() -> None:
    found = decode(encode(BATCH))
    assert found is not None
    assert same(found, BATCH)


def test_a_batch_that_is_cut_out_of_a_larger_one_comes_back() -> None:
    wide = np.arange(12, dtype=np.float64).reshape(3, 4)
    cut = replace(BATCH, values=wide[:2, ::2])
    found = decode(encode(cut))
    assert found is not None
    assert found.values.tolist() == [[0.0, 2.0], [4.0, 6.0]]


@given(st.binary(max_size=200))
def test_other_bytes_are_no_batch(raw: bytes) -> None:
    assert decode(raw) is None


@pytest.mark.parametrize("end", [0, 1, 50, -1])
def test_half_a_batch_is_none(end: int) -> None:
    assert decode(encode(BATCH)[:end]) is None


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, ["power_w"]),
        (2, []),
        (2, ["house-1", "house-2"]),
        (5, np.array([3]).tobytes()),
        (5, np.array([3, -1]).tobytes()),
        (6, b"1234"),
        (7, b""),
    ],
)
def test_columns_that_do_not_fit_each_other_are_no_batch(place: int, value: object) -> None:
    parts = msgspec.msgpack.decode(encode(BATCH))
    parts[place] = value
    assert decode(msgspec.msgpack.encode(parts)) is None
