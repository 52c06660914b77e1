"""Rows of many meters become whole meters, in bounded memory.

Rows are held until there are many; then the meters of which the latest rows
do not speak are over and passed on. So little need be held of files that tell
one meter after the other, and files that jump between meters (sorted by time,
or one file a month) are put together as long as they fit. What does not fit is
refused, never silently cut in two.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import polars as pl

from model_export.errors import DataError

ORDERED_ROWS: Final = 1_000_000
"""Rows to hold of files known to tell one meter after the other: enough for fast arithmetic."""
HELD_ROWS: Final = 20_500_000
"""Rows to hold of others: all of ASHRAE's, which are sorted by time; about 40 bytes each."""
MOST_OPEN_ROWS: Final = 41_000_000
"""More rows than these, of meters that all still go on, are refused."""


def whole_meters(
    raw: Iterable[pl.DataFrame], where: str, held_rows: int = HELD_ROWS, most_open_rows: int = MOST_OPEN_ROWS
) -> Iterator[pl.DataFrame]:
    """Frames of whole meters, each meter's rows together and in the order of time.

    Args:
        raw: Rows with columns `meter` and `t`, in the order of the files. Rows of one time keep that order.
        where: The data's name, for errors.
        held_rows: Meters that are over are passed on when so many rows are held.
        most_open_rows: How many rows may be held of meters that are not over.

    Raises:
        DataError: A meter goes on after it seemed over, or too many are open at a time.
    """
    held: list[pl.DataFrame] = []
    rows, wait_for = 0, held_rows
    over: set[str] = set()
    for batch in raw:
        if batch.is_empty():
            continue
        held.append(batch)
        rows += len(batch)
        if rows < wait_for:
            continue
        everything = pl.concat(held)
        is_open = pl.col("meter").is_in(batch["meter"].unique().implode())
        done, rest = everything.filter(~is_open), everything.filter(is_open)
        rows, held = len(rest), [rest]
        if rows > most_open_rows:
            raise DataError(f"{where}: over {most_open_rows:,} rows and no meter comes to its end; sort them by meter")
        # Sorting out what is open takes time: wait until there is as much again.
        wait_for = max(held_rows, 2 * rows)
        yield from _passed_on(done, over, where)
    if rows:
        yield from _passed_on(pl.concat(held), over, where)


def _passed_on(done: pl.DataFrame, over: set[str], where: str) -> Iterator[pl.DataFrame]:
    if done.is_empty():
        return
    meters = set(done["meter"].unique().to_list())
    if again := sorted(meters & over):
        raise DataError(f"{where}: rows of {again[0]} lie too far apart; sort the rows by meter")
    over |= meters
    yield from _slices(_sorted(done))


def _sorted(rows: pl.DataFrame) -> pl.DataFrame:
    """Each meter's rows together, the meters in the order of their first row, times ascending."""
    same = pl.col("meter") == pl.col("meter").shift()
    facts = rows.select(
        runs=(~same).fill_null(value=True).sum(),
        meters=pl.col("meter").n_unique(),
        back=(same & (pl.col("t").forward_fill().diff() < 0)).fill_null(value=False).any(),
    )
    runs, meters, back = facts.row(0)
    if runs == meters and not back:
        return rows
    first = rows["meter"].unique(maintain_order=True)
    order = pl.DataFrame({"meter": first, "_order": pl.int_range(len(first), dtype=pl.UInt32, eager=True)})
    numbered = rows.join(order, on="meter", how="left", maintain_order="left")
    return numbered.sort("_order", "t", maintain_order=True).drop("_order")


def _slices(rows: pl.DataFrame, most: int = 4 * ORDERED_ROWS) -> Iterator[pl.DataFrame]:
    """Cut a long frame between meters, so that what follows needs less memory."""
    if len(rows) <= most:
        yield rows
        return
    starts = rows.select((pl.col("meter") != pl.col("meter").shift()).fill_null(value=True).arg_true()).to_series()
    ends = [*starts.to_list()[1:], len(rows)]
    begin = 0
    for i, end in enumerate(ends):
        if end - begin >= most or i == len(ends) - 1:
            yield rows[begin:end]
            begin = end
