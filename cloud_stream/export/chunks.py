"""Rows in the order of time, in bounded memory: span by span, each as long as its rows allow."""

from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Any, Final

from cloud_stream.export.selection import Selection
from cloud_stream.measurements import MEASUREMENTS
from cloud_stream.ports import Tables

Rows = list[Sequence[Any]]
"""Tags, t_ms and fields of each."""
FIRST_SPAN_MS: Final = 10_000
LONGEST_SPAN_MS: Final = 60 * 86_400_000
ENOUGH_ROWS: Final = 25_000
"""A span with fewer rows is followed by a longer one."""
MOST_ROWS: Final = 100_000
"""A span with more rows is read again in parts, unless it is a single millisecond."""
_FACTOR: Final = 4


def chunks(store: Tables, wanted: Selection, reached: Callable[[int], None] = lambda _: None) -> Iterator[Rows]:
    """All rows of a selection by time, those of one time in the store's own order.

    Args:
        store: Read span by span.
        wanted: The selection.
        reached: Told after each span, before its rows come, up to which time all is read.

    Raises:
        StoreUnavailableError: The store does not answer.
    """
    start_ms, span_ms = wanted.start_ms, FIRST_SPAN_MS
    while start_ms < wanted.end_ms:
        end_ms = min(start_ms + span_ms, wanted.end_ms)
        most = MOST_ROWS if end_ms - start_ms > 1 else None
        rows = _rows(store, wanted, start_ms, end_ms, most)
        if rows is None:
            # Behind a gap spans are long: the first length again costs less than to come down step by step.
            span_ms = max(1, min((end_ms - start_ms) // _FACTOR, FIRST_SPAN_MS))
            continue
        reached(end_ms)
        if rows:
            yield rows
        if len(rows) < ENOUGH_ROWS:
            span_ms = min(span_ms * _FACTOR, LONGEST_SPAN_MS)
        start_ms = end_ms


def _rows(store: Tables, wanted: Selection, start_ms: int, end_ms: int, most: int | None) -> Rows | None:
    """The rows of a span; None if they are more than `most`."""
    rows: Rows = []
    for table in store.table(wanted.measurement, wanted.tags, wanted.fields, start_ms, end_ms):
        rows += table.rows
        if most is not None and len(rows) > most:
            return None
    rows.sort(key=itemgetter(len(MEASUREMENTS[wanted.measurement].tags)))
    return rows
