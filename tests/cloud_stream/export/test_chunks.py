"""All rows, in the order of time, in pieces of bounded size."""

from collections.abc import Iterator, Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_stream.export import chunks as module
from cloud_stream.export.chunks import chunks
from cloud_stream.export.selection import Selection
from cloud_stream.ports import Table

DAY_MS = 86_400_000
PIECE = 20


class Held:
    """A store of meters that all have readings at the same times, read series by series."""

    def __init__(self, meters: int, times: Sequence[int]) -> None:
        self.meters = meters
        self.times = times
        self.given = 0

    def field_names(self, measurement: str) -> Sequence[str]:
        raise NotImplementedError

    def tag_values(self, measurement: str, tag: str) -> Sequence[str]:
        raise NotImplementedError

    def time_range(self, measurement: str, tags: Mapping[str, str]) -> tuple[int, int] | None:
        raise NotImplementedError

    def table(
        self, measurement: str, tags: Mapping[str, str], fields: Sequence[str], start_ms: int, end_ms: int
    ) -> Iterator[Table]:
        assert (measurement, tags, fields) == ("reading", {"site": "s"}, ("power_w",))
        times = [t for t in self.times if start_ms <= t < end_ms]
        columns = ("site", "gateway", "meter", "t_ms", "power_w")
        for meter in range(self.meters):
            for first in range(0, len(times), PIECE):
                piece = times[first : first + PIECE]
                self.given += len(piece)
                yield Table(columns, [("s", "g", f"m{meter}", t, 1.0) for t in piece])


def selection(times: Sequence[int]) -> Selection:
    return Selection("reading", {"site": "s"}, ("power_w",), min(times), max(times) + 1)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ENOUGH_ROWS", 50)
    monkeypatch.setattr(module, "MOST_ROWS", 200)


DENSE = list(range(0, 3_000_000, 1000))


@pytest.mark.parametrize(
    ("meters", "times"),
    [
        pytest.param(1, [0], id="one row"),
        pytest.param(3, DENSE, id="a reading a second"),
        pytest.param(2, [0, 400 * DAY_MS], id="a long gap"),
        pytest.param(3, [0, *range(300 * DAY_MS, 300 * DAY_MS + 2_000_000, 1000)], id="many rows behind a long gap"),
        pytest.param(500, [0, 1, 2, 900], id="more rows at one time than a piece may have"),
        pytest.param(3, [-DAY_MS, -5, 0], id="before 1970"),
    ],
)
def test_all_rows_in_the_order_of_time(meters: int, times: Sequence[int]) -> None:
    store = Held(meters, times)
    pieces = list(chunks(store, selection(times)))
    rows = [(row[3], row[2]) for piece in pieces for row in piece]
    names = [f"m{meter}" for meter in range(meters)]
    assert rows == [(t, name) for t in times for name in names]
    assert max(map(len, pieces)) <= max(200, meters)
    assert store.given <= 2 * len(rows) + 4000


@given(times=st.lists(st.integers(0, 10**9), min_size=1, max_size=300, unique=True).map(sorted))
def test_any_times(times: Sequence[int]) -> None:
    pieces = list(chunks(Held(2, times), selection(times)))
    assert [row[3] for piece in pieces for row in piece] == [t for t in times for _ in range(2)]


def test_an_empty_span_has_no_rows() -> None:
    assert list(chunks(Held(1, [5]), Selection("reading", {"site": "s"}, ("power_w",), 5, 5))) == []


def test_how_far_it_is_only_grows_and_ends_at_the_end() -> None:
    reached: list[int] = []
    list(chunks(Held(3, DENSE), selection(DENSE), reached.append))
    assert reached == sorted(set(reached))
    assert reached[-1] == DENSE[-1] + 1
