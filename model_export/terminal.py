"""What the commands have in common on a terminal: progress, results, errors as one line."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from model_export.errors import ModelExportError, one_line
from model_export.whole_files import refuse_folder, write_whole

Step = Callable[[str, int | None], Callable[[], None]]
"""Begins a step of so many parts; gives what is called after each part."""
_errors: Final = Console(stderr=True)


@contextmanager
def progress_bars() -> Iterator[Step]:
    """A bar per step on a terminal's stderr; nothing elsewhere."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=_errors, disable=not _errors.is_terminal) as progress:

        def step(title: str, total: int | None) -> Callable[[], None]:
            task = progress.add_task(title, total=total)
            return lambda: progress.advance(task)

        yield step


@contextmanager
def readable_errors() -> Iterator[None]:
    """What a person can put right ends as one line and exit status 2."""
    try:
        yield
    except ModelExportError as error:
        _complain(str(error))
    except OSError as error:
        _complain(f"{error.filename}: {error.strerror}" if error.filename else str(error))


def _complain(problem: str) -> NoReturn:
    typer.echo(typer.style(f"error: {one_line(problem)}", fg="red"), err=True)
    raise typer.Exit(2) from None


def say(line: str) -> None:
    """Tell something on stderr that is no result and no error."""
    typer.echo(line, err=True)


def show(figures: Mapping[str, Any], *, as_json: bool, title: str) -> None:
    """Print figures with their names, for a person or as one JSON object."""
    if as_json:
        typer.echo(json.dumps(figures))
        return
    table = Table(title=title, show_header=False)
    for name, figure in _for_a_person(figures).items():
        table.add_row(name, f"{figure:.3g}" if isinstance(figure, float) else str(figure))
    Console().print(table)


def _for_a_person(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Without what only programs read and what was told already."""
    told = {name: figure for name, figure in figures.items() if not isinstance(figure, dict | list)}
    return {name: figure for name, figure in told.items() if name != "features" and not name.startswith("reference_")}


def created() -> str:
    """Now, or SOURCE_DATE_EPOCH where builds must repeat byte for byte."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    return (datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)).isoformat(timespec="seconds")


def check_writable(out: Path) -> None:
    """Find out before the work whether its result can be written.

    Raises:
        OSError: It cannot.
    """
    refuse_folder(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    fresh = out.with_name(f"{out.name}.new")
    fresh.write_bytes(b"")
    fresh.unlink()


def write_file(out: Path, content: bytes) -> None:
    """Write a file that is there whole or not at all."""
    write_whole(out, lambda fresh: fresh.write_bytes(content))
