"""Pictures for a page: SVG in a data URI, small enough for a phone, in the reader's light or dark."""

import base64
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK: Final = "#010101"
"""Stands for the reader's colour of text: dark on light, light on dark."""
COLOURS: Final = ("#2f7fc1", "#e0851b", "#2b9f6d", "#d0485a", "#8d70cc", "#15a0aa", "#b0799b", "#8a8f3c")
"""Readable on white and on black."""
ALARM: Final = "#d0485a"
LABEL: Final = "#e0a51b"
WIDTH_IN: Final = 4.2
"""Three quarters of a phone's width at the size of its text."""
_STYLE: Final = "<style>:root{color:#22262b}@media (prefers-color-scheme:dark){:root{color:#d7dbe0}}</style>"
_SETTINGS: Final[dict[Any, Any]] = {
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "grid.alpha": 0.15,
    "grid.color": INK,
    "grid.linewidth": 0.6,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.3,
    "svg.hashsalt": "wattline",
    "text.color": INK,
    "xtick.color": INK,
    "xtick.labelsize": 8,
    "ytick.color": INK,
    "ytick.labelsize": 8,
}


class Sheet:
    """A picture that is being drawn, and then its data URI."""

    def __init__(self) -> None:
        """Start empty; see `sheet`."""
        self.uri = ""
        self._figure: Figure | None = None

    def axes(self, height_in: float, heights: Sequence[int] = (1,)) -> "list[Axes]":
        """Axes below each other, of these heights against each other."""
        from matplotlib.figure import Figure

        self._figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
        axes = self._figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)
        return [row[0] for row in axes]

    def finish(self) -> None:
        """Turn the figure into its data URI."""
        if self._figure is None:
            return
        text = io.StringIO()
        self._figure.savefig(text, format="svg", metadata={"Date": None})
        svg = text.getvalue()
        svg = svg[svg.index("<svg") :].replace(INK, "currentColor").replace(">", f">{_STYLE}", 1)
        self.uri = "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode("ascii")


@contextmanager
def sheet() -> Iterator[Sheet]:
    """A sheet to draw on; its `uri` is there when the block ends. Touches no global state of matplotlib."""
    import matplotlib as mpl

    drawn = Sheet()
    with mpl.rc_context(_SETTINGS):
        yield drawn
        drawn.finish()
