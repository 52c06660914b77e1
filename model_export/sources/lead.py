"""Buildings in the layout of ASHRAE's Great Energy Predictor III and of LEAD, its labelled part; hourly kWh.

Any number of files, plain or gzipped, in any order of columns: `building_id`,
`timestamp`, `meter_reading`, and where they are known `anomaly` (0 or 1) and
`meter` (0 to 3: one series each). Beside them may lie the buildings' metadata
(`building_id, site_id, primary_use, square_feet`) and the weather (`site_id,
timestamp, air_temperature`). Clock: local to the site, taken as UTC.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl

from model_export.dataset import Building
from model_export.errors import DataError
from model_export.sources.columns import flags, numbers, times
from model_export.sources.files import batches, columns_of, csv_files, table_files

QUANTITY: Final = "energy_kwh"
STEP_MS: Final = 3_600_000
EXPECTED: Final = "columns building_id, timestamp, meter_reading, and anomaly where there are labels"
METERS: Final = ("", "-chilled_water", "-steam", "-hot_water")
"""Endings of a series' name by `meter`; electricity is called as its building."""
_NEEDED: Final = frozenset({"building_id", "timestamp", "meter_reading"})
_SQUARE_FOOT_M2: Final = 0.09290304


class LeadFile(NamedTuple):
    """A file and its columns, by the layout's own names."""

    file: Path
    columns: dict[str, str]


def lead_files(path: Path) -> tuple[list[LeadFile], list[str]]:
    """The files at `path` with readings, and the names of those of another layout; metadata and weather are neither.

    Raises:
        DataError: None has readings.
    """
    found, others, beside = [], [], 0
    for file in table_files(path):
        columns = _columns(file)
        if columns.keys() >= _NEEDED:
            found.append(LeadFile(file, columns))
        elif path.is_dir() and _is_side_file(columns):
            beside += 1
        else:
            others.append(file.name)
    if not found:
        where = path / others[0] if path.is_dir() and others else path
        raise DataError(f"{where}: holds no readings; expected {EXPECTED}")
    return found, others


def lead_rows(files: Sequence[LeadFile]) -> Iterator[pl.DataFrame]:
    """Raw rows of all files, in their order; `label` is null in files without labels, absent when all are such.

    Raises:
        DataError: A file cannot be read.
    """
    labelled = any("anomaly" in columns for _, columns in files)
    for file, columns in files:
        chosen = {name: columns[name] for name in (*sorted(_NEEDED), "anomaly", "meter") if name in columns}
        for rows in batches(file, list(chosen.values())):
            table = {
                "meter": _names(rows, chosen),
                "t": times(rows[chosen["timestamp"]]),
                "v": numbers(rows[chosen["meter_reading"]]),
            }
            if labelled:
                label = flags(rows[chosen["anomaly"]], file) if "anomaly" in chosen else None
                table["label"] = (
                    label if label is not None else pl.repeat(None, len(rows), dtype=pl.Boolean, eager=True)
                )
            yield pl.DataFrame(table)


def buildings_beside(path: Path) -> dict[str, Building]:
    """What the metadata beside the readings tell, by building; nothing where there are none.

    Raises:
        DataError: They cannot be read.
    """
    found: dict[str, Building] = {}
    for file in sorted(csv_files(path if path.is_dir() else path.parent)):
        columns = _columns(file)
        if not _is_metadata(columns):
            continue
        names = [name for name in ("building_id", "site_id", "primary_use", "square_feet") if name in columns]
        for rows in batches(file, [columns[name] for name in names]):
            for row in rows.rename({columns[name]: name for name in names}).iter_rows(named=True):
                found[(row["building_id"] or "").strip()] = _building(row)
    return found


def _building(row: dict[str, str | None]) -> Building:
    try:
        floor_m2 = float(row.get("square_feet") or "nan") * _SQUARE_FOOT_M2
    except ValueError:
        floor_m2 = float("nan")
    return Building((row.get("site_id") or "").strip(), (row.get("primary_use") or "").strip(), floor_m2)


def building_of(series: str) -> str:
    """The building that a series is of."""
    ending = next((one for one in METERS if one and series.endswith(one)), "")
    return series.removesuffix(ending)


def _names(rows: pl.DataFrame, columns: dict[str, str]) -> pl.Series:
    building = rows[columns["building_id"]].str.strip_chars().str.strip_suffix(".0").fill_null("")
    if "meter" not in columns:
        return building
    endings = {str(i): ending for i, ending in enumerate(METERS)}
    number = rows[columns["meter"]].str.strip_chars().fill_null("0")
    known = number.replace_strict(endings, default=pl.concat_str(pl.lit("-"), number), return_dtype=pl.String)
    return building + known


def _columns(file: Path) -> dict[str, str]:
    return {name.strip().lower(): name for name in columns_of(file)}


def _is_metadata(columns: dict[str, str]) -> bool:
    return "building_id" in columns and "timestamp" not in columns and bool({"primary_use", "site_id"} & columns.keys())


def _is_side_file(columns: dict[str, str]) -> bool:
    return _is_metadata(columns) or "air_temperature" in columns
