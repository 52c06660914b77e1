"""Events are found or missed, alarms are true or false: as the person counts who is called out."""

import numpy as np
import pytest

from model_export.alarm_matching import Events, JudgedRows, labelled_events, match

HOUR = 3_600_000


def hours(places: list[int], meters: list[int] | None = None) -> JudgedRows:
    start_ms = np.array(places, np.int64) * HOUR
    return JudgedRows(np.array(meters or [0] * len(places), np.int64), start_ms, HOUR)


def flags(n: int, *places: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    marked = np.zeros(n, np.bool_)
    marked[list(places)] = True
    return marked


@pytest.mark.parametrize(
    ("labels", "spans"),
    [
        ([], []),
        ([3], [(3, 4)]),
        ([3, 4, 5], [(3, 6)]),
        ([3, 5], [(3, 4), (5, 6)]),
        ([9], [(9, 10)]),
    ],
)
def test_labelled_intervals_that_follow_each_other_are_one_event(
    labels: list[int], spans: list[tuple[int, int]]
) -> None:
    events = labelled_events(hours(list(range(10))), flags(10, *labels))
    assert list(zip(events.start_ms // HOUR, events.end_ms // HOUR, strict=True)) == spans


def test_an_event_ends_where_intervals_are_missing_and_where_another_meter_begins() -> None:
    rows = hours([0, 1, 5, 6, 0, 1], [0, 0, 0, 0, 1, 1])
    events = labelled_events(rows, np.ones(6, np.bool_))
    assert events.meter.tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("found", "hits", "alarms", "false"),
    [
        ([], 0, 0, 0),
        ([10], 1, 1, 0),
        ([12], 1, 1, 0),  # the hour after its end
        ([13], 0, 1, 1),
        ([9, 10], 1, 1, 0),  # it began too early, and is about the event all the same
        ([11, 12, 13, 14], 1, 1, 0),  # it goes on for longer
        ([10, 14], 1, 2, 1),
        ([3, 5, 7], 0, 3, 3),
        ([3, 4, 5], 0, 1, 1),
    ],
)
def test_an_event_is_found_by_an_interval_in_it_or_right_after(
    found: list[int], hits: int, alarms: int, false: int
) -> None:
    event = Events(np.array([0]), np.array([10 * HOUR]), np.array([12 * HOUR]))
    matched = match(hours(list(range(24))), flags(24, *found), event)
    assert (matched.hit.sum(), len(matched.alarms), matched.false_alarms) == (hits, alarms, false)


def test_an_anomaly_of_one_meter_says_nothing_of_another() -> None:
    event = Events(np.array([1]), np.array([0]), np.array([HOUR]))
    matched = match(hours([0, 0], [0, 1]), flags(2, 0), event)
    assert (matched.hit.tolist(), matched.false_alarms) == ([False], 1)


def test_an_event_during_which_nothing_was_judged_counts_neither_way() -> None:
    event = Events(np.array([0]), np.array([100 * HOUR]), np.array([110 * HOUR]))
    matched = match(hours([0, 1]), flags(2), event)
    assert matched.judged.tolist() == [False]
    assert matched.recall is None
    assert matched.precision is None
