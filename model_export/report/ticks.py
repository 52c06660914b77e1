"""Where a time axis has its marks, and what they say: few enough for a phone."""

from datetime import UTC, datetime, timedelta
from typing import Final

MOST: Final = 5
_STEPS: Final = (
    timedelta(minutes=15), timedelta(hours=1), timedelta(hours=3), timedelta(hours=6), timedelta(hours=12),
    timedelta(days=1), timedelta(days=2), timedelta(days=3), timedelta(days=4), timedelta(days=7), timedelta(days=14),
)  # fmt: skip
_MONTHS: Final = (1, 2, 3, 6, 12, 24, 60)
_ZERO: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY: Final = timedelta(days=1)


def ticks(begin_ms: int, end_ms: int) -> list[tuple[int, str]]:
    """Marks within [begin, end], ms UTC: at most about `MOST`, at round times."""
    begin, end = _ZERO + timedelta(milliseconds=begin_ms), _ZERO + timedelta(milliseconds=end_ms)
    step = next((step for step in _STEPS if (end - begin) / step <= MOST), None)
    marks = _months(begin, end) if step is None else _even(begin, end, step)
    return [(round((moment - _ZERO).total_seconds() * 1000), words) for moment, words in marks]


def _even(begin: datetime, end: datetime, step: timedelta) -> list[tuple[datetime, str]]:
    first = _ZERO - (_ZERO - begin) // step * step
    marks = [first + i * step for i in range(MOST + 1) if first + i * step <= end]
    return [(mark, _words(mark, step)) for mark in marks]


def _words(mark: datetime, step: timedelta) -> str:
    day = f"{mark.day} {mark:%b}"
    return day if step >= _DAY or (mark.hour, mark.minute) == (0, 0) else f"{mark:%H:%M}"


def _months(begin: datetime, end: datetime) -> list[tuple[datetime, str]]:
    first, last = begin.year * 12 + begin.month, end.year * 12 + end.month - 1
    step = next((step for step in _MONTHS if (last - first) / step < MOST), _MONTHS[-1])
    starts = [
        datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)
        for month in range(-(-first // step) * step, last + 1, step)
    ]
    return [(start, f"{start:%Y}" if start.month == 1 else f"{start:%b}") for start in starts]
