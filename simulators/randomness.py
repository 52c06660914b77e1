"""Seeded randomness that can be asked in any order.

Two forms: a generator for everything drawn on one day, and hashed noise whose value at an index
needs no value before it. Both are functions of their arguments alone.
"""

import zlib
from typing import Final

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Columns = dict[str, FloatArray]
"""Quantity name to values, all of one length."""

_WORD: Final = (1 << 64) - 1
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX_1: Final = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2: Final = np.uint64(0x94D049BB133111EB)
_MANTISSA_SHIFT: Final = np.uint64(11)
_MANTISSA_STEP: Final = 2.0**-53
_UNIFORM_STD: Final = 12**-0.5


def stream(seed: int, label: str, *numbers: int) -> np.random.Generator:
    """The generator for one purpose, such as one person's one day."""
    words = [seed & _WORD, zlib.crc32(label.encode()), *(number & _WORD for number in numbers)]
    return np.random.Generator(np.random.SFC64(words))


def happens(rng: np.random.Generator, chance: float) -> bool:
    """Whether something with that chance happens."""
    return bool(rng.random() < chance)


def uniform(seed: int, label: str, index: IntArray) -> FloatArray:
    """Uniform noise in [0, 1), one value an index (SplitMix64: Steele, Lea, Flood 2014)."""
    key = np.uint64((seed * 0x2545F4914F6CDD1D + zlib.crc32(label.encode()) * 0x9E3779B1) & _WORD)
    with np.errstate(over="ignore"):
        z = (index.astype(np.uint64) + key) * _GOLDEN
        z = (z ^ (z >> np.uint64(30))) * _MIX_1
        z = (z ^ (z >> np.uint64(27))) * _MIX_2
        z ^= z >> np.uint64(31)
    return (z >> _MANTISSA_SHIFT).astype(np.float64) * _MANTISSA_STEP


def jitter(seed: int, label: str, index: IntArray) -> FloatArray:
    """Noise of mean 0 and standard deviation 1 at every index, without neighbours."""
    return (uniform(seed, label, index) - 0.5) / _UNIFORM_STD


def wander(seed: int, label: str, t_ms: IntArray, knot_ms: int) -> FloatArray:
    """Smooth noise around 0 of a standard deviation near 1, with a knot every `knot_ms`."""
    knot = t_ms // knot_ms
    part = (t_ms - knot * knot_ms) / knot_ms
    ease = part * part * (3 - 2 * part)
    before, after = jitter(seed, label, knot), jitter(seed, label, knot + 1)
    return before + (after - before) * ease
