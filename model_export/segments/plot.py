"""A picture of segments: one row each, its members thin and grey, its centre bold."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Final

import numpy as np

from model_export.segments.contract import OTHER, OTHER_NAME, Segment, Segments
from model_export.segments.segmentation import Membership, Profiles
from wattline.intervals import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_LINES: Final = 80
"""Of members in one panel; more are one grey patch and a slow picture."""
_MEMBER: Final = "0.55"
_WIDTH_IN: Final = 9.0
_ROW_IN: Final = 1.9
_DPI: Final = 120
_HEADROOM: Final = 1.15
_SEEN: Final = 0.99
"""Share of all members' values that the vertical axis shows; a lone spike must not flatten everything else."""
# Paul Tol's "bright" scheme: told apart by the colour-blind too.
_COLOURS: Final = ("#4477AA", "#EE6677", "#228833", "#CCBB44", "#66CCEE", "#AA3377", "#994455", "#222255")


@dataclass(frozen=True, slots=True)
class _Row:
    """One segment: its members, float64[M, 2, S], and its centre, float64[2, S], where it has one."""

    title: str
    members: Floats
    centre: Floats | None
    colour: str


def profile_plot(segments: Segments, profiles: Profiles, placed: Sequence[Membership]) -> bytes:
    """Draw the segments of a data set as a PNG.

    Args:
        segments: What was found.
        profiles: Of at least one meter.
        placed: A membership per profile, in their order.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shapes, tags = profiles.shapes, np.array([one.segment for one in placed])
    rows = len(segments.segments) + bool(segments.other)
    figure = Figure(figsize=(_WIDTH_IN, _ROW_IN * rows + 0.9), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, 2, sharex=True, sharey=True, squeeze=False)
    for row, one in enumerate(segments.segments):
        _draw_row(grid[row], _Row(_title(one), _sampled(shapes[tags == one.id]), segments.shapes[row], _COLOURS[row]))
    if segments.other:
        title = f"{OTHER_NAME} - {segments.other / segments.meters:.0%} ({segments.other})"
        _draw_row(grid[-1], _Row(title, _sampled(shapes[tags == OTHER]), None, _MEMBER))
    _finish(grid[0][0], _top(segments.shapes, shapes[tags != OTHER]))
    figure.suptitle(_heading(segments), fontsize=11)
    figure.supxlabel(f"time of day ({segments.time_zone})", fontsize=9)
    figure.supylabel("times the meter's own mean", fontsize=9)
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=_DPI, metadata={"Software": None})
    return picture.getvalue()


def _draw_row(pair: "Sequence[Axes]", row: _Row) -> None:
    hours = (np.arange(row.members.shape[-1]) + 0.5) * 24 / row.members.shape[-1]
    width = 0.7 if len(row.members) <= _MOST_LINES // 2 else 0.4
    pair[0].set_title(row.title, loc="left", fontsize=9)
    for column, (axes, day) in enumerate(zip(pair, ("workday", "weekend"), strict=True)):
        axes.axhline(1.0, color="0.8", linewidth=0.8)
        if len(row.members):
            axes.plot(hours, row.members[:, column].T, color=_MEMBER, linewidth=width, alpha=0.5)
        if row.centre is not None:
            axes.plot(hours, row.centre[column], color=row.colour, linewidth=2.4)
        axes.set_title(day, loc="right", fontsize=9, color="0.4")
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)


def _finish(axes: "Axes", top: float) -> None:
    """Axes are shared: one sets them all."""
    axes.set_xlim(0, 24)
    axes.set_xticks(range(0, 24, 4))
    axes.set_xticklabels([f"{hour:02d}:00" for hour in range(0, 24, 4)])
    axes.set_ylim(0, top)


def _top(centres: Floats, members: Floats) -> float:
    seen = float(np.quantile(members, _SEEN)) if len(members) else 0.0
    return _HEADROOM * max(float(centres.max()), seen)


def _sampled(shapes: Floats) -> Floats:
    """At most `_MOST_LINES` members, evenly over their names."""
    if len(shapes) <= _MOST_LINES:
        return shapes
    return shapes[np.linspace(0, len(shapes) - 1, _MOST_LINES).astype(np.int64)]


def _title(one: Segment) -> str:
    return f"{one.name} - {one.share:.0%} ({one.meters})"


def _heading(segments: Segments) -> str:
    beside = f", {segments.other} unlike the others" if segments.other else ""
    return f"Daily profiles of {segments.meters} meters in {segments.k} segments{beside}"
