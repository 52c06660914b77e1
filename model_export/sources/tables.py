"""Series from CSV files, plain or gzipped: one row per sample, any number of meters.

A column named after a quantity (`power_w`, `energy_kwh`) holds that quantity;
a column that speaks of kWh holds amounts. Rows that cannot be used are
counted, not fatal.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from model_export.dataset import MeterSeries
from model_export.errors import DataError
from wattline.errors import DecodeError
from wattline.intervals import HOUR_MS, Floats, Integers, Intervals, aggregate, from_amounts
from wattline.quantities import Kind, quantity

_log: Final = logging.getLogger("model_export.sources")
_TIME_NAMES: Final = ("t_ms", "t", "time", "timestamp", "tstp", "datetime", "date")
_METER_NAMES: Final = ("meter", "lclid", "building_id", "meter_id")
_MISSING: Final = ["", "Null", "NULL", "null", "NaN", "nan"]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a file keeps what.

    Attributes:
        time: Column of times: ISO text, or integer milliseconds; naive times are UTC.
        value: Column of values.
        quantity: What the values are.
        meter: Column of meter ids; "" where the file is of one meter.
    """

    time: str
    value: str
    quantity: str
    meter: str = ""


def table_files(path: Path) -> list[Path]:
    """The CSV files at `path`: itself, or those in the folder.

    Raises:
        DataError: There is none.
    """
    files = [path] if path.is_file() else sorted(p for p in path.glob("*") if p.name.endswith((".csv", ".csv.gz")))
    if not files:
        raise DataError(f"{path}: holds no .csv or .csv.gz file")
    return files


def table_series(files: Sequence[Path], interval_ms: int, value: str = "", kind: str = "") -> Iterator[MeterSeries]:
    """Series of all meters in the files.

    Args:
        files: CSV files.
        interval_ms: Length of the intervals wanted.
        value: The column of values; "" to find it.
        kind: The quantity they are; "" to tell from the column's name.

    Raises:
        DataError: A file cannot be read, has another layout, or is coarser than the interval.
    """
    for file in files:
        frame = _read(file)
        layout = find_layout(frame.columns, value, kind, str(file))
        clean = _clean(frame, layout, file)
        groups = clean.group_by("meter", maintain_order=True) if layout.meter else [((file.name.split(".")[0],), clean)]
        for (meter,), rows in groups:
            yield MeterSeries(str(meter), _intervals(rows, layout.quantity, interval_ms, file))


def find_layout(columns: Sequence[str], value: str, kind: str, where: str) -> Layout:
    """Tell the columns of a file apart by their names.

    Raises:
        DataError: No column of times or values is found.
    """
    plain = {column.strip().lower(): column for column in columns}
    time = next((plain[name] for name in _TIME_NAMES if name in plain), "")
    meter = next((plain[name] for name in _METER_NAMES if name in plain), "")
    if not time:
        raise DataError(f"{where}: no column of times (one of {', '.join(_TIME_NAMES)}) among {', '.join(columns)}")
    named = {column: kind or _quantity_of(column) for column in columns if column not in {time, meter}}
    found = value or next((column for column, known in named.items() if known), "")
    if found not in named or not named[found]:
        raise DataError(f"{where}: no column of values; name it and its quantity, such as power_w or energy_kwh")
    return Layout(time, found, named[found], meter)


def _quantity_of(column: str) -> str:
    name = column.strip().lower()
    if "kwh" in name and not name.replace("_", "").isalnum():
        return "energy_kwh"
    try:
        return name if quantity(name).name != "t" and quantity(name).usage else ""
    except DecodeError:
        return "energy_kwh" if name in {"meter_reading", "energy"} else ""


def _read(file: Path) -> pl.DataFrame:
    try:
        return pl.read_csv(file, infer_schema=False, null_values=_MISSING)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{file}: {error}") from None


def _clean(frame: pl.DataFrame, layout: Layout, file: Path) -> pl.DataFrame:
    """Columns meter, t (ms), v: finite, distinct, sorted."""
    text = pl.col(layout.time).str.strip_chars()
    milliseconds = text.cast(pl.Int64, strict=False)
    moment = text.str.replace("T", " ").str.strip_suffix("Z").str.to_datetime(time_unit="ms", strict=False)
    clean = (
        frame.select(
            meter=pl.col(layout.meter) if layout.meter else pl.lit(""),
            t=pl.coalesce(milliseconds, moment.dt.epoch("ms")),
            v=pl.col(layout.value).str.strip_chars().cast(pl.Float64, strict=False),
        )
        .filter(pl.col("t").is_not_null() & pl.col("v").is_finite().fill_null(value=False))
        .unique(["meter", "t"], keep="last")
        .sort("meter", "t")
    )
    if len(clean) < len(frame):
        _log.warning("rows_left_out file=%s rows=%d of=%d", file, len(frame) - len(clean), len(frame))
    return clean


def _intervals(rows: pl.DataFrame, name: str, interval_ms: int, file: Path) -> Intervals:
    t_ms: Integers = rows["t"].to_numpy().astype(np.int64)
    values: Floats = rows["v"].to_numpy().astype(np.float64)
    kind = quantity(name).kind
    step_ms = int(np.median(np.diff(t_ms))) if len(t_ms) > 1 else interval_ms
    if kind is Kind.GAUGE:
        return aggregate(0, t_ms, values, interval_ms)
    if step_ms > interval_ms:
        raise DataError(f"{file}: a value every {step_ms / 60_000:g} min is too coarse for the interval asked for")
    if kind is Kind.COUNTER:
        whole = (np.diff(t_ms) == step_ms) & (np.diff(values) >= 0)
        t_ms, values = t_ms[:-1][whole], np.diff(values)[whole]
    if step_ms == interval_ms:
        return from_amounts(0, t_ms, values, interval_ms)
    longer = aggregate(0, t_ms, values * (HOUR_MS / step_ms), interval_ms)
    # A meter that sent such longer amounts would tell nothing of what happened within them.
    return replace(longer, low=longer.mean, high=longer.mean, spread=np.zeros(len(longer)))
