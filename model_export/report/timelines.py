"""What a meter did, what was wrong with it, and what was found: over months, and zoomed on what matters."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from model_export.alarm_matching import Bools, Events
from model_export.report.drawing import ALARM, COLOURS, INK, LABEL, sheet
from model_export.report.ticks import ticks
from wattline.intervals import Floats, Integers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_OVERVIEW_STEPS: Final = 400
_DAY_MS: Final = 86_400_000
BEFORE_MS: Final = 3 * _DAY_MS
AFTER_MS: Final = 3 * _DAY_MS // 2


@dataclass(frozen=True, slots=True)
class Line:
    """N intervals of one meter in time order.

    Attributes:
        start_ms: Their starts.
        interval_ms: Their length.
        rate: What the meter used.
        score: How strange each looks, 0..1.
        found: Which are called anomalous.
        truth: What the meter would have shown without the fault; the rate where that is not known.
    """

    start_ms: Integers
    interval_ms: int
    rate: Floats
    score: Floats
    found: Bools
    truth: tuple[Integers, Floats] | None = None

    def between(self, begin_ms: int, end_ms: int) -> "Line":
        """The intervals that start in [begin, end)."""
        inside = slice(*np.searchsorted(self.start_ms, (begin_ms, end_ms)).tolist())
        truth = None
        if self.truth is not None:
            known = slice(*np.searchsorted(self.truth[0], (begin_ms, end_ms)).tolist())
            truth = (self.truth[0][known], self.truth[1][known])
        return Line(
            self.start_ms[inside],
            self.interval_ms,
            self.rate[inside],
            self.score[inside],
            self.found[inside],
            truth,
        )


def overview(line: Line, events: Events) -> str:
    """All of a meter's judged time, as a data URI: range of its rate, events, anomalies."""
    step = max(len(line.rate) // _OVERVIEW_STEPS, 1)
    edges = np.arange(0, len(line.rate), step)
    with sheet() as drawn:
        [axes] = drawn.axes(1.9)
        time = _times(line.start_ms[edges])
        low, high = np.minimum.reduceat(line.rate, edges), np.maximum.reduceat(line.rate, edges)
        axes.fill_between(time, low, high, color=COLOURS[0], alpha=0.65, linewidth=0)
        top = float(line.rate.max()) or 1.0
        _spans(axes, events, at_least_ms=_DAY_MS)
        found = line.start_ms[line.found]
        axes.plot(_times(found), np.full(len(found), 1.06 * top), "|", color=ALARM, markersize=7)
        axes.set_ylim(min(0.0, float(line.rate.min())), 1.12 * top)
        _dates(axes, line.start_ms)
    return drawn.uri


def zoomed(line: Line, events: Events, threshold: float) -> str:
    """A few days of a meter, as a data URI: its rate above, how strange it looks below."""
    with sheet() as drawn:
        from matplotlib.ticker import NullLocator

        axes = drawn.axes(2.6, (3, 1))
        _spans(axes[0], events, at_least_ms=0)
        if line.truth is not None:
            axes[0].plot(*_unbroken(*line.truth, line.interval_ms), color=INK, alpha=0.4, linewidth=0.8, linestyle="--")
        axes[0].plot(*_unbroken(line.start_ms, line.rate, line.interval_ms), color=COLOURS[0])
        axes[0].plot(_times(line.start_ms[line.found]), line.rate[line.found], "o", color=ALARM, markersize=3)
        axes[0].set_ylim(bottom=min(0.0, float(line.rate.min(initial=0.0))))
        axes[0].tick_params(labelbottom=False)
        rarity = -np.log10(np.maximum(1.0 - line.score, 1e-6))
        axes[1].plot(*_unbroken(line.start_ms, rarity, line.interval_ms), color=ALARM, linewidth=0.9)
        axes[1].axhline(-np.log10(max(1.0 - threshold, 1e-6)), color=INK, linewidth=0.8, linestyle="--")
        axes[1].set_ylim(0, 6.2)
        axes[1].yaxis.set_major_locator(NullLocator())
        axes[1].set_ylabel("score")
        for one in axes:
            _dates(one, line.start_ms)
    return drawn.uri


def _spans(axes: "Axes", events: Events, at_least_ms: int) -> None:
    for start_ms, end_ms in zip(events.start_ms.tolist(), events.end_ms.tolist(), strict=True):
        begin, end = _times(np.array([start_ms, max(end_ms, start_ms + at_least_ms)], np.int64))
        axes.axvspan(begin, end, color=LABEL, alpha=0.35, linewidth=0)


def _unbroken(start_ms: Integers, values: Floats, interval_ms: int) -> tuple[Floats, Floats]:
    """A line that is interrupted where intervals are missing."""
    breaks = np.flatnonzero(np.diff(start_ms) > interval_ms) + 1
    return _times(np.insert(start_ms, breaks, start_ms[breaks - 1] + interval_ms)), np.insert(values, breaks, np.nan)


def _times(start_ms: Integers) -> Floats:
    """Days since 1970, as matplotlib counts."""
    days: npt.NDArray[np.float64] = start_ms / _DAY_MS
    return days


def _dates(axes: "Axes", start_ms: Integers) -> None:
    """The time axis, from the first to the last of some intervals."""
    marks = ticks(int(start_ms[0]), int(start_ms[-1]))
    axes.set_xlim(*_times(start_ms[[0, -1]]))
    axes.set_xticks([t_ms / _DAY_MS for t_ms, _ in marks], [words for _, words in marks])
