"""One self-contained page about a segmentation: the picture, the segments, every meter."""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from string import Template
from typing import Final

import numpy as np

from model_export.segments.contract import OTHER, OTHER_NAME, Segments
from model_export.segments.profiles import week_mean
from model_export.segments.segmentation import Membership, Profiles
from wattline.intervals import Floats

_MOST_ROWS: Final = 2000
"""Of meters; `segments.csv` has them all."""
_REASONS: Final = {
    "no_values": "no value at all",
    "too_few_days": "less than 14 full days, or hardly any weekend",
    "constant": "always the same value",
    "not_positive": "more given back than taken",
}
_PAGE: Final = Template(
    """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Household segments</title>
<style>
body { font: 15px/1.45 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
img { max-width: 100%; } table { border-collapse: collapse; margin: .6rem 0 1.4rem; }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid #ddd; vertical-align: top; }
td.n, th.n { text-align: right; } code { background: #f3f3f3; padding: 0 .2em; } small { color: #666; }
</style></head><body>
<h1>Household segments</h1>
<p>$summary</p>
<img alt="Daily profiles of the segments" src="data:image/png;base64,$picture">
<h2>Segments</h2>$segments
<p><small>Distance is the root mean square difference from the segment's centre, in units of the meter's own mean.
Beyond $reach a meter is <code>other</code>.</small></p>
<h2>How many segments</h2>$silhouette
<p><small>Mean silhouette: near 1 the segments lie apart, near 0 they touch. $chosen</small></p>
<h2>Left out</h2>$excluded
<h2>Meters</h2><details><summary>$count</summary>$meters</details>
<p><small>Created $created. Intervals of $minutes min, days of $zone, seed $seed, data $digest.</small></p>
</body></html>
"""
)


def segments_page(segments: Segments, profiles: Profiles, placed: Sequence[Membership], picture: bytes) -> str:
    """The page as HTML.

    Args:
        segments: What was found.
        profiles: What it was found in.
        placed: A membership per profile, in their order.
        picture: A PNG of them.
    """
    beside = f"; {segments.other} are unlike the others" if segments.other else ""
    return _PAGE.substitute(
        summary=f"{segments.meters} meters in {segments.k} segments by when they use what they use{beside}.",
        picture=b64encode(picture).decode(),
        segments=_segment_table(segments, placed),
        reach=f"{segments.reach:.2f}",
        silhouette=_table(("segments", "silhouette"), [(k, f"{v:.3f}") for k, v in segments.silhouette.items()]),
        chosen="The highest was taken." if segments.chosen_by == "silhouette" else "The number was given.",
        excluded=_excluded_table(profiles),
        count=f"{min(len(placed), _MOST_ROWS)} of {len(placed)} meters",
        meters=_meter_table(placed),
        created=escape(segments.created),
        minutes=f"{segments.interval_ms / 60_000:g}",
        zone=escape(segments.time_zone),
        seed=segments.seed,
        digest=segments.data_sha256[:12],
    )


def _segment_table(segments: Segments, placed: Sequence[Membership]) -> str:
    rows = []
    for one, shape in zip(segments.segments, segments.shapes, strict=True):
        highest, when = _peak(shape)
        mean = f"{np.mean([some.distance for some in placed if some.segment == one.id] or [0.0]):.2f}"
        rows.append((one.name, one.id, str(one.meters), f"{one.share:.1%}", f"{highest:.1f} x mean at {when}", mean))
    if segments.other:
        rows.append((OTHER_NAME, OTHER, str(segments.other), f"{segments.other / segments.meters:.1%}", "", ""))
    return _table(("name", "tag", "meters", "share", "peak of the mean day", "mean distance"), rows)


def _peak(shape: Floats) -> tuple[float, str]:
    day = week_mean(shape)
    minutes = int(day.argmax()) * 1440 // len(day)
    return float(day.max()), f"{minutes // 60:02d}:{minutes % 60:02d}"


def _excluded_table(profiles: Profiles) -> str:
    if not profiles.excluded:
        return "<p>None.</p>"
    rows = [
        (_REASONS.get(reason, reason.replace("_", " ")), reason, str(count))
        for reason, count in profiles.reasons().items()
    ]
    return _table(("why", "reason", "meters"), rows)


def _meter_table(placed: Sequence[Membership]) -> str:
    shown = sorted(placed, key=lambda one: (one.segment == OTHER, one.segment, one.distance))[:_MOST_ROWS]
    rows = [(one.meter, one.name, f"{one.distance:.3f}", str(one.days)) for one in shown]
    return _table(("meter", "segment", "distance", "full days"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    cells = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{names}</tr>{cells}</table>"
