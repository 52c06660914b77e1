"""What a meter does on most days is its nature; what it did on a few was a fault."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pytest

from wattline.day_memory import DayMemory, Kind

HOUR = 3_600_000
DAY = 24 * HOUR
T0 = 20_000 * DAY


def usual_h(runs: Sequence[tuple[float, float]], at_day: float, known_days: float = 100) -> float:
    """What is usual after runs of (day of the start, hours)."""
    memory = DayMemory(2)
    for day, hours in runs:
        memory.book_run(Kind.ZERO, 1, T0 + day * DAY, T0 + day * DAY + hours * HOUR)
    assert memory.usual_ms(Kind.FLAT, 1, T0 + at_day * DAY, known_days * DAY) == 0
    assert memory.usual_ms(Kind.ZERO, 0, T0 + at_day * DAY, known_days * DAY) == 0
    return memory.usual_ms(Kind.ZERO, 1, T0 + at_day * DAY, known_days * DAY) / HOUR


NIGHTS = [(day, 8.0) for day in range(14)]
WEEKENDS = [(4.6, 40.0), (11.6, 40.0)]


@pytest.mark.parametrize(
    ("runs", "at_day", "known_days", "expected_h"),
    [
        ([], 14, 100, 0.0),
        (NIGHTS, 14, 100, 8.0),
        (WEEKENDS, 14, 100, 40.0),
        ([(3.9, 8.0), (9.9, 9.0)], 14, 100, 0.0),
        (NIGHTS, 18, 100, 8.0),
        (NIGHTS, 40, 100, 0.0),
        ([(0.2, 8.0)], 1, 1, 8.0),
        ([(0.2, 8.0), (1.2, 8.0)], 7, 7, 0.0),
        ([(day + part, 2.0) for day in range(14) for part in (0.1, 0.3, 0.5)], 14, 100, 2.0),
        ([(-20.0, 34 * 24.0)], 14, 100, 34 * 24.0),
    ],
    ids=[
        "nothing",
        "every night",
        "every weekend",
        "two faults in a fortnight",
        "nights until four days ago",
        "nights of long ago",
        "the one night that is known",
        "two nights of a week",
        "many a day",
        "a month at once",
    ],
)
def test_usual_is_what_is_reached_on_most_days(
    runs: Sequence[tuple[float, float]], at_day: float, known_days: float, expected_h: float
) -> None:
    assert usual_h(runs, at_day, known_days) == expected_h


def test_memory_survives_and_grows() -> None:
    memory = DayMemory(1)
    for day, hours in NIGHTS:
        memory.book_run(Kind.GAP, 0, T0 + day * DAY, T0 + day * DAY + hours * HOUR)
    again = DayMemory.restore(memory.export())
    again.grow(3)
    assert again.meters == 3
    assert again.usual_ms(Kind.GAP, 0, T0 + 14 * DAY, 100 * DAY) == 8 * HOUR
    assert again.usual_ms(Kind.GAP, 2, T0 + 14 * DAY, 100 * DAY) == 0


@pytest.mark.parametrize(
    ("peaks", "expected"),
    [
        ([5.0, 6.0, 7.0, 8.0], 6.0),
        ([5.0, 6.0, 5.5, 90.0, 5.0, 80.0], 6.0),
        ([5.0] * 5 + [0.1] * 21, 5.0),
        ([5.0] * 5 + [0.1] * 30, 0.1),
        ([5.0, 6.0], 0.0),
    ],
    ids=["ordinary", "two glitches", "three weeks of holiday", "five weeks of holiday", "hardly known"],
)
def test_the_usual_peak_is_what_several_days_reached(peaks: Sequence[float], expected: float) -> None:
    memory = DayMemory(1)
    for day, peak in enumerate(peaks):
        memory.book_peak(0, 20_000 + day, peak / 2)
        memory.book_peak(0, 20_000 + day, peak)
        memory.book_peak(0, 20_000 + day, 0.0)
    assert memory.usual_peak(0, 20_000 + len(peaks)) == expected


Array = npt.NDArray[np.generic]


@pytest.mark.parametrize(
    "spoil",
    [lambda ms: ms[:, :, :5], lambda ms: ms * np.nan, lambda ms: ms[0], lambda ms: ms[:2]],
    ids=["other days", "no numbers", "other axes", "other kinds"],
)
def test_a_broken_memory_is_refused(spoil: Callable[[Array], Array]) -> None:
    arrays = DayMemory(4).export()
    with pytest.raises(ValueError, match="memory of days"):
        DayMemory.restore({**arrays, "days_largest": spoil(arrays["days_largest"])})
    with pytest.raises(ValueError, match="memory of days"):
        DayMemory.restore(
            {**arrays, "days_largest": spoil(arrays["days_largest"]), "days_day": spoil(arrays["days_day"])}
        )
