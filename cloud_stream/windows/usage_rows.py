"""Usage rows as the store keeps them, made and read back."""

from cloud_stream.measurements import width_label
from cloud_stream.ports import Store
from cloud_stream.records import Point
from cloud_stream.windows.rollup import Fields


def usage_point(level: str, site: str, meter: str, width_ms: int, start_ms: int, fields: Fields) -> Point:
    """One row of `usage`."""
    tags = {
        "level": level,
        "site": site,
        "meter": meter,
        "window": width_label(width_ms),
    }
    return Point("usage", tags, start_ms, fields)


def stored_rows(
    store: Store, tags: dict[str, str], width_ms: int, low_ms: int, high_ms: int
) -> list[tuple[Point, dict[str, float]]]:
    """Stored rows with starts in [low, high], and their numeric fields.

    Raises:
        StoreUnavailableError: The store does not answer now.
    """
    asked = tags | {"window": width_label(width_ms)}
    return [
        (point, {k: float(v) for k, v in point.fields.items() if not isinstance(v, str)})
        for point in store.points("usage", asked, low_ms, high_ms + 1)
    ]
