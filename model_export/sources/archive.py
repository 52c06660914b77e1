"""The project's own archive: raw readings as Parquet, one folder per UTC day.

```
<archive>/date=2026-11-02/<any name>.parquet      (a folder that is only called 2026-11-02 will do)

site      text      the site; may be empty
meter     text      the meter, unique on its site
t         int64     ms UTC, or a datetime: when it was sampled
quantity  text      as on the wire: power_w, energy_import_kwh, ...
value     float64   null where it is missing
```

Further columns (gateway, received_at, ..) are not read. Each meter is
represented by its judged quantity, as on the edge; `temperature_c` and
`occupancy` of a site, measured by whichever of its meters, stand beside all
its series.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import polars as pl

from model_export.cleaning import Rules
from model_export.cleaning_report import Counts, MeterFindings
from model_export.dataset import Building, MeterSeries
from model_export.errors import DataError
from model_export.sources.reading import Ledger, read_series
from model_export.sources.weather import Observations
from wattline.intervals import judged_quantity

COLUMNS: Final = ("site", "meter", "t", "quantity", "value")
EXPECTED: Final = f"columns {', '.join(COLUMNS)}"
CHUNK_ROWS: Final = 4_000_000
"""Meters are read together up to so many rows; the archive is gone through once for each such chunk."""
_BESIDE: Final = ("temperature_c", "occupancy")


def archive_series(path: Path, rules: Rules, ledger: Ledger, chunk_rows: int = CHUNK_ROWS) -> Iterator[MeterSeries]:
    """Series of all meters in an archive, by quantity, site and meter.

    Args:
        path: The archive's folder, or one file of it.
        rules: What is expected of the rows; the quantities are told by the archive.
        ledger: Takes the findings.
        chunk_rows: How many rows are read together at most, if there are so many meters.

    Raises:
        DataError: It cannot be read, or is something else.
    """
    readings = _readings(path)
    contents = _collected(readings.group_by("site", "meter", "quantity").len().sort("site", "meter", "quantity"), path)
    followed = _followed(contents, ledger)
    beside = {name: _observed(readings, contents, name, path) for name in _BESIDE}
    for kind in sorted(followed["quantity"].unique().to_list()):
        meters = followed.filter(pl.col("quantity") == kind)
        chunks = (meters.filter(pl.col("len").cum_sum() // chunk_rows == i) for i in range(_chunks(meters, chunk_rows)))
        raw = (_rows(readings, chunk, path) for chunk in chunks if len(chunk))
        for one in read_series(raw, rules._replace(quantity=kind), ledger, str(path), held_rows=1):
            yield _with_site(one, beside)


def _readings(path: Path) -> pl.LazyFrame:
    files = [path] if path.is_file() else sorted(path.glob("**/*.parquet"))
    if not files:
        raise DataError(f"{path}: holds no .parquet file; expected an archive, one folder per UTC day")
    parts = [_one_file(file) for file in files]
    return pl.concat(parts)


def _one_file(file: Path) -> pl.LazyFrame:
    try:
        lazy = pl.scan_parquet(file, hive_partitioning=False, glob=False)
        schema = lazy.collect_schema()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{file}: {str(error).splitlines()[0]}") from None
    if missing := [name for name in COLUMNS if name not in schema]:
        raise DataError(f"{file}: not of the archive: no column {missing[0]}; expected {EXPECTED}")
    t = pl.col("t").dt.epoch("ms") if schema["t"].is_temporal() else pl.col("t").cast(pl.Int64)
    text = [pl.col(name).cast(pl.String).fill_null("") for name in ("site", "meter", "quantity")]
    return lazy.select(*text, t=t, v=pl.col("value").cast(pl.Float64))


def _collected(lazy: pl.LazyFrame, path: Path) -> pl.DataFrame:
    try:
        return lazy.collect(engine="streaming")
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path}: {str(error).splitlines()[0]}") from None


def _followed(contents: pl.DataFrame, ledger: Ledger) -> pl.DataFrame:
    """The rows of `contents` that speak for their meters; meters without such a quantity go to the ledger."""
    chosen: list[bool] = []
    for (site, meter), rows in contents.group_by("site", "meter", maintain_order=True):
        names = rows["quantity"].to_list()
        judged = judged_quantity(names)
        chosen += [name == judged for name in names]
        if not judged and not set(names) & set(_BESIDE):
            told = f"none of {', '.join(names[:5])} is a consumption"
            ledger.meters.append(MeterFindings(_name(site, meter), Counts(int(rows["len"].sum())), "no_values", told))
    return contents.filter(pl.Series(chosen, dtype=pl.Boolean))


def _chunks(meters: pl.DataFrame, chunk_rows: int) -> int:
    return int(meters["len"].sum()) // chunk_rows + 1


def _rows(readings: pl.LazyFrame, chunk: pl.DataFrame, path: Path) -> pl.DataFrame:
    keys = ["site", "meter", "quantity"]
    rows = _collected(readings.join(chunk.lazy().select(keys), on=keys, how="semi", maintain_order="left"), path)
    site = pl.when(pl.col("site") == "").then(pl.lit("")).otherwise(pl.col("site") + "/")
    named = rows.select(
        meter=pl.when(pl.col("meter") == "").then(pl.lit("")).otherwise(site + pl.col("meter")), t="t", v="v"
    )
    return named.sort("meter", "t", maintain_order=True)


def _name(site: object, meter: object) -> str:
    return f"{site}/{meter}" if site else str(meter)


def _observed(readings: pl.LazyFrame, contents: pl.DataFrame, name: str, path: Path) -> Mapping[str, Observations]:
    """What is observed of a quantity, by site."""
    if name not in contents["quantity"]:
        return {}
    wanted = readings.filter((pl.col("quantity") == name) & pl.col("t").is_not_null() & pl.col("v").is_finite())
    rows = _collected(wanted, path).unique(["site", "t"], keep="last", maintain_order=True).sort("site", "t")
    parts = rows.partition_by("site", as_dict=True)
    return {str(site): Observations(one["t"].to_numpy(), one["v"].to_numpy()) for (site,), one in parts.items()}


def _with_site(one: MeterSeries, beside: Mapping[str, Mapping[str, Observations]]) -> MeterSeries:
    site = one.name.rpartition("/")[0]
    told = {name: by_site[site].over(one.intervals) for name, by_site in beside.items() if site in by_site}
    return replace(
        one,
        building=Building(site) if site else None,
        temperature_c=told.get("temperature_c"),
        occupancy=told.get("occupancy"),
    )
