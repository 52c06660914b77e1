"""Outdoor temperature from a file that lies beside the readings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl

from model_export.sources.columns import numbers, times
from model_export.sources.files import batches, columns_of, csv_files
from wattline.intervals import Floats, Integers, Intervals, newest_at

_TIMES: Final = ("timestamp", "time", "datetime", "t_ms", "t")
_TEMPERATURES: Final = ("air_temperature", "temperature_c", "temperature", "temp")


class Observations(NamedTuple):
    """What is observed at one site, ascending in time, finite.

    Attributes:
        t_ms: N times, ms in the clock of the readings.
        values: N values of the temperature in degrees Celsius, or of whatever is observed.
    """

    t_ms: Integers
    values: Floats

    def over(self, intervals: Intervals) -> Floats:
        """What is known at the end of each interval, as on the edge; see `newest_at`."""
        return newest_at(intervals.start_ms + intervals.length_ms, self.t_ms, self.values)


def weather_in(folder: Path) -> Mapping[str, Observations]:
    """Observations by site ("" where the file names none) of the `weather*.csv` files in a folder.

    Raises:
        DataError: A file cannot be read.
    """
    tables = [table for file in sorted(csv_files(folder)) if file.name.lower().startswith("weather")
              if (table := _table(file)) is not None]  # fmt: skip
    if not tables:
        return {}
    everything = pl.concat(tables).filter(pl.col("t").is_not_null() & pl.col("c").is_finite())
    sites = everything.unique(["site", "t"], keep="last").sort("site", "t").partition_by("site", as_dict=True)
    return {str(site): Observations(rows["t"].to_numpy(), rows["c"].to_numpy()) for (site,), rows in sites.items()}


def _table(file: Path) -> pl.DataFrame | None:
    """Columns `site`, `t`, `c`; None for a file without temperatures."""
    columns = {name.strip().lower(): name for name in columns_of(file)}
    time = next((columns[name] for name in _TIMES if name in columns), "")
    warmth = next((columns[name] for name in _TEMPERATURES if name in columns), "")
    if not time or not warmth:
        return None
    site = columns.get("site_id", "")
    parts = [
        pl.DataFrame(
            {
                "site": rows[site].str.strip_chars().fill_null("") if site else pl.repeat("", len(rows), eager=True),
                "t": times(rows[time]),
                "c": numbers(rows[warmth]),
            }
        )
        for rows in batches(file, [name for name in (site, time, warmth) if name])
    ]
    return pl.concat(parts) if parts else None
