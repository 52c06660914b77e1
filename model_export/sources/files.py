"""CSV files, plain or gzipped: which there are, what columns they have, their rows in batches."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import polars as pl

from model_export.errors import DataError

BATCH_ROWS: Final = 250_000
_SUFFIXES: Final = (".csv", ".csv.gz")


def table_files(path: Path) -> list[Path]:
    """The CSV files at `path`: itself, or those in the folder, `x_2` before `x_10`.

    Raises:
        DataError: There is none.
    """
    if not path.exists():
        raise DataError(f"{path}: there is no such file or folder")
    files = [path] if path.is_file() else sorted(csv_files(path), key=_natural)
    if not files:
        raise DataError(f"{path}: holds no .csv or .csv.gz file")
    return files


def csv_files(folder: Path) -> list[Path]:
    """The CSV files right in a folder, in no order; none where there is no such folder."""
    return [file for file in folder.glob("*") if file.name.lower().endswith(_SUFFIXES) and file.is_file()]


def stem(file: Path) -> str:
    """The name of a file without its endings."""
    return re.sub(r"\.csv(\.gz)?$", "", file.name, flags=re.IGNORECASE)


def _natural(file: Path) -> list[tuple[int, str]]:
    """Digits count as numbers."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", file.name)]


def columns_of(file: Path) -> list[str]:
    """The names in the first line of a file.

    Raises:
        DataError: The file cannot be read, or is empty.
    """
    try:
        return _scan(file).collect_schema().names()
    except pl.exceptions.NoDataError:
        raise DataError(f"{file}: is empty") from None
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{file}: {_first_line(error)}") from None


def batches(file: Path, columns: Sequence[str], batch_rows: int = BATCH_ROWS) -> Iterator[pl.DataFrame]:
    """The chosen columns of a file as text, some rows at a time, in the order of the file.

    Raises:
        DataError: The file cannot be read to its end.
    """
    try:
        yield from _scan(file).select(columns).collect_batches(chunk_size=batch_rows, maintain_order=True)
    except pl.exceptions.NoDataError:
        return
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{file}: {_first_line(error)}") from None


def _scan(file: Path) -> pl.LazyFrame:
    return pl.scan_csv(file, infer_schema=False, encoding="utf8-lossy", glob=False)


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
