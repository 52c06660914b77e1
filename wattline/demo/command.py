"""The command line of the demo."""

import json as json_text
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from wattline.config import parse_duration
from wattline.demo.broker import BrokerChoice
from wattline.demo.run import DemoPlan, DemoRun
from wattline.demo.screen import live_view, nothing, show_summary
from wattline.demo.summary import Summary
from wattline.errors import ConfigError
from wattline.stop_signals import interrupted_when_ended


def demo(
    *,
    duration: Annotated[float, typer.Option(min=5, help="Seconds to run once the broker is back.")] = 120.0,
    history: Annotated[str, typer.Option(help='What the gateways collect during the outage, such as "14d".')] = "14d",
    broker: Annotated[BrokerChoice, typer.Option(help="auto: mosquitto if installed, else amqtt.")] = BrokerChoice.AUTO,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON and nothing else on stdout.")] = False,
    no_console: Annotated[bool, typer.Option("--no-console", help="Show no live table.")] = False,
    keep: Annotated[
        Path | None, typer.Option(help="Run in this new folder and leave it: logs, store, configs.")
    ] = None,
) -> None:
    """Run everything on this machine: broker, three gateways, cloud and store.

    An outage comes first: the gateways collect two weeks while the broker is down. Then it drains, runs live, and ends
    with a reckoning. The exit status is 1 when anything was lost or duplicated. Ctrl-C ends it early.

    Example: wattline demo --duration 30 --json
    """
    _check_history(history)
    screen = Console(stderr=json)
    with _folder(keep) as folder, interrupted_when_ended():
        quiet = json or no_console or not screen.is_terminal
        with nullcontext(nothing) if quiet else live_view(screen) as show:
            plan = DemoPlan(folder, duration, history, broker)
            summary = DemoRun(plan, lambda text: screen.print(f"[dim]{text}"), show).run()
    _tell(screen, summary, as_json=json)
    raise typer.Exit(0 if summary.exact else 1)


def _tell(screen: Console, summary: Summary, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json_text.dumps(summary.as_dict()) + "\n")
    else:
        show_summary(screen, summary)


def _check_history(text: str) -> None:
    try:
        length_ms = parse_duration(text)
    except ValueError as error:
        raise ConfigError("--history", str(error)) from None
    longest = parse_duration("14d")
    if not 0 < length_ms <= longest:
        raise ConfigError(
            "--history", f"expected at most 14d, what an outbox keeps, and more than nothing, got {text!r}"
        )


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """An empty folder, left behind where a person asked for it."""
    if keep is None:
        folder = Path(tempfile.mkdtemp(prefix="wattline-demo-"))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return
    try:
        keep.mkdir(parents=True, exist_ok=True)
        if any(keep.iterdir()):
            raise ConfigError("--keep", f"{keep} is not empty: what lies there would be counted too")
    except OSError as error:
        raise ConfigError("--keep", f"{keep}: {error.strerror}") from None
    yield keep.resolve()
