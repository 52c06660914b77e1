"""What a person would call a segment, told from its centre by rule.

The parts of the day that hold most of what is used above the mean make the
name. Segments that share it are told apart by the part of the day in which
each exceeds the others, and then by how far they rise above their mean.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import numpy as np

from model_export.segments.profiles import week_mean
from wattline.intervals import Floats

_NIGHT, _MORNING, _DAYTIME, _EVENING = range(4)
_STARTS_H: Final = (6, 10, 16, 23)
"""Of morning, daytime, evening and the night again."""
_ALONE: Final = ("night load", "morning peak", "daytime", "evening peak")
_TOGETHER: Final = ("night", "morning", "daytime", "evening")
_MORE: Final = ("more at night", "more in the morning", "more in the daytime", "more in the evening")
_SHARP: Final = "sharp"
_STRENGTHS: Final = {2: ("mild", "strong"), 3: ("mild", "medium", "strong")}
_FLAT_BELOW: Final = 0.2
"""Standard deviation of the mean day, in units of its mean."""
_PART_FROM: Final = 0.2
"""Share of what is used above the mean."""
_BUSY_FROM: Final = 1.5
"""Workdays to weekends, or the other way round."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a centre is before names are made unique."""

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
        words = [_TOGETHER[part] for part in self.parts]
        return f"{self.week}{', '.join(words[:-1])} and {words[-1]}"


def named(centres: Floats) -> list[tuple[int, str]]:
    """Order and name segments, the same way for the same centres.

    Args:
        centres: float64[K, 2, S], in units of their mean.

    Returns:
        Per segment, in the order to show them, its row in `centres` and its name; names differ.
    """
    kinds = sorted((_kind(place, shape) for place, shape in enumerate(centres)), key=lambda one: (one.order, one.peak))
    names: list[tuple[int, str]] = []
    for _, group in groupby(kinds, key=lambda one: one.order):
        same = list(group)
        names += [(one.place, _joined(one.name, extra)) for one, extra in zip(same, _qualifiers(same), strict=True)]
    return names


def slug(name: str) -> str:
    """The name as a tag: `evening-peak-strong`."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def part_of_day(slots: int) -> list[int]:
    """Of each interval of the day the part (0 night, 1 morning, 2 daytime, 3 evening) that its middle lies in."""
    hours = (np.arange(slots) + 0.5) * 24 / slots
    return [int(part) % 4 for part in np.searchsorted(_STARTS_H, hours, side="right")]


def _kind(place: int, shape: Floats) -> _Kind:
    day = week_mean(shape)
    part = np.array(part_of_day(len(day)))
    above = np.maximum(day - 1.0, 0.0)
    total = max(float(above.sum()), 1e-12)
    level = tuple(float(day[part == one].mean()) for one in range(4))
    flat = float(day.std()) < _FLAT_BELOW
    parts = tuple(one for one in range(4) if not flat and above[part == one].sum() >= _PART_FROM * total)
    return _Kind(place, flat, parts, _week(shape), level, float(day.max()))


def _week(shape: Floats) -> str:
    workday, weekend = (max(float(row.mean()), 1e-12) for row in shape)
    if workday >= _BUSY_FROM * weekend:
        return "workday "
    return "weekend " if weekend >= _BUSY_FROM * workday else ""


def _qualifiers(same: Sequence[_Kind]) -> list[str]:
    """Words for each of the segments that share a name, lowest peak first."""
    if len(same) == 1:
        return [""]
    levels = np.array([one.level for one in same])
    beyond = levels - (levels.sum(axis=0) - levels) / (len(same) - 1)
    words = [
        _SHARP if part in one.parts else _MORE[part] for one, part in zip(same, beyond.argmax(axis=1), strict=True)
    ]
    shared = {word: words.count(word) for word in words}
    seen: dict[str, int] = {}
    for place, word in enumerate(words):
        seen[word] = seen.get(word, 0) + 1
        if shared[word] > 1:
            strength = _strength(seen[word], shared[word])
            words[place] = strength if word == _SHARP else f"{word}, {strength}"
    return words


def _strength(number: int, of: int) -> str:
    return _STRENGTHS[of][number - 1] if of in _STRENGTHS else f"level {number}"


def _joined(name: str, qualifier: str) -> str:
    return f"{name}, {qualifier}" if qualifier else name
