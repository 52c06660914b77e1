"""Findings as points of the store, and back."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, Final

from cloud_stream.correlation.drivers import DRIVERS, Finding
from cloud_stream.correlation.history import DAY_MS
from cloud_stream.ports import Store
from cloud_stream.records import Point

MEASUREMENT: Final = "correlation"
SITE: Final = "site"
METER: Final = "meter"
KEPT_MS: Final = 8 * DAY_MS
"""Older findings are not used any more: the daily job has missed a week."""
_WHOLE: Final = frozenset({"n", "peak_hour"})


def correlation_points(site: str, meter: str, day_ms: int, found: Iterable[Finding]) -> list[Point]:
    """The points of one series' findings.

    Args:
        site: The site.
        meter: One of its meters; "" for the site itself.
        day_ms: Start of the last local day that was looked at.
        found: What was found.
    """
    level = METER if meter else SITE
    return [
        Point(
            MEASUREMENT,
            {"level": level, "site": site, "meter": meter, "driver": finding.driver},
            day_ms,
            {
                field.name: value
                for field in fields(Finding)
                if field.name != "driver" and (value := getattr(finding, field.name)) is not None
            },
        )
        for finding in found
    ]


def finding_of(point: Point) -> Finding:
    """The finding of a stored point; what it does not have is None."""
    known: dict[str, Any] = {
        name: int(value) if name in _WHOLE and isinstance(value, float) else value
        for name, value in point.fields.items()
        if name in _NAMES
    }
    return Finding(driver=point.tags["driver"], note=str(known.pop("note", "")), **known)


_NAMES: Final = frozenset(field.name for field in fields(Finding)) - {"driver"}


def newest_correlations(store: Store, site: str, now_ms: int, meter: str = "") -> Mapping[str, Finding]:
    """The newest findings of a site, or of one of its meters, by driver; nothing older than a week and a day.

    Raises:
        StoreUnavailableError: It does not answer now.
    """
    tags = {"level": METER if meter else SITE, "site": site} | ({"meter": meter} if meter else {})
    points = store.points(MEASUREMENT, tags, now_ms - KEPT_MS, now_ms)
    return {point.tags["driver"]: finding_of(point) for point in points if point.tags["driver"] in DRIVERS}
