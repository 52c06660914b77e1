"""Series from CSV files of any layout: one row per sample and any number of meters, or one column per meter.

A column named after a quantity (`power_w`, `energy_kwh`) holds that quantity;
a column that speaks of kWh holds amounts. Columns `temperature_c` and
`occupancy` beside the values are kept beside the series.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import polars as pl

from model_export.cleaning import Rules
from model_export.dataset import MeterSeries
from model_export.errors import DataError
from model_export.sources.columns import numbers, times
from model_export.sources.files import batches, columns_of, stem, table_files
from model_export.sources.reading import Labelling, Ledger, nothing_left, read_series
from wattline.errors import DecodeError
from wattline.quantities import quantity

__all__ = ["EVERY_COLUMN", "Layout", "Names", "find_layout", "table_files", "table_rows", "table_series", "tables"]

EVERY_COLUMN: Final = "*"
"""As the column of values: each column but that of times is a meter of its own."""
_TIME_NAMES: Final = ("t_ms", "t", "time", "timestamp", "tstp", "datetime", "date", "reading_datetime", "")
_METER_NAMES: Final = ("meter", "lclid", "building_id", "meter_id", "meterid", "customer_id")
_TEMPERATURES: Final = ("temperature_c", "air_temperature", "temperature")


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a file keeps what.

    Attributes:
        time: Column of times: ISO text, or integer milliseconds; naive times are UTC.
        value: Column of values; `EVERY_COLUMN` for a column per meter.
        quantity: What the values are.
        meter: Column of meter ids; "" where the file is of one meter.
        temperature: Column of outdoor temperatures in degrees Celsius; "" for none.
        occupancy: Column of people present; "" for none.
    """

    time: str
    value: str
    quantity: str
    meter: str = ""
    temperature: str = ""
    occupancy: str = ""


@dataclass(frozen=True, slots=True)
class Names:
    """What the caller knows of the columns; "" for what is to be found.

    Attributes:
        value: The column of values, or `EVERY_COLUMN`.
        quantity: What they are.
        time: The column of times.
        meter: The column of meter ids.
    """

    value: str = ""
    quantity: str = ""
    time: str = ""
    meter: str = ""


def table_series(files: Sequence[Path], interval_ms: int, value: str = "", kind: str = "") -> Iterator[MeterSeries]:
    """Series of all meters in the files, however short.

    Args:
        files: CSV files.
        interval_ms: Length of the intervals wanted.
        value: The column of values; "" to find it.
        kind: The quantity they are; "" to tell from the column's name.

    Raises:
        DataError: A file cannot be read or has another layout, or no meter is left.
    """
    ledger, found = Ledger(), False
    for series in tables(files, Names(value, kind), Rules("", interval_ms, shortest_days=0.0), ledger):
        found = True
        yield series
    if not found:
        raise nothing_left(ledger, str(files[0]) if files else "no file")


def tables(
    files: Sequence[Path], names: Names, rules: Rules, ledger: Ledger, labels: Labelling | None = None
) -> Iterator[MeterSeries]:
    """Series of all meters in the files, cleaned; files that hold one quantity are read together.

    Args:
        files: CSV files.
        names: What is known of their columns.
        rules: What is expected of the rows; the quantity is told by the files.
        ledger: Takes the findings.
        labels: Labels from a file of their own.

    Raises:
        DataError: A file cannot be read, or has another layout.
    """
    layouts = [(file, find_layout(columns_of(file), names, str(file))) for file in files]
    where = str(files[0].parent if len(files) > 1 else files[0]) if files else ""
    kinds = sorted({layout.quantity for _, layout in layouts})
    if len(kinds) > 1 and labels:
        raise DataError(f"{where}: holds {', '.join(kinds)}; labels go with files of one quantity")
    for kind in kinds:
        chosen = [(file, layout) for file, layout in layouts if layout.quantity == kind]
        raw = (rows for file, layout in chosen for rows in table_rows(file, layout))
        yield from read_series(raw, rules._replace(quantity=kind), ledger, where, labels)


