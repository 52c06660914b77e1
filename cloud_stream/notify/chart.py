"""The small picture in a message: the last 24 hours of what it is about, with the limit as a line."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from cloud_stream.measurements import USAGE
from cloud_stream.notify.messages import name_text, unit_of
from cloud_stream.ports import Store
from cloud_stream.records import Notice, Point

SPAN_MS: Final = 86_400_000
WINDOW: Final = "5m"
_WIDTH_INCHES: Final = 6.4
_HEIGHT_INCHES: Final = 2.6
_DPI: Final = 100
_LINE: Final = "#1f5fa8"
_LIMIT: Final = "#b3261e"


@dataclass(frozen=True, slots=True)
class Curve:
    """What a chart shows; times ascending, ms UTC.

    Attributes:
        peaks: The largest values of the windows; empty where there are none.
    """

    title: str
    unit: str
    t_ms: tuple[int, ...]
    values: tuple[float, ...]
    peaks: tuple[float, ...]
    limit: float | None


def read_curve(store: Store, notice: Notice, end_ms: int) -> Curve | None:
    """The usage that a notice is about, of the 24 hours before a time; None where there is none.

    Raises:
        StoreUnavailableError: The store does not answer now.
    """
    if not notice.quantity:
        return None
    level = notice.level if notice.level in ("meter", "site", "fleet") else "site"
    tags = {"level": level, "site": notice.site, "meter": notice.meter, "window": notice.window or WINDOW}
    return curve_of(notice, store.points(USAGE, tags, end_ms - SPAN_MS, end_ms))


def curve_of(notice: Notice, points: Sequence[Point]) -> Curve | None:
    """The curve in `usage` points; None when fewer than two of them know the quantity."""
    name = next((name for name in _names(notice.quantity) if any(name in point.fields for point in points)), "")
    known = [point for point in points if isinstance(point.fields.get(name), int | float)]
    if len(known) < 2:  # noqa: PLR2004 (one point is no curve)
        return None
    peak = name.removesuffix("_mean") + "_max"
    has_peaks = name.endswith("_mean") and all(peak in point.fields for point in known)
    place = "/".join(part for part in (notice.site, notice.meter) if part) or "all sites"
    return Curve(
        title=f"{place}: {name_text(notice.quantity)}, last 24 hours",
        unit=unit_of(notice.quantity),
        t_ms=tuple(point.t_ms for point in known),
        values=tuple(float(point.fields[name]) for point in known),
        peaks=tuple(float(point.fields[peak]) for point in known) if has_peaks else (),
        limit=notice.limit,
    )


def draw(curve: Curve, zone: ZoneInfo) -> bytes:
    """The curve as a PNG, times in a site's zone."""
    # Loaded where it is used: it takes half a second, and most processes never draw.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH_INCHES, _HEIGHT_INCHES), dpi=_DPI, layout="constrained")
    axes = figure.add_subplot()
    times = [datetime.fromtimestamp(t_ms / 1000, zone) for t_ms in curve.t_ms]
    axes.plot(times, curve.values, color=_LINE, linewidth=1.4)  # type: ignore[arg-type]  # its stubs know no datetime
    if curve.peaks:
        axes.fill_between(times, curve.values, curve.peaks, color=_LINE, alpha=0.25, linewidth=0)  # type: ignore[arg-type]  # as above
    if curve.limit is not None:
        axes.axhline(curve.limit, color=_LIMIT, linewidth=1.2, linestyle="--")
        axes.annotate("limit", (0, curve.limit), xycoords=("axes fraction", "data"), xytext=(4, 3),
                      textcoords="offset points", ha="left", color=_LIMIT, fontsize=8)  # fmt: skip
    locator = AutoDateLocator(tz=zone, maxticks=7)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=zone, show_offset=False))  # type: ignore[no-untyped-call]
    # A "$" in a name is a name, not mathematics.
    axes.set_title(curve.title, fontsize=9, loc="left", parse_math=False)
    axes.set_ylabel(curve.unit, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.grid(visible=True, alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    picture = io.BytesIO()
    FigureCanvasAgg(figure).print_png(picture)  # type: ignore[no-untyped-call]
    return picture.getvalue()


def _names(quantity: str) -> tuple[str, ...]:
    stem = next((quantity.removesuffix(end) for end in ("_max", "_last", "_min") if quantity.endswith(end)), quantity)
    return (quantity, f"{quantity}_mean", f"{stem}_mean", f"{quantity}_max", f"{quantity}_last")
