"""Findings as points of the store."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Final

from cloud_stream.correlation.drivers import Finding
from cloud_stream.records import Point

MEASUREMENT: Final = "correlation"
SITE: Final = "site"
METER: Final = "meter"


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
