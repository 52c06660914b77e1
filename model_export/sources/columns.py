"""Columns of text become times and numbers, a whole batch of rows at once.

But for labels, nothing raises over a single cell: a time that cannot be read is null, a value
that is missing is null and one that is no number is NaN, for cleaning to count.
"""

from pathlib import Path
from typing import Final

import polars as pl

from model_export.errors import DataError

MISSING: Final = ("", "null", "nan", "none", "na", "n/a", "nil", "-")
"""What stands for no value, in small letters."""

_PLAIN: Final = "%Y-%m-%d %H:%M:%S"
_PLAIN_LENGTH: Final = 19
_NO_MEANING: Final = r"^(?:\.0+)?Z?$"
_OFFSET: Final = r"([+-])(\d\d):?(\d\d)$"
_OTHERS: Final = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d")
_SECONDS_BELOW: Final = 100_000_000_000
"""A whole number below it is a time in seconds (till the year 5138), above it in milliseconds (from 1973)."""


EARLIEST_MS: Final = 631_152_000_000
"""1990-01-01: what is earlier comes from a clock that was never set."""
LATEST_MS: Final = 4_102_444_800_000
"""2100-01-01."""


def times(text: pl.Series) -> pl.Series:
    """Milliseconds UTC of times in ISO 8601, or of numbers of seconds or milliseconds since 1970.

    A time that names no offset is taken as UTC. Null stands for what cannot be read, and for times before 1990 or
    after 2100.
    """
    found = _read(text)
    beyond = ~found.is_between(EARLIEST_MS, LATEST_MS)
    return found.set(beyond, None) if beyond.any() else found


def _read(text: pl.Series) -> pl.Series:
    clean = text.str.strip_chars()
    rest = clean.str.slice(_PLAIN_LENGTH).unique().drop_nulls()
    if not rest.str.contains(_NO_MEANING).all():
        return _any_times(clean)
    found = _parsed(clean.str.slice(0, _PLAIN_LENGTH), _PLAIN)
    unread = found.is_null() & clean.is_not_null()
    if not unread.any():
        return found
    rows = unread.arg_true()
    return found.scatter(rows, _any_times(clean.gather(rows)))


def _parsed(text: pl.Series, pattern: str) -> pl.Series:
    return text.str.to_datetime(pattern, strict=False, time_unit="ms", time_zone=None).dt.epoch("ms")


def _any_times(text: pl.Series) -> pl.Series:
    """Every form that is understood, slower."""
    body = text.str.replace(_OFFSET, "").str.strip_suffix("Z").str.replace("T", " ", literal=True).str.strip_chars()
    dated = text.str.contains(":", literal=True)
    parts = text.str.extract_groups(_OFFSET).struct.unnest()
    minutes = parts["2"].cast(pl.Int64, strict=False) * 60 + parts["3"].cast(pl.Int64, strict=False)
    number = text.cast(pl.Int64, strict=False)
    frame = pl.DataFrame({"dated": dated, "sign": parts["1"], "minutes": minutes, "number": number}).with_columns(
        *(_parsed(body, pattern).alias(f"form{i}") for i, pattern in enumerate(_OTHERS)),
        bare=_parsed(text.str.strip_chars(), "%Y-%m-%d"),
    )
    signed = pl.when(pl.col("sign") == "-").then(-pl.col("minutes")).otherwise(pl.col("minutes")).fill_null(0)
    moment = pl.coalesce("form0", "form1", "form2") - signed * 60_000
    since_1970 = pl.when(pl.col("number").abs() < _SECONDS_BELOW).then(pl.col("number") * 1000)
    return frame.select(
        pl.when("dated").then(moment).otherwise(pl.coalesce("bare", since_1970, "number")).alias(text.name)
    ).to_series()


def numbers(text: pl.Series) -> pl.Series:
    """Values as float64: null where one is missing, NaN where there is something that is no finite number."""
    clean = text.str.strip_chars()
    found = clean.cast(pl.Float64, strict=False)
    unread = found.is_null() | ~found.is_finite()
    if not unread.any():
        return found
    rows = unread.arg_true()
    odd = clean.gather(rows)
    missing = (odd.is_null() | odd.str.to_lowercase().is_in(MISSING)).fill_null(value=True)
    replaced = pl.select(pl.when(missing).then(None).otherwise(float("nan")).cast(pl.Float64)).to_series()
    return found.scatter(rows, replaced)


def flags(text: pl.Series, where: Path) -> pl.Series:
    """Labels as booleans: true for a number other than 0 or for "true"; null where nothing is said.

    Raises:
        DataError: Something is said that is no label: nobody knows then what is ordinary.
    """
    clean = text.str.strip_chars().str.to_lowercase()
    number = clean.cast(pl.Float64, strict=False).fill_nan(None)
    words = clean.replace_strict({"true": True, "false": False}, default=None, return_dtype=pl.Boolean)
    found = pl.select(pl.coalesce(words, number != 0)).to_series().rename(text.name)
    unclear = text.filter(found.is_null() & text.is_not_null() & ~clean.is_in(MISSING))
    if len(unclear):
        raise DataError(f"{where}: column {text.name}: expected 0 or 1, got {unclear[0]!r}")
    return found