def find_layout(columns: Sequence[str], names: Names, where: str) -> Layout:
    """Tell the columns of a file apart by their names.

    Raises:
        DataError: No column of times or values is found.
    """
    plain = {column.strip().lower(): column for column in columns}
    for wanted in (names.time, names.meter, names.value):
        if wanted not in {"", EVERY_COLUMN, *columns}:
            raise DataError(f"{where}: no column {wanted} among {_few(columns)}")
    time = names.time or _first(plain, _TIME_NAMES)
    if time is None:
        told = ", ".join(name for name in _TIME_NAMES if name)
        raise DataError(f"{where}: no column of times (one of {told}) among {_few(columns)}")
    meter = names.meter or _first(plain, _METER_NAMES) or ""
    if names.value and names.value in {time, meter}:
        raise DataError(
            f"{where}: the column {names.value} holds {'times' if names.value == time else 'meters'}, not values"
        )
    if names.value == EVERY_COLUMN:
        if not names.quantity:
            raise DataError(f"{where}: a column per meter does not tell its quantity; name it, such as power_w")
        return Layout(time, EVERY_COLUMN, _checked(names.quantity, where))
    beside = Layout(time, "", "", meter, _first(plain, _TEMPERATURES) or "", _first(plain, ("occupancy",)) or "")
    value, kind = _values(columns, names, beside)
    if not kind:
        raise DataError(f"{where}: no column of values; name it and its quantity, such as power_w or energy_kwh")
    return replace(
        beside,
        value=value,
        quantity=_checked(kind, where),
        temperature="" if beside.temperature == value else beside.temperature,
        occupancy="" if beside.occupancy == value else beside.occupancy,
    )


def _values(columns: Sequence[str], names: Names, layout: Layout) -> tuple[str, str]:
    """The column of values and its quantity; twice "" where none is found."""
    if names.value:
        return names.value, names.quantity or _quantity_of(names.value)
    told = [column for column in columns if column not in {layout.time, layout.meter}]
    found = next((column for column in told if _quantity_of(column)), "")
    if not found and names.quantity and len(told) == 1:
        found = told[0]
    return found, (names.quantity or _quantity_of(found)) if found else ""


def _first(plain: dict[str, str], names: Sequence[str]) -> str | None:
    return next((plain[name] for name in names if name in plain), None)


def _quantity_of(column: str) -> str:
    name = column.strip().lower()
    if "kwh" in name and not name.replace("_", "").isalnum():
        return "energy_kwh"
    try:
        return name if quantity(name).name != "t" and quantity(name).usage else ""
    except DecodeError:
        return "energy_kwh" if name in {"meter_reading", "energy"} else ""


def _checked(name: str, where: str) -> str:
    try:
        return quantity(name).name
    except DecodeError:
        raise DataError(f"{where}: {name} is no quantity; known are power_w, energy_kwh, gas_m3 and others") from None


def table_rows(file: Path, layout: Layout) -> Iterator[pl.DataFrame]:
    """Raw rows of one file, in its order.

    Raises:
        DataError: The file cannot be read.
    """
    if layout.value == EVERY_COLUMN:
        yield from _unpivoted(file, layout)
        return
    columns = (layout.time, layout.value, layout.meter, layout.temperature, layout.occupancy)
    for rows in batches(file, [name for i, name in enumerate(columns) if name or i == 0]):
        one = pl.repeat(stem(file), len(rows), eager=True)
        table = {
            "meter": rows[layout.meter].str.strip_chars().fill_null("") if layout.meter else one,
            "t": times(rows[layout.time]),
            "v": numbers(rows[layout.value]),
        }
        beside = {"temperature_c": layout.temperature, "occupancy": layout.occupancy}
        table |= {name: numbers(rows[column]) for name, column in beside.items() if column}
        yield pl.DataFrame(table)


def _unpivoted(file: Path, layout: Layout) -> Iterator[pl.DataFrame]:
    meters = [name for name in columns_of(file) if name != layout.time]
    for rows in batches(file, [layout.time, *meters]):
        t = times(rows[layout.time])
        for name in meters:
            meter = pl.repeat(name.strip(), len(rows), eager=True)
            yield pl.DataFrame({"meter": meter, "t": t, "v": numbers(rows[name])})


def _few(columns: Sequence[str], most: int = 12) -> str:
    return ", ".join(columns[:most]) + (", .." if len(columns) > most else "")
