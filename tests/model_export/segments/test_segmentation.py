"""Homes that live alike share a segment, whichever way they are read; new homes find theirs without another fit."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from model_export.dataset import MeterSeries
from model_export.errors import DataError
from model_export.segments.contract import OTHER
from model_export.segments.profiles import Clock
from model_export.segments.segmentation import Membership, Profiles, Wishes, members, profiles_of, segmented
from model_export.sources.tables import table_files, table_series
from tests.model_export.segments.mixture import HALF_HOUR, SHAPES, kind_of, meter, mixture

CLOCK = Clock(HALF_HOUR)
HOMES = profiles_of(mixture(), CLOCK)
CONSTANT = meter("stuck", np.full((28, 48), 0.5))
SHORT = meter("short", np.tile(SHAPES["daytime"], (10, 1)))
ODD = meter("odd", np.tile(np.eye(48)[30], (28, 1)))


def agreement(placed: list[Membership]) -> float:
    return float(adjusted_rand_score([kind_of(one.meter) for one in placed], [one.segment for one in placed]))


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("k", [0, 4])
def test_a_mixture_is_taken_apart_again(k: int, seed: int) -> None:
    profiles = profiles_of(mixture(seed=seed), CLOCK)
    found = segmented(profiles, CLOCK, Wishes(k, seed))
    placed = members(found, profiles.known)
    assert (found.k, agreement(placed)) == (4, 1.0)
    assert {one.name for one in placed if kind_of(one.meter) == "night load"} == {"night load"}
    assert [one.name for one in found.segments] == list(SHAPES)
    assert [one.meters for one in found.segments] == [10] * 4


def test_the_file_says_what_was_chosen_from_what() -> None:
    found = segmented(HOMES, CLOCK, Wishes(0, 5, "2026-11-21T00:00:00+00:00"))
    assert set(found.silhouette) == {str(k) for k in range(2, 9)}
    assert max(found.silhouette, key=found.silhouette.__getitem__) == "4"
    assert (found.chosen_by, found.seed, found.meters, found.other) == ("silhouette", 5, 40, 0)
    assert segmented(HOMES, CLOCK, Wishes(4)).chosen_by == "person"
    assert sum(one.share for one in found.segments) == pytest.approx(1.0)


def test_the_order_of_files_does_not_matter() -> None:
    shuffled = profiles_of(reversed(list(mixture())), CLOCK)
    assert segmented(shuffled, CLOCK, Wishes()).encode() == segmented(HOMES, CLOCK, Wishes()).encode()


def test_other_data_have_another_hash() -> None:
    renamed = Profiles((replace(HOMES.known[0], meter="a"), *HOMES.known[1:]), ())
    assert len({HOMES.digest(), renamed.digest(), Profiles(HOMES.known[1:], ()).digest()}) == 3


def test_a_new_home_finds_its_segment() -> None:
    found = segmented(HOMES, CLOCK, Wishes())
    new = members(found, profiles_of(mixture(homes=12, seed=99), CLOCK).known)
    assert [one.name for one in new] == [kind_of(one.meter) for one in new]
    assert all(one.distance < found.reach for one in new)
    assert members(found, []) == []


def test_homes_like_no_others_get_no_segment_of_their_own() -> None:
    profiles = profiles_of([*mixture(), ODD], CLOCK)
    found = segmented(profiles, CLOCK, Wishes())
    placed = {one.meter: one for one in members(found, profiles.known)}
    assert (placed["odd"].segment, found.other, placed["odd"].distance > found.reach) == (OTHER, 1, True)
    assert agreement([one for name, one in placed.items() if name != "odd"]) == 1.0


def test_meters_without_a_profile_are_counted() -> None:
    profiles = profiles_of([CONSTANT, *mixture(), SHORT, meter("empty", np.full((28, 48), np.nan))], CLOCK)
    found = segmented(profiles, CLOCK, Wishes())
    assert found.excluded == {"constant": 1, "no_values": 1, "too_few_days": 1}
    assert [one.meter for one in profiles.excluded] == ["empty", "short", "stuck"]
    assert found.meters == 40


@pytest.mark.parametrize(
    ("series", "k", "problem"),
    [
        ([], 4, "4 segments need at least 5 meters with different profiles; there are 0"),
        ([ODD], 4, "at least 5 meters with different profiles; there are 1"),
        ([ODD], 0, "2 segments need at least 3 meters with different profiles; there are 1"),
        ([CONSTANT, SHORT], 0, "there are 0 (left out: 1 constant, 1 too_few_days)"),
        (list(mixture(homes=4)), 4, "there are 4"),
        ([replace(ODD, name=str(copy)) for copy in range(9)], 2, "there are 1"),
        ([ODD, ODD], 2, "meter odd comes twice"),
        ([CONSTANT, CONSTANT], 2, "meter stuck comes twice"),
    ],
    ids=["nothing", "one", "one, auto", "none usable", "fewer than k", "copies", "twice", "twice left out"],
)
def test_too_few_different_homes_are_refused(series: list[MeterSeries], k: int, problem: str) -> None:
    with pytest.raises(DataError) as refused:
        segmented(profiles_of(series, CLOCK), CLOCK, Wishes(k))
    assert problem in str(refused.value)


@pytest.mark.parametrize("homes", [3, 5, 9])
def test_few_homes_are_segmented_as_far_as_they_go(homes: int) -> None:
    found = segmented(profiles_of(mixture(homes=homes), CLOCK), CLOCK, Wishes(2))
    assert max(int(k) for k in found.silhouette) == min(8, homes - 1)


def test_london_homes_fall_into_segments_that_people_know(corpus: Path) -> None:
    files = table_files(corpus / "forecast" / "london_lcl" / "homes")
    profiles = profiles_of(table_series(files, HALF_HOUR), CLOCK)
    found = segmented(profiles, CLOCK, Wishes())
    count = Counter(one.segment for one in members(found, profiles.known))
    assert (len(profiles.known), profiles.excluded) == (30, ())
    assert [one.name for one in found.segments] == [
        "flat",
        "evening peak, more in the daytime",
        "evening peak, late",
        "evening peak, early",
    ]
    assert min(count[one.id] for one in found.segments) > 1
    assert count[OTHER] <= 30 // 5
    again = segmented(profiles_of(table_series(files[::-1], HALF_HOUR), CLOCK), CLOCK, Wishes())
    assert again.encode() == found.encode()
