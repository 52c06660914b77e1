"""The homes of the Low Carbon London project, half-hourly kWh.

Two layouts, told apart by their first line: a file per home (or block of
homes) with `LCLid,tstp,energy(kWh/hh)`, and the original 168 files (or one of
8 GB) with `LCLid,stdorToU,DateTime,KWH/hh (per half hour) `, in which a home
goes on from one file to the next. Clock: no daylight saving, taken as UTC.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl

from model_export.errors import DataError
from model_export.sources.columns import numbers, times
from model_export.sources.files import batches, columns_of, table_files

QUANTITY: Final = "energy_kwh"
STEP_MS: Final = 1_800_000
EXPECTED: Final = "`LCLid,tstp,energy(kWh/hh)` or `LCLid,stdorToU,DateTime,KWH/hh (per half hour)`"
_TIMES: Final = ("tstp", "datetime")
_VALUES: Final = ("energy(kwh/hh)", "kwh/hh (per half hour)")


class LondonFile(NamedTuple):
    """A file and its columns, by what they hold."""

    file: Path
    meter: str
    time: str
    value: str


def london_files(path: Path) -> tuple[list[LondonFile], list[str]]:
    """The files at `path`, or in its folder `homes`, and the names of those of another layout.

    Raises:
        DataError: None has one of the layouts.
    """
    folder = path / "homes" if (path / "homes").is_dir() else path
    found, others = [], []
    for file in table_files(folder):
        columns = {name.strip().lower(): name for name in columns_of(file)}
        time = next((columns[name] for name in _TIMES if name in columns), "")
        value = next((columns[name] for name in _VALUES if name in columns), "")
        if time and value and "lclid" in columns:
            found.append(LondonFile(file, columns["lclid"], time, value))
        else:
            others.append(file.name)
    if not found:
        raise DataError(f"{folder / others[0] if path.is_dir() else path}: not a London file; expected {EXPECTED}")
    return found, others


def london_rows(files: Sequence[LondonFile]) -> Iterator[pl.DataFrame]:
    """Raw rows of all files, in their order.

    Raises:
        DataError: A file cannot be read.
    """
    for file, meter, time, value in files:
        for rows in batches(file, [meter, time, value]):
            yield pl.DataFrame(
                {
                    "meter": rows[meter].str.strip_chars().fill_null(""),
                    "t": times(rows[time]),
                    "v": numbers(rows[value]),
                }
            )
