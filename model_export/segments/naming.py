"""What a person would call a segment, told from its centre by rule.

The parts of the day that hold most of what is used above the mean make the
name. Segments that share it are told apart by the part of the day in which
each exceeds the others, and then by how far they rise above their mean.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import numpy as np

from model_export.segments.profiles import week_mean
from wattline.intervals import Floats

_STARTS_H: Final = (6, 10, 16, 19.5, 23)
"""Of morning, daytime, early evening, late evening and the night again."""
_PARTS: Final = 5
_EARLY, _LATE = 3, 4
_ALONE: Final = ("night load", "morning peak", "daytime", "evening peak")
_TOGETHER: Final = ("night", "morning", "daytime", "evening")
_MORE: Final = ("more at night", "more in the morning", "more in the daytime", *(("more in the evening",) * 2))
_SHARP: Final = "sharp"
_STRENGTHS: Final = {2: ("mild", "strong"), 3: ("mild", "medium", "strong")}
_FLAT_BELOW: Final = 0.2
"""Standard deviation of the mean day, in units of its mean."""
_PART_FROM: Final = 0.2
"""Share of what is used above the mean."""
_BUSY_FROM: Final = 1.5
"""Workdays to weekends, or the other way round."""
_LEAST: Final = 1e-12


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a centre is before names are made unique.

    Attributes:
        place: Its row.
        flat: It hardly differs from its mean.
        parts: Of the day, that hold what is used above the mean; the evening is one, 3.
        week: "workday ", "weekend ", or "" for both alike.
        level: Mean per part of the day; the evening is two, 3 and 4.
        peak: The highest of the mean day.
    """

    place: int
    flat: bool
    parts: tuple[int, ...]
    week: str
    level: tuple[float, ...]
    peak: float

    @property
    def order(self) -> tuple[bool, tuple[int, ...], str]:
        return not self.flat, self.parts, self.week

    @property
    def name(self) -> str:
        if self.flat:
            return f"{self.week}flat"
        if len(self.parts) == 1:
            return f"{self.week}{_ALONE[self.parts[0]]}"
        *first, last = [_TOGETHER[part] for part in self.parts]
        return f"{self.week}{', '.join(first)} and {last}"


def named(centres: Floats) -> list[tuple[int, str]]:
    """Order and name segments, the same way for the same centres.

    Args:
        centres: float64[K, 2, S], in units of their mean.

    Returns:
        Per segment, in the order to show them, its row in `centres` and its name; names differ.
    """
    kinds = [_kind(place, shape) for place, shape in enumerate(centres)]
    kinds.sort(key=lambda one: (one.order, one.peak, one.level))
    names: list[tuple[int, str]] = []
    for _, group in groupby(kinds, key=lambda one: one.order):
        same = list(group)
        names += [(one.place, ", ".join([one.name, *more])) for one, more in zip(same, _told_apart(same), strict=True)]
    return names


def slug(name: str) -> str:
    """The name as a tag: `evening-peak-early`."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _kind(place: int, shape: Floats) -> _Kind:
    day = week_mean(shape)
    hours = (np.arange(len(day)) + 0.5) * 24 / len(day)
    part = np.searchsorted(_STARTS_H, hours, side="right") % _PARTS
    above = np.bincount(np.minimum(part, _EARLY), weights=np.maximum(day - 1.0, 0.0))
    flat = float(day.std()) < _FLAT_BELOW
    parts = () if flat else tuple(np.flatnonzero(above >= _PART_FROM * above.sum()).tolist())
    level = tuple(float(day[part == one].mean()) for one in range(_PARTS))
    return _Kind(place, flat, parts, _week(shape), level, float(day.max()))


def _week(shape: Floats) -> str:
    workday, weekend = (max(float(row.mean()), _LEAST) for row in shape)
    if workday >= _BUSY_FROM * weekend:
        return "workday "
    return "weekend " if weekend >= _BUSY_FROM * workday else ""


def _told_apart(same: Sequence[_Kind]) -> list[list[str]]:
    """Words for each of the segments that share a name, lowest peak first."""
    if len(same) == 1:
        return [[]]
    levels = np.array([one.level for one in same])
    beyond = levels - (levels.sum(axis=0) - levels) / (len(same) - 1)
    words = [_word(one, part) for one, part in zip(same, beyond.argmax(axis=1).tolist(), strict=True)]
    shared, seen, told = Counter(words), Counter[str](), []
    for word in words:
        seen[word] += 1
        strength = [_strength(seen[word], shared[word])] if shared[word] > 1 else []
        told.append(strength if strength and word == _SHARP else [word, *strength])
    return told


def _word(one: _Kind, part: int) -> str:
    """Where a segment lies above those that share its name."""
    if part in {_EARLY, _LATE} and _EARLY in one.parts:
        return "early" if part == _EARLY else "late"
    return _SHARP if one.parts == (part,) else _MORE[part]


def _strength(number: int, of: int) -> str:
    return _STRENGTHS[of][number - 1] if of in _STRENGTHS else f"level {number}"
