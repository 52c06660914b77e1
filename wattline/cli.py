"""The `wattline` command: finds the part that is asked for and gives it the rest of the line.

The parts are named by text and imported when they are run, so that a gateway
needs no cloud package, and `wattline --help` none at all. Typer is imported
late too: a running agent must not carry a command line's libraries about.
"""

import errno
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, TextIO

from wattline.errors import ConfigError, MissingExtraError, WattlineError

if TYPE_CHECKING:
    import typer

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_INTERRUPTED: Final = 130
"""128 + SIGINT, as shells have it."""


class Part(NamedTuple):
    """One word after `wattline`.

    Attributes:
        target: `module:name` of a typer app or of one function.
        extra: What brings its packages: ``pip install 'wattline[extra]'``.
        summary: One line of help.
    """

    target: str
    extra: str
    summary: str


PARTS: Final = {
    "demo": Part("wattline.demo:demo", "all", "Everything on this machine: broker, meters, agents, cloud, store."),
    "edge": Part("edge_agent.commands:app", "edge", "The agent beside the meters: run, check, read."),
    "cloud": Part("cloud_stream.commands:app", "cloud", "The cloud side: run, or each of its processes alone."),
    "gateways": Part("cloud_stream.commands:gateways_app", "cloud", "Enrol, revoke and list the gateways of a cloud."),
    "alerts": Part("cloud_stream.alert_commands:app", "cloud", "What fires and who is told: list, ack, silence, test."),
    "intents": Part("cloud_stream.intents.commands:app", "cloud", "Wishes about consumption: check, status, cost."),
    "export": Part("cloud_stream.export.command:export", "cloud", "Write what is stored as CSV or JSON lines."),
    "models": Part("model_export.commands:app", "models", "Train, evaluate and export detectors and forecasters."),
    "simulate": Part("simulators.commands:app", "edge", "A fleet of gateways, or one meter."),
    "bench": Part("wattline.bench:app", "all", "Measure the agent and the way into the store."),
    "doctor": Part("wattline.doctor:doctor", "edge", "What is installed, reachable, misconfigured, and what to do."),
}
_RUN_AGENT: Final = "edge_agent.run:run_agent"
_OWN_PACKAGES: Final = ("wattline", "edge_agent", "cloud_stream", "model_export", "simulators")


def main() -> int:
    """Run the command line of this process.

    Returns:
        The exit status: 0, 1 for a failure, 2 for a wrong command line or configuration or a missing package,
        130 after Ctrl-C.
    """
    # Typer's own tracebacks are long and may show values; a failure that is no WattlineError gets Python's.
    os.environ.setdefault("TYPER_STANDARD_TRACEBACK", "1")
    stdout: TextIO | None = sys.stdout
    if stdout is None:  # closed by whoever started us
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for the rest of the process
    return run(sys.argv[1:])


def run(arguments: Sequence[str]) -> int:
    """Run one command line, turning errors into a line on stderr and an exit status.

    Raises:
        SystemExit: A part's typer app has ended; it carries the exit status.
    """
    try:
        try:
            _dispatch(list(arguments))
        finally:
            sys.stdout.flush()
    except (ConfigError, MissingExtraError) as error:
        return _complain(error, EXIT_USAGE)
    except WattlineError as error:
        return _complain(error, EXIT_FAILED)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EPIPE):
            raise
        _give_up_stdout()
        if error.errno == errno.EPIPE:
            return EXIT_FAILED
        return _complain(WattlineError(error.strerror), EXIT_FAILED)
    return 0


def _give_up_stdout() -> None:
    """What is still in the buffer goes nowhere: Python would complain about it once more at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _complain(error: WattlineError, status: int) -> int:
    sys.stderr.write(f"wattline: {' '.join(str(error).split())}\n")
    return status


def _dispatch(arguments: list[str]) -> None:
    if arguments and arguments[0] in PARTS:
        _run_part(arguments[0], arguments[1:])
    else:
        _front()(args=arguments or ["--help"], prog_name="wattline")


def bare_agent(arguments: Sequence[str]) -> Path | None:
    """The file of `wattline edge run -c FILE`, as a service manager starts it; None for every other line.

    Such an agent runs for months without typer: measured, 10 MB and 75 ms less. Whatever else the line says is typer's
    to understand.
    """
    match arguments:
        case ["edge", "run", "-c" | "--config", file] if not file.startswith("-"):
            return Path(file)
        case _:
            return None


def _run_part(name: str, arguments: list[str]) -> None:
    part = PARTS[name]
    agent = bare_agent([name, *arguments])
    try:
        if agent is not None:
            _load(_RUN_AGENT)(agent)
        else:
            _as_app(_load(part.target))(args=arguments, prog_name=f"wattline {name}")
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if f"{part.target.partition(':')[0]}.".startswith(f"{missing}."):
            raise WattlineError(f"this installation has no {name!r} part") from error
        if missing.partition(".")[0] in _OWN_PACKAGES:
            raise
        raise MissingExtraError(part.extra, missing) from error


def _load(target: str) -> Any:  # noqa: ANN401 - an app or a function, told apart by the caller
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


def _as_app(target: Any) -> "typer.Typer":  # noqa: ANN401 - as above
    import typer

    if isinstance(target, typer.Typer):
        return target
    app = typer.Typer(add_completion=False)
    app.command()(target)
    return app


def _front() -> "typer.Typer":
    """What answers `--help`, `--version` and misspelt words: every part's name and line, none of their code."""
    import typer

    app = typer.Typer(
        add_completion=False,
        help="Utility meters read and judged at the edge, stored, added up and watched in the cloud.",
        epilog="Start with: wattline demo. More about a part: wattline edge --help",
    )

    def options(
        *,
        version: Annotated[
            bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
        ] = False,
    ) -> None: ...

    app.callback()(options)
    for name, part in PARTS.items():
        app.command(name, help=part.summary)(_starter(name))
    return app


def _show_version(*, wanted: bool) -> None:
    if wanted:
        from importlib import metadata

        sys.stdout.write(f"wattline {metadata.version('wattline')}\n")
        raise SystemExit(0)


def _starter(name: str) -> Callable[[], None]:
    def start() -> None:
        _run_part(name, [])

    return start
