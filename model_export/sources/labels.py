"""Labels that come in a file of their own: rows as in LEAD, or windows as in the Numenta Anomaly Benchmark."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from model_export.errors import DataError
from model_export.sources.columns import flags, times
from model_export.sources.files import batches, columns_of

_METERS = ("building_id", "meter", "lclid", "meter_id")
_TIMES = ("timestamp", "t_ms", "time", "tstp")
_FLAGS = ("anomaly", "label", "is_anomaly")
EXPECTED = "columns building_id, timestamp, anomaly, or a JSON object of lists of times or of [start, end]"


def read_labels(path: Path) -> "RowLabels | WindowLabels":
    """The labels in a file.

    Raises:
        DataError: It cannot be read, or holds none.
    """
    labels = _windows(path) if path.suffix.lower() == ".json" else _rows(path)
    if not len(labels):
        raise DataError(f"{path}: holds no labels; expected {EXPECTED}")
    return labels


@dataclass(slots=True)
class RowLabels:
    """Labels of single readings.

    Attributes:
        path: Where they come from.
        rows: Columns `meter`, `t`, `label`; one row per reading.
    """

    path: Path
    rows: pl.DataFrame
    _matched: int = 0

    def __len__(self) -> int:
        return len(self.rows)

    def mark(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Add the column `label`; one that is there gives way where this file knows more."""
        told = rows.join(self.rows.rename({"label": "_told"}), on=["meter", "t"], how="left", maintain_order="left")
        self._matched += told.filter(pl.col("_told").is_not_null()).select("meter", "t").n_unique()
        label = pl.coalesce("_told", "label") if "label" in rows.columns else pl.col("_told")
        return told.with_columns(label=label).drop("_told")

    def finish(self) -> int:
        """How many labels spoke of no reading; the next reading starts from zero.

        Raises:
            DataError: None did.
        """
        matched, self._matched = self._matched, 0
        if not matched:
            first = self.rows.row(0, named=True)
            when = datetime.fromtimestamp(first["t"] / 1000, UTC)
            example = f"the first is of {first['meter']} at {when:%Y-%m-%d %H:%M}"
            raise DataError(f"{self.path}: none of its {len(self)} labels is of a reading in the data; {example}")
        return len(self) - matched


@dataclass(slots=True)
class WindowLabels:
    """Labels of stretches of time.

    Attributes:
        path: Where they come from.
        windows: Start and end in ms, both included, by meter.
    """

    path: Path
    windows: dict[str, list[tuple[int, int]]]
    _matched: set[tuple[str, int]] = field(default_factory=set)

    def __len__(self) -> int:
        return sum(len(windows) for windows in self.windows.values())

    def mark(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Add the column `label`; true within a window."""
        label = pl.lit(value=False)
        for meter in rows["meter"].unique().to_list():
            for start, end in self.windows.get(meter, ()):
                within = (pl.col("meter") == meter) & pl.col("t").is_between(start, end)
                if rows.select(within.any()).item():
                    self._matched.add((meter, start))
                label = label | within.fill_null(value=False)
        return rows.with_columns(label=label)

    def finish(self) -> int:
        """How many windows hold no reading; the next reading starts from zero.

        Raises:
            DataError: None does.
        """
        matched, self._matched = len(self._matched), set()
        if not matched:
            known = ", ".join(sorted(self.windows)[:3])
            raise DataError(
                f"{self.path}: none of its {len(self)} windows holds a reading of the data; it names {known}"
            )
        return len(self) - matched


def _rows(path: Path) -> RowLabels:
    plain = {name.strip().lower(): name for name in columns_of(path)}
    found = [next((plain[name] for name in names if name in plain), "") for names in (_METERS, _TIMES, _FLAGS)]
    if not all(found):
        raise DataError(f"{path}: not a file of labels; expected {EXPECTED}")
    meter, time, flag = found
    parts = [
        pl.DataFrame({"meter": rows[meter].str.strip_chars(), "t": times(rows[time]), "label": flags(rows[flag], path)})
        for rows in batches(path, found)
    ]
    if not parts:
        raise DataError(f"{path}: holds no labels; expected {EXPECTED}")
    return RowLabels(path, pl.concat(parts).drop_nulls().unique(["meter", "t"], keep="last", maintain_order=True))


def _windows(path: Path) -> WindowLabels:
    try:
        content: Any = json.loads(path.read_text("utf-8"))
        named = {PurePosixPath(name).stem: [_window(one) for one in content[name]] for name in content}
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
    except (ValueError, TypeError, LookupError, RecursionError):
        raise DataError(f"{path}: not a file of labels; expected {EXPECTED}") from None
    return WindowLabels(path, named)


def _window(one: object) -> tuple[int, int]:
    first, last = (one[0], one[1]) if isinstance(one, list) else (one, one)
    if not isinstance(first, str) or not isinstance(last, str):
        raise TypeError
    return _milliseconds(first), _milliseconds(last)


def _milliseconds(text: str) -> int:
    when = datetime.fromisoformat(text)
    return round((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1000)
