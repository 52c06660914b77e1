"""Reads the files a piece at a time, and leaves out, counted by reason, what is no half hour's use."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from model_export.batch.files import Survey, broken_file
from model_export.batch.results import Counts
from model_export.batch.rules import END_MS, FIRST_MS, HALF_HOUR_MS, MOST_KWH, NO_VALUES
from model_export.errors import DataError

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
PIECE_ROWS: Final = 500_000
_NO_TIME: Final = -1
_BEYOND: Final = "beyond the last column"


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows that can be used, and the count of them and of all others.

    Attributes:
        home: Numbers of homes.
        slot: Half hours since 1970.
        kwh: What was used in each.
    """

    counts: Counts
    home: Integers
    slot: Integers
    kwh: Floats


def read_pieces(survey: Survey, homes: dict[str, int]) -> Iterator[Piece]:
    """Read all files in their order, some hundred thousand rows at a time.

    Args:
        survey: The files.
        homes: Number of each home; the homes that are new are added.

    Raises:
        DataError: A file cannot be read.
    """
    lines = pl.scan_csv(
        list(survey.files),
        schema=dict.fromkeys((*survey.columns, _BEYOND), pl.String),
        missing_columns="insert",
        truncate_ragged_lines=True,
        quote_char=None,
        encoding="utf8-lossy",
        glob=False,
    )
    text = pl.col(survey.value).str.strip_chars()
    time = pl.col(survey.time).str.strip_suffix(".0000000")
    moment = time.str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="ms", strict=False)
    columns = lines.select(
        home=pl.col(survey.home),
        t_ms=moment.cast(pl.Int64).fill_null(_NO_TIME),
        kwh=text.cast(pl.Float64, strict=False).fill_null(np.nan),
        text=text,
        beyond=pl.col(_BEYOND).is_not_null(),
    )
    try:
        for frame in columns.collect_batches(chunk_size=PIECE_ROWS, maintain_order=True):
            yield _piece(frame, homes)
    except (OSError, pl.exceptions.PolarsError) as error:
        # polars does not say which of the files it was.
        raise DataError(f"{broken_file(survey) or survey.files[0].parent}: {error}") from None


def _piece(frame: pl.DataFrame, homes: dict[str, int]) -> Piece:
    home, t_ms, kwh = _numbers(frame["home"], homes), frame["t_ms"].to_numpy(), frame["kwh"].to_numpy()
    no_number = np.isnan(kwh)
    kinds = {
        "null": no_number & _silent(frame["text"], no_number),
        "unreadable": no_number | frame["beyond"].to_numpy() | (home < 0) | (t_ms < FIRST_MS) | (t_ms >= END_MS),
        "off_grid": t_ms % HALF_HOUR_MS != 0,
        "negative": kwh < 0,
        "impossible": kwh > MOST_KWH,
    }
    left = np.ones(len(kwh), np.bool_)
    counts = {"rows": len(kwh)}
    for name, kind in kinds.items():
        counts[name] = int(np.count_nonzero(left & kind))
        left &= ~kind
    return Piece(Counts(**counts), home[left], t_ms[left] // HALF_HOUR_MS, kwh[left])


def _numbers(names: pl.Series, homes: dict[str, int]) -> Integers:
    """The homes' numbers; -1 where there is no name. Homes come in long runs."""
    runs = names.rle().struct.unnest()
    numbers = [-1 if not name else homes.setdefault(name, len(homes)) for name in runs["value"].to_list()]
    return np.repeat(np.array(numbers, np.int64), runs["len"].to_numpy())


def _silent(text: pl.Series, no_number: Flags) -> Flags:
    """Where there is no number: whether the text says so itself. Few rows are looked at."""
    silent = np.zeros(len(text), np.bool_)
    where = np.flatnonzero(no_number)
    if len(where):
        said = text.gather(where).str.to_lowercase()
        silent[where] = (said.is_null() | said.is_in(NO_VALUES)).to_numpy()
    return silent
