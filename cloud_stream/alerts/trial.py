"""Rules tried on what the store holds: the past once more, minute by minute, through a judge of its own."""

from collections.abc import Iterator, Sequence
from typing import Final

from cloud_stream.alerts.condition import Feed, Surroundings
from cloud_stream.alerts.judge import AlertJudge, Decision
from cloud_stream.alerts.rule import Rule
from cloud_stream.alerts.watch import watches_of
from cloud_stream.measurements import FORECAST, USAGE
from cloud_stream.ports import Store
from cloud_stream.records import Point
from wattline.config import parse_duration

STEP_MS: Final = 60_000
SLICE_MS: Final = 6 * 3_600_000
"""So much is read at once: a day of 5-minute rows of 1,000 meters would be 288,000 points."""
_LATE_MS: Final = 2_000
"""How long the flow takes to say what it knows, about."""


def feeds_of(rules: Sequence[Rule]) -> list[Feed]:
    """What rules look at."""
    watches = watches_of(rules, Surroundings(0, lambda _: "UTC"), 0)
    conditions = [one.condition for watch in watches for one in watch.variants if one.condition is not None]
    return sorted({feed for condition in conditions for feed in condition.feeds})


def replay(judge: AlertJudge, store: Store, feeds: Sequence[Feed], start_ms: int, end_ms: int) -> Iterator[Decision]:
    """What a judge would have said.

    Args:
        judge: A new one.
        store: Where the facts are read.
        feeds: Which facts.
        start_ms: From when, ms UTC.
        end_ms: Until when.

    Yields:
        Alerts and notices, in the order in which they would have come.

    Raises:
        StoreUnavailableError: The store does not answer.
    """
    waiting: list[tuple[int, Point]] = []
    now_ms = start_ms
    for slice_ms in range(start_ms, end_ms, SLICE_MS):
        until_ms = min(slice_ms + SLICE_MS, end_ms)
        waiting += [(known_ms(one), one) for feed in feeds for one in _read(store, feed, slice_ms, until_ms)]
        waiting.sort(key=lambda entry: entry[0])
        while now_ms < until_ms:
            now_ms += STEP_MS
            count = next((place for place, (at_ms, _) in enumerate(waiting) if at_ms > now_ms), len(waiting))
            yield from judge.judge([point for _, point in waiting[:count]], now_ms)
            del waiting[:count]


def known_ms(point: Point) -> int:
    """When a fact was known: of a window, when it ended."""
    if point.measurement == USAGE:
        return point.t_ms + _length_ms(point.tags.get("window", "")) + _LATE_MS
    if point.measurement == FORECAST:
        return int(point.fields.get("issued_at", point.t_ms)) + _LATE_MS
    return point.t_ms + _LATE_MS


def _length_ms(window: str) -> int:
    try:
        return parse_duration(window)
    except ValueError:
        return 0


def _read(store: Store, feed: Feed, start_ms: int, end_ms: int) -> Sequence[Point]:
    measurement, *values = feed
    keys = {USAGE: ("level", "window"), FORECAST: ("level", "lead")}.get(measurement, ())
    return store.points(measurement, dict(zip(keys, values, strict=True)), start_ms, end_ms)
