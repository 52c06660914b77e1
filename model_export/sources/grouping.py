"""Rows of many meters become whole meters, in bounded memory.

Files mostly tell one meter after the other, so a meter is whole when later
rows speak of others. Files that jump between meters (by time, say) are held
until they fit; what does not fit is refused, never silently cut in two.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import polars as pl

from model_export.errors import DataError

HELD_ROWS: Final = 1_000_000
"""Enough at once for fast arithmetic on one meter after the other."""
SHUFFLED_ROWS: Final = 40_000_000
"""For files that may be sorted by time; 40 bytes a row."""


def whole_meters(
    raw: Iterable[pl.DataFrame], where: str, held_rows: int = HELD_ROWS, shuffled_rows: int = SHUFFLED_ROWS
) -> Iterator[pl.DataFrame]:
    """Frames of whole meters, each meter's rows together and in the order of time.

    Args:
        raw: Rows with columns `meter` and `t`, in the order of the files. Rows of one time keep that order.
        where: The data's name, for errors.
        held_rows: Meters that are over are passed on when so many rows are held.
        shuffled_rows: How many rows are held at most while no meter is over.

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
        if rows > shuffled_rows:
            raise DataError(f"{where}: over {shuffled_rows:,} rows without a meter that is over; sort them by meter")
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


def _slices(rows: pl.DataFrame, most: int = 4 * HELD_ROWS) -> Iterator[pl.DataFrame]:
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
