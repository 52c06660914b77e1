"""The way of all tables: raw rows, whole meters, cleaning with counts, series."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import polars as pl

from model_export.cleaning import Rules, clean
from model_export.cleaning_report import CleaningReport, MeterFindings
from model_export.dataset import MeterSeries
from model_export.errors import DataError
from model_export.sources.cutting import series_of
from model_export.sources.grouping import HELD_ROWS, whole_meters


@dataclass(slots=True)
class Ledger:
    """Collects what cleaning finds while a data set is read.

    Attributes:
        meters: Findings per meter, in the order of reading.
        other_files: Files of another layout.
        labels_unmatched: Labels that speak of no reading.
        labels_without_reading: Labelled rows that were left out.
    """

    meters: list[MeterFindings] = field(default_factory=list)
    other_files: list[str] = field(default_factory=list)
    labels_unmatched: int = 0
    labels_without_reading: int = 0

    def report(self, dataset: str) -> CleaningReport:
        """What was found so far."""
        meters, others = tuple(self.meters), tuple(self.other_files)
        return CleaningReport(dataset, meters, others, self.labels_unmatched, self.labels_without_reading)


class Labelling(Protocol):
    """Labels that come in a file of their own."""

    def mark(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Add the column `label` to raw rows of whole meters; called once for every meter."""

    def finish(self) -> int:
        """How many labels found no reading; called after the last meter.

        Raises:
            DataError: None found one.
        """


def read_series(
    raw: Iterable[pl.DataFrame],
    rules: Rules,
    ledger: Ledger,
    where: str,
    labels: Labelling | None = None,
    *,
    held_rows: int = HELD_ROWS,
) -> Iterator[MeterSeries]:
    """Series of all meters in raw rows, cleaned.

    Args:
        raw: Rows with columns `meter`, `t`, `v` and any of `label`, `temperature_c`, `occupancy`.
        rules: What is expected of them.
        ledger: Takes the findings.
        where: The data's name, for errors.
        labels: Labels from a file of their own.
        held_rows: How many rows are held before meters that seem over are passed on.

    Raises:
        DataError: The rows cannot be put in order, or no label speaks of any of them.
    """
    for rows in whole_meters(raw, where, held_rows):
        marked = labels.mark(rows) if labels else rows
        cleaned = clean(marked, rules)
        ledger.meters.extend(cleaned.findings)
        ledger.labels_without_reading += _unread_labels(marked, cleaned.rows)
        yield from series_of(cleaned.rows, rules.quantity, rules.interval_ms)
    if labels:
        ledger.labels_unmatched += labels.finish()


def _unread_labels(raw: pl.DataFrame, kept: pl.DataFrame) -> int:
    """Labelled rows of meters that are kept, which are not."""
    if "label" not in raw.columns:
        return 0
    of_kept = pl.col("meter").is_in(kept["meter"].unique().implode())
    labelled = raw.filter(pl.col("label").fill_null(value=False) & of_kept).select("meter", "t").unique()
    return len(labelled.join(kept, on=["meter", "t"], how="anti"))


def nothing_left(ledger: Ledger, where: str) -> DataError:
    """The error for a data set of which no meter is left, with the commonest reason."""
    report = ledger.report("")
    if not report.exclusions:
        return DataError(f"{where}: holds no rows")
    reasons = ", ".join(f"{number} {reason.replace('_', ' ')}" for reason, number in report.reasons.items())
    first = report.exclusions[0]
    return DataError(f"{where}: none of {len(report.meters)} meters is left ({reasons}): {first.meter}: {first.detail}")
