"""Delays double, are bounded, and differ between those who failed together."""

import pytest

from cloud_stream.backoff import Backoff


@pytest.mark.parametrize("seed", range(5))
def test_delays_double_up_to_the_longest_and_keep_at_least_half(seed: int) -> None:
    backoff = Backoff(1.0, 10.0, seed=seed)
    for whole in (1.0, 2.0, 4.0, 8.0, 10.0, 10.0):
        assert whole / 2 <= backoff.next_s() <= whole


def test_many_failures_do_not_overflow() -> None:
    backoff = Backoff(1.0, 10.0)
    assert max(backoff.next_s() for _ in range(3000)) <= 10.0


def test_success_begins_again() -> None:
    backoff = Backoff(1.0, 10.0)
    for _ in range(5):
        backoff.next_s()
    backoff.reset()
    assert backoff.next_s() <= 1.0


def test_two_do_not_wait_alike() -> None:
    assert Backoff(1.0, 10.0, seed=1).next_s() != Backoff(1.0, 10.0, seed=2).next_s()
