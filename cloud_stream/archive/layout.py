"""Which file of the archive a reading is in.

```
date=2026-11-02/hour-07.parquet        while the day goes on, and a while after it
date=2026-11-02/day.parquet            once it is compacted; older days from the beginning
date=2026-11-02/day.parquet.new        a compaction's result before it is in force
date=2026-11-02/compaction.json        the hours that it takes the place of
```

At any time exactly one file of a day is the place of a reading, told by the
reading's time and by which files there are: so a reading cannot be in two.
"""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Final

from cloud_stream.archive.rows import DAY_MS

SUFFIX: Final = ".parquet"
WHOLE_DAY: Final = f"day{SUFFIX}"
NEW_DAY: Final = f"{WHOLE_DAY}.new"
PLAN: Final = "compaction.json"
_HOUR: Final = "hour-"
GRACE_MS: Final = DAY_MS
"""A day is closed so long after its end: most of what comes late has come by then."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def day_name(day: int) -> str:
    """The date of a day since 1970."""
    return datetime.fromtimestamp(day * DAY_MS // 1000, UTC).strftime("%Y-%m-%d")


def day_number(name: str) -> int | None:
    """The day that a date names; None when it is no date."""
    try:
        return (datetime.strptime(name, "%Y-%m-%d").replace(tzinfo=UTC) - _EPOCH).days
    except ValueError:
        return None


def is_closed(day: int, now_ms: int) -> bool:
    """Whether a day is over, and the time for most of what comes late."""
    return (day + 1) * DAY_MS + GRACE_MS <= now_ms


def hours_of(names: Collection[str]) -> list[str]:
    """The files of single hours among a day's files."""
    return sorted(name for name in names if name.startswith(_HOUR) and name.endswith(SUFFIX))


def place_of(hour: int, names: Collection[str], *, closed: bool) -> str:
    """The file that readings of an hour belong to.

    Args:
        hour: 0 to 23.
        names: The files that the day has, its last compaction done.
        closed: See `is_closed`.
    """
    if WHOLE_DAY in names or (closed and not hours_of(names)):
        return WHOLE_DAY
    return f"{_HOUR}{hour:02d}{SUFFIX}"
