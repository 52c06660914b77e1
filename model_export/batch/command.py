"""`wattline models batch`: the run over one's own files."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from model_export.errors import ModelExportError, one_line

if TYPE_CHECKING:
    from model_export.batch.results import Summary

_EXIT_USAGE: Final = 2
_errors: Final = Console(stderr=True)


def batch(
    data: Annotated[Path, typer.Option(help="Folder of CSV files, plain or gzipped.", metavar="DIR")],
    out: Annotated[Path, typer.Option(help="Folder of the results.", metavar="DIR")] = Path("batch"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON, and nothing else.")] = False,  # noqa: FBT002 - typer makes a flag of it
) -> None:
    """Turn a survey's half hours into days, forecasts of tomorrow, and unusual days, in one run.

    Reads the layouts of the Low Carbon London project, of any size: memory grows with the days, not with the rows.
    Writes `daily.parquet`, `forecast.parquet`, `anomalies.parquet` and `summary.json`.

    Example: `wattline models batch --data london/ --out survey/`
    """
    from model_export.batch.pipeline import run_batch

    try:
        with _rows_so_far() as progress:
            summary = run_batch(data, out, progress)
    except ModelExportError as error:
        typer.echo(typer.style(f"error: {one_line(str(error))}", fg="red"), err=True)
        raise typer.Exit(_EXIT_USAGE) from None
    if as_json:
        typer.echo(msgspec.json.encode(summary))
    else:
        _show(summary, out)


@contextmanager
def _rows_so_far() -> Iterator[Callable[[int], None]]:
    """A line that moves, where a person looks on."""
    with _errors.status("reading") as status:
        yield lambda rows: status.update(f"{rows:,} rows read")


def _show(summary: "Summary", out: Path) -> None:
    counts = msgspec.structs.asdict(summary.counts)
    left_out = ", ".join(f"{number:,} {name}" for name, number in counts.items() if number and name != "rows")
    table = Table(title=str(out), show_header=False)
    table.add_row("rows", f"{summary.counts.rows:,}")
    table.add_row("left out", left_out or "none")
    table.add_row("homes", f"{summary.homes:,}")
    table.add_row("days", f"{summary.days:,}, {summary.whole_days:,} of them whole")
    table.add_row("tomorrow's use", _forecast_line(summary))
    table.add_row("unusual days", f"{summary.clusters.anomalies:,}" if summary.clusters else "too few days")
    table.add_row("seconds", f"{summary.seconds:.1f}")
    Console().print(table)


def _forecast_line(summary: "Summary") -> str:
    fit = summary.forecast
    if fit is None:
        return "too few days in a row"
    return f"wrong by {fit.mae_kwh:.2f} kWh on average (a week ago's use: {fit.week_ago_mae_kwh:.2f})"
