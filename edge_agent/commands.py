"""`wattline edge`: run the agent, check its file and its meters, watch readings."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

EXIT_FAILED: Final = 1

app: Final = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="The agent beside the meters.",
    epilog="Start with: wattline edge check -c agent.toml",
)


class Manual(StrEnum):
    """What a person at the gateway wants of a load."""

    ON = "on"
    OFF = "off"
    AUTO = "auto"


class LogLevel(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


Config = Annotated[Path, typer.Option("-c", "--config", help="The agent's file.", show_default=True)]
_DEFAULT: Final = Path("agent.toml")


@app.command()
def run(
    *,
    config: Config = _DEFAULT,
    until_sent: Annotated[
        bool, typer.Option("--until-sent", help="End when all sensors have ended and the cloud has everything.")
    ] = False,
    log_level: Annotated[LogLevel, typer.Option(help="How much to log, to stderr.")] = LogLevel.INFO,
) -> None:
    """Read the meters, judge, store and forward, until SIGTERM or Ctrl-C.

    Example: wattline edge run -c /etc/wattline/agent.toml
    """
    from edge_agent.run import run_agent

    run_agent(config, until_sent=until_sent, log_level=log_level.value)


@app.command()
def check(
    *,
    config: Config = _DEFAULT,
    timeout_s: Annotated[float, typer.Option("--timeout", help="Seconds to wait for each meter.", min=0.1)] = 15.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Check the file, try every sensor once and the broker.

    Exit status: 0 all well, 1 something does not answer, 2 the file is wrong.

    Example: wattline edge check -c agent.toml --json
    """
    from edge_agent.check import check_all, print_findings

    findings = check_all(config, timeout_s)
    print_findings(findings, as_json=as_json)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(EXIT_FAILED)


@app.command()
def read(
    *,
    config: Config = _DEFAULT,
    meter: Annotated[str, typer.Option(help="Only this meter.")] = "",
    count: Annotated[int, typer.Option(help="End after so many readings; 0 goes on.", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
) -> None:
    """Print what the meters say, live, and send nothing.

    Examples: wattline edge read -c agent.toml; wattline edge read --meter p1 --count 3 --json
    """
    from edge_agent.check import print_readings

    print_readings(config, meter=meter, count=count, as_json=as_json)


@app.command()
def load(
    *,
    name: Annotated[str, typer.Argument(metavar="LOAD", help="Only this load.")] = "",
    config: Config = _DEFAULT,
    manual: Annotated[
        Manual | None, typer.Option(help="Switch it by hand, which wins over commands; auto lets go of it.")
    ] = None,
    lasts: Annotated[
        str, typer.Option("--for", help='How long, such as "4h"; "0s" until auto. [default: the file\'s]')
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Show the switchable loads, or switch one by hand; the running agent does it within a second or two.

    Examples: wattline edge load -c agent.toml; wattline edge load boiler --manual off --for 4h -c agent.toml
    """
    from edge_agent.hand import print_loads, switch_by_hand

    if manual is not None:
        switch_by_hand(config, name, manual.value, lasts)
    else:
        print_loads(config, name, as_json=as_json)
