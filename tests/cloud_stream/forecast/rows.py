"""Usage rows as the windows emit them."""

from cloud_stream.records import ClosedUsage, Point

MINUTE_MS = 60_000
HALF_HOUR_MS = 30 * MINUTE_MS
DAY_MS = 48 * HALF_HOUR_MS


def usage(level: str, site: str, meter: str, start_ms: int, *, window: str = "30m", **fields: float) -> Point:
    """One row of `usage`."""
    tags = {"level": level, "site": site, "meter": meter, "window": window}
    return Point("usage", tags, start_ms, fields)


def meter_row(start_ms: int, energy_kwh: float, meter: str = "main", site: str = "home") -> Point:
    """One meter's half hour."""
    return usage("meter", site, meter, start_ms, energy_kwh=energy_kwh)


def told(closed: list[ClosedUsage]) -> dict[tuple[str, str, str, int], float]:
    """Energy by level, site, meter and start."""
    found: dict[tuple[str, str, str, int], float] = {}
    for one in closed:
        keys = zip(one.level, one.site, one.meter, one.start_ms.tolist(), strict=True)
        found |= dict(zip(keys, one.energy_kwh.tolist(), strict=True))
    return found
