"""Names are what a person would say of the centre, and differ."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from model_export.segments.naming import named, slug
from tests.model_export.segments.mixture import SHAPES, hump
from wattline.intervals import Floats


def centre(workday: Floats, weekend: Floats | None = None) -> Floats:
    shape = np.stack([workday, workday if weekend is None else weekend])
    normal: Floats = shape / ((5 * shape[0].mean() + 2 * shape[1].mean()) / 7)
    return normal


LOW = np.full(48, 0.2)


@pytest.mark.parametrize(
    ("shape", "name"),
    [
        *((centre(shape), name) for name, shape in SHAPES.items()),
        (centre(LOW + hump(7.5, 1)), "morning peak"),
        (centre(LOW + hump(7.5, 1) + hump(19, 1)), "morning and evening"),
        (centre(LOW + hump(13, 1.5) + hump(20, 1.5)), "daytime and evening"),
        (centre(LOW + hump(1, 1) + hump(8, 1) + hump(20, 1)), "night, morning and evening"),
        (centre(LOW + hump(13, 3), LOW), "workday daytime"),
        (centre(LOW, LOW + hump(13, 3)), "weekend daytime"),
        (centre(1 + 0.1 * hump(19, 2)), "flat"),
    ],
)
def test_a_centre_is_called_what_it_is(shape: Floats, name: str) -> None:
    assert named(shape[None]) == [(0, name)]


@pytest.mark.parametrize(
    ("shapes", "names"),
    [
        ([hump(17.5, 1), hump(21, 1)], ["evening peak, early", "evening peak, late"]),
        ([hump(18, 1), hump(18, 1) + 0.2 * hump(13, 2)], ["evening peak, more in the daytime", "evening peak, early"]),
        ([hump(2, 2), hump(2, 1)], ["night load, more in the daytime", "night load, sharp"]),
    ],
)
def test_segments_that_share_a_name_are_told_apart(shapes: list[Floats], names: list[str]) -> None:
    assert sorted(name for _, name in named(np.stack([centre(LOW + shape) for shape in shapes]))) == sorted(names)


def test_segments_that_differ_by_strength_alone_say_so() -> None:
    levels = [LOW * low + hump(21, 1) for low in (1, 2, 3, 4)]
    names = [name for _, name in named(np.stack([centre(level) for level in levels]))]
    assert names[-2:] == ["evening peak, late, mild", "evening peak, late, strong"]


@settings(deadline=None)
@given(
    arrays(
        np.float64, st.tuples(st.integers(1, 8), st.just(2), st.sampled_from([6, 24, 48])), elements=st.floats(0.01, 9)
    ),
)
def test_names_differ_whatever_the_centres_and_do_not_depend_on_their_order(shapes: Floats) -> None:
    shapes = np.stack([centre(*shape) for shape in shapes])
    names = named(shapes)
    assert len({slug(name) for _, name in names}) == len(shapes)
    assert sorted(place for place, _ in names) == list(range(len(shapes)))
    assert [name for _, name in named(shapes[::-1])] == [name for _, name in names]


def test_order_is_flat_first_then_by_time_of_day() -> None:
    shapes = np.stack([centre(SHAPES[name]) for name in ("evening peak", "daytime", "flat", "night load")])
    assert [name for _, name in named(shapes)] == ["flat", "night load", "daytime", "evening peak"]


@pytest.mark.parametrize(("name", "tag"), [("evening peak, early", "evening-peak-early"), ("flat", "flat")])
def test_a_tag_is_made_of_the_name(name: str, tag: str) -> None:
    assert slug(name) == tag
