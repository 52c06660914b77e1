"""Waits double up to a bound, are never the same for two agents, and start again after a success."""

from hypothesis import given
from hypothesis import strategies as st

from wattline.backoff import JITTER, Backoff


@given(st.integers(0, 2**32), st.integers(1, 3000))
def test_a_wait_is_within_its_bounds(seed: int, attempts: int) -> None:
    backoff = Backoff(0.5, 30.0, seed=seed)
    waits = [backoff.next_s() for _ in range(attempts)]
    for attempt, wait_s in enumerate(waits):
        full_s = min(30.0, 0.5 * 2.0 ** min(attempt, 50))
        assert full_s * (1 - JITTER) <= wait_s <= full_s
    assert backoff.attempts == attempts


def test_two_agents_do_not_wait_the_same() -> None:
    assert Backoff(1.0, 60.0).next_s() != Backoff(1.0, 60.0).next_s()


def test_a_success_starts_again() -> None:
    backoff = Backoff(1.0, 60.0)
    for _ in range(10):
        backoff.next_s()
    backoff.reset()
    assert backoff.next_s() <= 1.0
