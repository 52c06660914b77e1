"""The command line of the demo."""

import json as json_text
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from wattline.demo.run import DemoRun
from wattline.demo.screen import live_table, nothing, show_summary


def demo(
    *,
    duration: Annotated[float, typer.Option(min=5, help="Seconds to run once the broker is up.")] = 120.0,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON and nothing else on stdout.")] = False,
    no_console: Annotated[bool, typer.Option("--no-console", help="Show no live table.")] = False,
    keep: Annotated[
        Path | None, typer.Option(help="Run in this new folder and leave it: logs, store, configs.")
    ] = None,
) -> None:
    """Run everything on this machine: broker, three gateways, cloud and store.

    An outage comes first: the agents collect two weeks while the broker is down. Then it drains, runs live, and ends
    with a reckoning. The exit status is 1 when anything was lost or duplicated.

    Example: wattline demo --duration 30 --json
    """
    screen = Console(stderr=json)
    folder = keep or Path(tempfile.mkdtemp(prefix="wattline-demo-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        run = DemoRun(folder.resolve(), lambda text: screen.print(f"[dim]{text}"))
        if json or no_console or not screen.is_terminal:
            summary = run.run(duration, nothing)
        else:
            with live_table(screen) as show:
                summary = run.run(duration, show)
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    if json:
        sys.stdout.write(json_text.dumps(summary.as_dict()) + "\n")
    else:
        show_summary(screen, summary)
    raise typer.Exit(0 if summary.exact else 1)
