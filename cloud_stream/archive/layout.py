"""Which file of the archive a reading is in.

```
date=2026-11-02/hour-07.parquet        while the day goes on, and a while after it
date=2026-11-02/hour-07-35.parquet     or a file a minute, where an hour would be very large
date=2026-11-02/day.parquet            once it is compacted; older days from the beginning
date=2026-11-02/<name>.parquet.new     a compaction's result before it is in force
date=2026-11-02/compaction.json        which one, and the files that it takes the place of
```

At any time exactly one file of a day is the place of a reading, told by the
reading's time and by which files there are: so a reading cannot be in two.
"""

import re
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Final

from cloud_stream.archive.rows import DAY_MS

SUFFIX: Final = ".parquet"
WHOLE_DAY: Final = f"day{SUFFIX}"
NEW: Final = ".new"
PLAN: Final = "compaction.json"
_PART: Final = re.compile(r"hour-([0-9]{2})(-[0-9]{2})?\.parquet")
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


def parts_of(names: Collection[str]) -> list[str]:
    """The files of hours and minutes among a day's files, in order."""
    return sorted(name for name in names if _PART.fullmatch(name))


def minutes_of(names: Collection[str]) -> dict[str, list[str]]:
    """The files of minutes, by the file of the hour that they would be."""
    found: dict[str, list[str]] = {}
    for name in parts_of(names):
        part = _PART.fullmatch(name)
        if part is not None and part[2]:
            found.setdefault(_hour(int(part[1])), []).append(name)
    return found


def place_of(minute: int, names: Collection[str], *, closed: bool, dense: bool) -> str:
    """The file that readings of a minute belong to.

    Args:
        minute: Of the day, 0 to 1439.
        names: The files that the day has, its last compaction done.
        closed: See `is_closed`.
        dense: Whether an hour with readings like these would be very large.
    """
    whole = _hour(minute // 60)
    if WHOLE_DAY in names or (closed and not parts_of(names)):
        return WHOLE_DAY
    if whole in names or not (dense or whole in minutes_of(names)):
        return whole
    return f"hour-{minute // 60:02d}-{minute % 60:02d}{SUFFIX}"


def _hour(hour: int) -> str:
    return f"hour-{hour:02d}{SUFFIX}"
