"""Readings as rows of the archive, and which of several rows of one reading stays.

A reading is told apart by (site, meter, quantity, t). Of two gateways that deliver
the same one the first by name is believed, as the stores do; of two deliveries by
one gateway the later. Neither rule depends on how rows are cut into batches or
files, so that taking rows in again changes nothing.
"""

from collections.abc import Iterable
from typing import Final

import numpy as np
import polars as pl

from cloud_stream.records import Columns
from wattline.errors import DecodeError
from wattline.quantities import Kind, quantity

SCHEMA: Final = pl.Schema(
    {
        "site": pl.String(),
        "gateway": pl.String(),
        "meter": pl.String(),
        "quantity": pl.String(),
        "t": pl.Int64(),
        "value": pl.Float64(),
        "interval_ms": pl.Int64(),
    }
)
KEY: Final = ("site", "meter", "quantity", "t")
"""What tells readings apart, and the order of rows in a file."""
DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000


def rows_of(batches: Iterable[Columns]) -> pl.DataFrame:
    """The readings of batches as rows, in the order in which they came; missing values vanish.

    Returns:
        Columns of `SCHEMA`: t in ms UTC; interval_ms is that of an amount, 0 for other quantities.
    """
    series: dict[tuple[str, str, str], int] = {}
    names: dict[str, int] = {}
    parts: list[tuple[np.ndarray, ...]] = []
    for columns in batches:
        heads = zip(columns.site, columns.gateway, columns.meter, strict=True)
        numbers = np.array([series.setdefault(head, len(series)) for head in heads], dtype=np.int64)
        of_row = np.repeat(numbers, columns.length)
        for name, values in zip(columns.quantities, columns.values, strict=True):
            known = np.flatnonzero(~np.isnan(values))
            number = names.setdefault(name, len(names))
            interval_ms = columns.interval_ms if _is_amount(name) else 0
            parts.append(
                (
                    of_row[known],
                    np.full(len(known), number),
                    columns.t_ms[known],
                    values[known],
                    np.full(len(known), interval_ms),
                )
            )
    return _frame(series, names, parts)


def _frame(
    series: dict[tuple[str, str, str], int], names: dict[str, int], parts: list[tuple[np.ndarray, ...]]
) -> pl.DataFrame:
    if not parts:
        return SCHEMA.to_frame()
    of_row, name, t_ms, values, interval_ms = (np.concatenate(column) for column in zip(*parts, strict=True))
    sites, gateways, meters = zip(*series, strict=True) if series else ((), (), ())
    return pl.DataFrame(
        {
            "site": pl.Series(sites, dtype=pl.String).gather(of_row),
            "gateway": pl.Series(gateways, dtype=pl.String).gather(of_row),
            "meter": pl.Series(meters, dtype=pl.String).gather(of_row),
            "quantity": pl.Series(list(names), dtype=pl.String).gather(name),
            "t": t_ms,
            "value": values,
            "interval_ms": interval_ms,
        },
        schema=SCHEMA,
    )


def once(rows: pl.DataFrame) -> pl.DataFrame:
    """Each reading once, sorted by `KEY`; rows come in the order of their arrival."""
    # Gateways backwards: the row that stays is the last of its reading, by whichever rule.
    order = [False] * len(KEY) + [True]
    ordered = rows.sort(*KEY, "gateway", descending=order, maintain_order=True)
    followed = pl.all_horizontal(pl.col(name) == pl.col(name).shift(-1) for name in KEY)
    return ordered.filter(~followed.fill_null(value=False))


def _is_amount(name: str) -> bool:
    try:
        return quantity(name).kind is Kind.AMOUNT
    except DecodeError:
        return False
