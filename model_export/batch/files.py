"""Which files a survey has, and which of their columns is what."""

import gzip
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from model_export.errors import DataError

_HOMES: Final = ("lclid",)
_TIMES: Final = ("datetime", "tstp")
_VALUES: Final = ("kwh/hh (per half hour)", "energy(kwh/hh)")
_LONGEST_HEADER: Final = 4096
_READ_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Survey:
    """Files of one layout.

    Attributes:
        files: In the order of the numbers in their names.
        columns: All column names, as they are in the files.
        home: The column of home names; `time` and `value` likewise.
    """

    files: tuple[Path, ...]
    columns: tuple[str, ...]
    home: str
    time: str
    value: str


def find_survey(folder: Path) -> Survey:
    """Find the CSV files of a folder, plain or gzipped, and check that their headers agree.

    Two layouts are known, both of the Low Carbon London project: `LCLid,stdorToU,DateTime,KWH/hh (per half hour) ` and
    `LCLid,tstp,energy(kWh/hh)`; further columns do not matter.

    Raises:
        DataError: There are no files, or one has no or another layout.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: {'is no folder' if folder.exists() else 'there is no such folder'}")
    found = [file for file in folder.glob("*") if file.name.endswith((".csv", ".csv.gz")) and file.is_file()]
    files = tuple(sorted(found, key=_natural))
    if not files:
        raise DataError(f"{folder}: holds no .csv or .csv.gz file")
    columns = _header(files[0])
    home, time, value = (_column(columns, names, files[0]) for names in (_HOMES, _TIMES, _VALUES))
    for file in files[1:]:
        other = _header(file)
        if other != columns:
            raise DataError(f"{file}: has other columns ({', '.join(other)}) than {files[0].name}")
    return Survey(files, columns, home, time, value)


def broken_file(survey: Survey) -> Path | None:
    """The first file that cannot be read to its end; None where each can."""
    return next((file for file in survey.files if not _is_whole(file)), None)


def _is_whole(file: Path) -> bool:
    try:
        with _opened(file) as stream:
            while stream.read(_READ_BYTES):
                pass
    except (OSError, EOFError, zlib.error):
        return False
    return True


def _natural(file: Path) -> tuple[list[int], str]:
    return [int(number) for number in re.findall(r"\d+", file.name)], file.name


def _header(file: Path) -> tuple[str, ...]:
    try:
        with _opened(file) as stream:
            line = stream.readline(_LONGEST_HEADER)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{file}: {getattr(error, 'strerror', None) or error}") from None
    if not line.strip():
        raise DataError(f"{file}: is empty")
    return tuple(line.decode("utf-8-sig", "replace").rstrip("\r\n").split(","))


def _opened(file: Path) -> IO[bytes]:
    return gzip.open(file) if file.suffix == ".gz" else file.open("rb")  # type: ignore[return-value]


def _column(columns: tuple[str, ...], names: tuple[str, ...], file: Path) -> str:
    for column in columns:
        if column.strip().lower() in names:
            return column
    raise DataError(f"{file}: no column {' or '.join(names)} among {', '.join(columns)}")
