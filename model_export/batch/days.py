"""Half hours become days: what a home used, its largest and smallest half hour, and its use by parts of the day.

A day whose 48 half hours are there is added up at once and its values are forgotten; the others wait, so that rows of a
day may be anywhere in the files. Of several rows of one half hour the first counts.
"""

from typing import Final

import msgspec
import numpy as np
import polars as pl

from model_export.batch.reading import Flags, Floats, Integers
from model_export.batch.rules import DAY_SLOTS, PART_SLOTS, PARTS

_HOME_STEP: Final = 1 << 20
"""Days are fewer: a key is the home's number times this, plus the day."""


class Days(msgspec.Struct, frozen=True):
    """The days of all homes, by home and day.

    Attributes:
        table: Columns home, day, n, kwh, max_kwh, min_kwh, mean_kwh and the `PARTS`.
        values: Half hours in them.
    """

    table: pl.DataFrame
    values: int


class DayCollector:
    """Collects days from rows in any order."""

    def __init__(self) -> None:
        self._whole: list[tuple[Integers, Floats]] = []
        self._waiting: dict[int, Floats] = {}

    def add(self, home: Integers, slot: Integers, kwh: Floats) -> None:
        """Take rows: numbers of homes, half hours since 1970, what was used."""
        if not len(kwh):
            return
        day = slot // DAY_SLOTS
        keys, tiles = _tiles(home * _HOME_STEP + day, slot - day * DAY_SLOTS, kwh)
        new = ~self._among_whole(keys)
        keys, tiles = keys[new], tiles[new]
        self._complete(keys, tiles)
        whole = ~np.isnan(tiles).any(axis=1)
        self._whole.append((keys[whole], _measures(tiles[whole])))
        self._waiting.update(zip(keys[~whole].tolist(), tiles[~whole], strict=True))

    def finish(self, homes: dict[str, int]) -> Days:
        """All days, those with gaps too.

        Args:
            homes: Number of each home.
        """
        if self._waiting:
            tiles = np.stack(list(self._waiting.values()))
            self._whole.append((np.array(list(self._waiting), np.int64), _measures(tiles)))
            self._waiting = {}
        keys = np.concatenate([keys for keys, _ in self._whole] or [np.empty(0, np.int64)])
        measures = np.concatenate([rows for _, rows in self._whole] or [_measures(np.empty((0, DAY_SLOTS)))])
        self._whole = []
        table = _table(keys, measures, homes)
        return Days(table, int(table["n"].sum()))

    def _among_whole(self, keys: Integers) -> Flags:
        """Which of the days have been added up."""
        found = np.zeros(len(keys), np.bool_)
        for whole, _ in self._whole:
            if len(whole) and whole[0] <= keys[-1] and keys[0] <= whole[-1]:
                found |= np.isin(keys, whole, assume_unique=True)
        return found

    def _complete(self, keys: Integers, tiles: Floats) -> None:
        """Put what is known of these days into their tiles."""
        for key in self._waiting.keys() & set(keys.tolist()):
            row, known = int(np.searchsorted(keys, key)), self._waiting.pop(key)
            tiles[row] = np.where(np.isnan(known), tiles[row], known)


def _tiles(key: Integers, place: Integers, kwh: Floats) -> tuple[Integers, Floats]:
    """Sorted keys of days, and a row of 48 half hours for each, NaN where nothing is known."""
    starts = np.concatenate([[0], np.flatnonzero(np.diff(key)) + 1])
    keys, row_of_run = np.unique(key[starts], return_inverse=True)
    row = np.repeat(row_of_run, np.diff(starts, append=len(key)))
    tiles = np.full((len(keys), DAY_SLOTS), np.nan)
    # Backwards, so that the first row of a half hour is the one that stays.
    tiles.reshape(-1)[(row * DAY_SLOTS + place)[::-1]] = kwh[::-1]
    return keys, tiles


def _measures(tiles: Floats) -> Floats:
    """Columns n, max, min and the parts, float64[days, 3 + parts]."""
    known = ~np.isnan(tiles)
    parts = np.where(known, tiles, 0.0).reshape(len(tiles), len(PARTS), PART_SLOTS).sum(axis=2)
    return np.column_stack([known.sum(axis=1), np.fmax.reduce(tiles, axis=1), np.fmin.reduce(tiles, axis=1), parts])


def _table(keys: Integers, measures: Floats, homes: dict[str, int]) -> pl.DataFrame:
    names = pl.Series("home", list(homes), dtype=pl.String)
    n, most, least, *parts = measures.T
    columns = {
        "home": names.gather(keys // _HOME_STEP),
        "day": pl.Series((keys % _HOME_STEP).astype(np.int32)).cast(pl.Date),
        "n": n.astype(np.int32),
        "kwh": measures[:, 3:].sum(axis=1),
        "max_kwh": most,
        "min_kwh": least,
        "mean_kwh": measures[:, 3:].sum(axis=1) / n,
    }
    return pl.DataFrame(columns | dict(zip(PARTS, parts, strict=True))).sort("home", "day")
