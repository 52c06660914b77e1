"""The pictures of a report, each from plain arrays."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from sklearn.metrics import precision_recall_curve, roc_curve

from model_export.alarm_matching import Bools
from model_export.report.drawing import COLOURS, INK, sheet
from wattline.intervals import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_POINTS: Final = 160
_DECADES: Final = 6
"""Scores are shown as how rare such an interval is: 1 in 10, 1 in 100, .. 1 in a million."""


def roc_chart(labels: Bools, scores: Mapping[str, Floats]) -> str:
    """ROC curves of some families on one meter, as a data URI."""
    with sheet() as drawn:
        [axes] = drawn.axes(3.0)
        for (family, score), colour in zip(scores.items(), COLOURS, strict=False):
            false_rate, recall, _ = roc_curve(labels, score)
            axes.plot(*_thinned(false_rate, recall), color=colour, label=family)
        axes.plot((0, 1), (0, 1), color=INK, linewidth=0.6, linestyle=":")
        _unit_square(axes, "share of ordinary intervals above", "share of labelled intervals above")
        axes.legend(loc="lower right")
    return drawn.uri


def precision_recall_chart(labels: Bools, scores: Mapping[str, Floats]) -> str:
    """Precision over recall of some families on one meter, as a data URI."""
    with sheet() as drawn:
        [axes] = drawn.axes(3.0)
        for (family, score), colour in zip(scores.items(), COLOURS, strict=False):
            precision, recall, _ = precision_recall_curve(labels, score)
            axes.plot(*_thinned(recall, precision), color=colour, label=family)
        axes.axhline(labels.mean(), color=INK, linewidth=0.6, linestyle=":")
        _unit_square(axes, "recall of labelled intervals", "precision")
    return drawn.uri


def score_histogram(ordinary: Floats, labelled: Floats, threshold: float) -> str:
    """How strange ordinary and labelled intervals look to one family, as a data URI."""
    bins = np.linspace(0.0, _DECADES, 37)
    with sheet() as drawn:
        [axes] = drawn.axes(2.4)
        for score, colour, name in ((ordinary, COLOURS[0], "ordinary"), (labelled, COLOURS[1], "labelled")):
            count, _ = np.histogram(_rarity(score), bins)
            axes.stairs(count, bins, fill=True, alpha=0.35, color=colour)
            axes.stairs(count, bins, color=colour, label=f"{name} ({len(score):,})")
        axes.axvline(float(_rarity(np.array([threshold]))[0]), color=INK, linewidth=1.0, linestyle="--")
        axes.set_yscale("symlog", linthresh=1)
        axes.set_ylim(bottom=0)
        axes.set_xlim(0, _DECADES)
        ticks = ("all", "1 in 10", "100", "1,000", "10,000", "100,000", "1 in 1e6")
        axes.set_xticks(range(_DECADES + 1), ticks)
        axes.set_xlabel("how rare such an interval is by the model; dashed: threshold")
        axes.set_ylabel("intervals")
        axes.legend(loc="upper right")
    return drawn.uri


def recall_bars(kinds: Sequence[str], shares: Mapping[str, Sequence[float]]) -> str:
    """Recall per kind of fault, a bar per family or way, as a data URI."""
    width = 0.8 / max(len(shares), 1)
    with sheet() as drawn:
        [axes] = drawn.axes(3.0)
        for i, ((name, heights), colour) in enumerate(zip(shares.items(), COLOURS, strict=False)):
            place = np.arange(len(kinds)) - 0.4 + width * (i + 0.5)
            axes.bar(place, np.array(heights) * 100, width * 0.92, color=colour, label=name)
        axes.set_xticks(range(len(kinds)), [kind.replace("_", " ") for kind in kinds])
        axes.set_ylim(0, 100)
        axes.set_ylabel("found, %")
        axes.grid(axis="y")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    return drawn.uri


def trade_off_chart(curves: Mapping[str, tuple[Floats, Floats]]) -> str:
    """Share of events found over false alarms per meter and week, a line per family, as a data URI."""
    with sheet() as drawn:
        [axes] = drawn.axes(3.0)
        for (family, (false_alarms, recall)), colour in zip(curves.items(), COLOURS, strict=False):
            axes.plot(false_alarms, recall * 100, color=colour, label=family, marker=".", markersize=3)
        axes.set_xscale("symlog", linthresh=0.01)
        axes.set_xlim(0, 5)
        axes.set_xticks((0, 0.01, 0.1, 1, 5), ("0", "0.01", "0.1", "1", "5"))
        axes.set_ylim(0, 102)
        axes.grid()
        axes.set_xlabel("false alarms per meter and week")
        axes.set_ylabel("labelled events found, %")
        axes.legend(loc="upper left")
    return drawn.uri


def _rarity(score: Floats) -> Floats:
    return np.minimum(-np.log10(np.maximum(1.0 - score, 10.0**-_DECADES)), _DECADES - 1e-9)


def _thinned(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """At most about `_POINTS` points of a curve, evenly along its way."""
    way = np.r_[0.0, np.cumsum(np.hypot(np.diff(x), np.diff(y)))]
    chosen = np.unique(np.r_[np.searchsorted(way, np.linspace(0.0, way[-1], _POINTS)), len(x) - 1])
    return x[chosen], y[chosen]


def _unit_square(axes: "Axes", x: str, y: str) -> None:
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.grid()
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def cost_bars(names: Sequence[str], figures: Sequence[float], unit: str) -> str:
    """A bar per family, as a data URI."""
    with sheet() as drawn:
        [axes] = drawn.axes(0.5 + 0.3 * len(names))
        bars = axes.barh(range(len(names)), figures, 0.6, color=COLOURS[0])
        axes.bar_label(bars, [f" {figure:,.1f} {unit}" for figure in figures], fontsize=8, color=INK)
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.set_xlim(0, 1.25 * max([*figures, 1e-9]))
        axes.tick_params(bottom=False, labelbottom=False)
        axes.spines["bottom"].set_visible(False)
    return drawn.uri
