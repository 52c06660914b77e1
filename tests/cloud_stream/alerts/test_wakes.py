"""Who has to be looked at when."""

from hypothesis import given
from hypothesis import strategies as st

from cloud_stream.alerts.condition import NEVER
from cloud_stream.alerts.wakes import Wakes


def test_nothing_is_due_before_its_second() -> None:
    wakes: Wakes[str] = Wakes()
    assert wakes.next_ms == NEVER
    wakes.add("a", 1500)
    assert (wakes.next_ms, list(wakes.due(1999)), list(wakes.due(2000)), wakes.next_ms) == (2000, [], ["a"], NEVER)


@given(st.lists(st.integers(0, 20_000), max_size=50), st.lists(st.integers(0, 25_000), max_size=20))
def test_each_is_given_once_and_never_early(times: list[int], looks: list[int]) -> None:
    wakes: Wakes[int] = Wakes()
    for time_ms in times:
        wakes.add(time_ms, time_ms)
    given_out = []
    for now_ms in sorted(looks):
        out = list(wakes.due(now_ms))
        assert all(time_ms <= now_ms for time_ms in out)
        given_out += out
    assert sorted([*given_out, *wakes.due(NEVER)]) == sorted(times)
