"""Sorting readings out loses none and keeps the order inside a series."""

import math

from hypothesis import given
from hypothesis import strategies as st

from cloud_stream.stores.blocks import sort_out
from tests.cloud_stream.stores.columns import NAN, frames

OLDEST_MS = 500
VALUE = st.sampled_from([NAN, 1.0, 2.0, 3.0])
ROW = st.tuples(st.integers(0, 1000), VALUE, VALUE, VALUE)
FRAME = st.tuples(st.sampled_from(["m1", "m2", "bad\n"]), st.lists(ROW, max_size=5))
Frame = tuple[str, list[tuple[int, float, float, float]]]
Row = tuple[str, int, tuple[tuple[str, float], ...]]


@given(st.lists(FRAME, max_size=6))
def test_every_row_is_good_or_refused_or_empty(given_frames: list[Frame]) -> None:
    rows = [(meter, row[0], row[1:]) for meter, some in given_frames for row in some]
    names = ("a_w", "b_w", "c_w")
    columns = frames(
        {name: [values[i] for _, _, values in rows] for i, name in enumerate(names)},
        [t_ms for _, t_ms, _ in rows],
        [("s", "g", meter, len(some)) for meter, some in given_frames] or [("s", "g", "m1", 0)],
    )
    found = sort_out(columns, OLDEST_MS)
    seen: dict[str, list[Row]] = {"good": [], "outside_retention": [], "bad_tag": []}
    for reason, block in [*(("good", block) for block in found.good), *found.refused]:
        assert not any(math.isnan(value) for value in block.values.ravel())
        for i, key in enumerate(block.key_of_row):
            present = tuple(zip(block.quantities, block.values[:, i].tolist(), strict=True))
            seen[reason].append((block.keys[key][2], int(block.t_ms[i]), present))
    expected: dict[str, list[Row]] = {"good": [], "outside_retention": [], "bad_tag": []}
    for meter, t_ms, values in rows:
        reason = "bad_tag" if meter == "bad\n" else "outside_retention" if t_ms < OLDEST_MS else "good"
        present = tuple((n, v) for n, v in zip(names, values, strict=True) if not math.isnan(v))
        if present:
            expected[reason].append((meter, t_ms, present))
    assert {reason: sorted(some) for reason, some in seen.items()} == {
        reason: sorted(some) for reason, some in expected.items()
    }
    for pattern in {(meter, tuple(n for n, _ in kept)) for meter, _, kept in expected["good"]}:
        keep = [[r for r in some["good"] if (r[0], tuple(n for n, _ in r[2])) == pattern] for some in (seen, expected)]
        assert keep[0] == keep[1]
