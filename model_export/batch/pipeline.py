"""The run: files -> rows -> days -> forecast and unusual days -> Parquet."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import polars as pl

from model_export.batch.anomalies import unusual_days
from model_export.batch.days import DayCollector, Days
from model_export.batch.files import Survey, find_survey
from model_export.batch.forecast import forecast_days
from model_export.batch.reading import read_pieces
from model_export.batch.results import ANOMALIES, DAILY, FORECAST, SUMMARY, Counts, Summary, write_summary
from model_export.batch.rules import DAY_SLOTS
from model_export.batch.stop_watch import StopWatch
from model_export.errors import DataError
from model_export.whole_files import write_whole


def run_batch(data: Path, out: Path, progress: Callable[[int], None] = lambda _: None) -> Summary:
    """Read the files in `data` and write `daily`, `forecast`, `anomalies` (Parquet) and `summary.json` to `out`.

    Args:
        data: Folder of CSV files.
        out: Folder, made where it is missing; results of an earlier run are replaced.
        progress: Is told the rows read so far.

    Raises:
        DataError: The files cannot be read or hold no value at all, or the results cannot be written.
    """
    watch = StopWatch()
    survey = find_survey(data)
    _make(out)
    counts, days = _read(survey, progress)
    if not days.values:
        raise DataError(f"{data}: no row can be used: {_reasons(counts)}")
    watch.lap("read")
    fit, forecasts = forecast_days(days.table)
    watch.lap("forecast")
    clusters, kinds = unusual_days(days.table)
    watch.lap("anomalies")
    for name, table in {DAILY: days.table, FORECAST: forecasts, ANOMALIES: kinds}.items():
        _write(table, out / name)
    watch.lap("write")
    summary = Summary(
        engine=f"polars {pl.__version__}",
        counts=counts,
        homes=days.table["home"].n_unique(),
        days=days.table.height,
        whole_days=int((days.table["n"] == DAY_SLOTS).sum()),
        forecast=fit,
        clusters=clusters,
        seconds=round(watch.total_s, 3),
        steps_s=watch.laps_s,
    )
    _write_last(summary, out)
    return summary


def _read(survey: Survey, progress: Callable[[int], None]) -> tuple[Counts, Days]:
    homes: dict[str, int] = {}
    collector, counts, used = DayCollector(), Counts(), 0
    for piece in read_pieces(survey, homes):
        collector.add(piece.home, piece.slot, piece.kwh)
        counts += piece.counts
        used += len(piece.kwh)
        progress(counts.rows)
    days = collector.finish(homes)
    return counts + Counts(duplicate=used - days.values), days


def _reasons(counts: Counts) -> str:
    return ", ".join(f"{number} {name}" for name, number in msgspec.structs.asdict(counts).items())


def _make(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / SUMMARY).unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"{out}: {error.strerror}") from None


def _write(table: pl.DataFrame, file: Path) -> None:
    try:
        write_whole(file, table.write_parquet)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{file}: {error}") from None


def _write_last(summary: Summary, out: Path) -> None:
    try:
        write_summary(summary, out)
    except OSError as error:
        raise DataError(f"{out / SUMMARY}: {error.strerror or error}") from None
