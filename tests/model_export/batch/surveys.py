"""Small files to run over."""

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

HEADER: Final = "LCLid,stdorToU,DateTime,KWH/hh (per half hour) "
HALF_HOUR_S: Final = 1800
DAY_SLOTS: Final = 48
FIRST_DAY: Final = 15_700
"""2012-12-26."""

Rows = Iterable[str]


def row(home: str, slot: int, kwh: str) -> str:
    """One line; the slot counts half hours since 1970."""
    moment = datetime.fromtimestamp(slot * HALF_HOUR_S, UTC)
    return f"{home},Std,{moment:%Y-%m-%d %H:%M:%S}.0000000,{kwh}"


def day_rows(home: str, day: int, kwh: float = 0.5) -> list[str]:
    """A whole day of the same use in every half hour."""
    return [row(home, day * DAY_SLOTS + slot, f" {kwh:.3f} ") for slot in range(DAY_SLOTS)]


def living(home: str, days: int, size: float = 1.0) -> list[str]:
    """Days that differ by weekday, and by a slow swing."""
    uses = (size * (1 + 0.3 * (day % 7) + 0.5 * math.sin(day / 11)) / DAY_SLOTS for day in range(days))
    return [line for day, kwh in enumerate(uses) for line in day_rows(home, FIRST_DAY + day, kwh)]


def survey(folder: Path, *files: Rows, header: str = HEADER) -> Path:
    """Write one file for each of the lists of lines, numbered from 0."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, lines in enumerate(files):
        (folder / f"LCL-June2015v2_{number}.csv").write_text("".join(f"{line}\r\n" for line in (header, *lines)))
    return folder
