"""Noise is a function of its seed, its label and the index alone."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from simulators.randomness import happens, jitter, stream, uniform, wander

INDEX = np.arange(-5000, 5000, dtype=np.int64)


@given(st.integers(-(2**63), 2**63 - 1), st.integers(0, 9000), st.integers(1, 900))
def test_noise_at_an_index_does_not_depend_on_the_question(seed: int, start: int, length: int) -> None:
    part = INDEX[start : start + length]
    np.testing.assert_array_equal(uniform(seed, "x", part), uniform(seed, "x", INDEX)[start : start + length])


def test_uniform_noise_fills_0_to_1_evenly() -> None:
    noise = uniform(1, "x", INDEX)
    counts, _ = np.histogram(noise, bins=10, range=(0, 1))
    assert counts.min() > 850
    assert counts.max() < 1150


def test_labels_and_seeds_give_unrelated_noise() -> None:
    noise = jitter(1, "x", INDEX)
    for other in (jitter(2, "x", INDEX), jitter(1, "y", INDEX), jitter(1, "x", INDEX + 1)):
        assert abs(np.corrcoef(noise, other)[0, 1]) < 0.05


def test_wandering_noise_has_no_steps() -> None:
    noise = wander(3, "x", np.arange(0, 100_000, 10, dtype=np.int64), 1000)
    assert np.abs(np.diff(noise)).max() < 0.08
    assert 0.5 < noise.std() < 1.1


def test_a_stream_repeats_itself_and_differs_by_label_and_day() -> None:
    assert stream(1, "a", 5).random() == stream(1, "a", 5).random()
    assert len({stream(1, label, day).random() for label in "ab" for day in (-1, 0, 1)}) == 6


def test_chances_of_0_and_1_are_certain() -> None:
    rng = stream(1, "a")
    assert not any(happens(rng, 0) for _ in range(50))
    assert all(happens(rng, 1) for _ in range(50))
