"""How far an export is, on a terminal's standard error, and what it has come to."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from cloud_stream.export.output import STDOUT
from cloud_stream.export.selection import Selection

_REFRESHES_PER_S: Final = 4


class Watched(Protocol):
    """Is told how far it is."""

    def reached(self, t_ms: int) -> None:
        """All is read up to a time."""

    def wrote(self, rows: int) -> None:
        """So many more rows are written."""


class Shown:
    """Shows it.

    Attributes:
        rows: How many are written.
    """

    def __init__(self, progress: Progress, wanted: Selection) -> None:
        self.rows = 0
        self._progress = progress
        self._start_ms = wanted.start_ms
        total = max(1, wanted.end_ms - wanted.start_ms)
        self._task = progress.add_task(wanted.measurement, total=total, rows=0)

    def reached(self, t_ms: int) -> None:
        """See `Watched`."""
        self._progress.update(self._task, completed=t_ms - self._start_ms)

    def wrote(self, rows: int) -> None:
        """See `Watched`."""
        self.rows += rows
        self._progress.update(self._task, rows=self.rows)


@contextmanager
def shown(wanted: Selection, output: Path | None) -> Iterator[Shown]:
    """Show progress where a person sees it and it is not among the rows; with a file, say at the end what is in it."""
    console = Console(stderr=True)
    among_rows = output is None and os.isatty(STDOUT)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]:,} rows"),
        TimeRemainingColumn(),
    )
    hidden = among_rows or not console.is_terminal
    bars = Progress(
        *columns, console=console, disable=hidden, transient=True, refresh_per_second=_REFRESHES_PER_S,
        redirect_stdout=False,
    )  # fmt: skip
    with bars as progress:
        watched = Shown(progress, wanted)
        yield watched
    if output is not None:
        console.print(f"{watched.rows} rows in {output}", markup=False, highlight=False, soft_wrap=True)
