"""`wattline doctor`: what is installed, reachable, misconfigured, and what to do about it."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from wattline.diagnosis import Finding, State, diagnose

_STYLES: Final = {State.OK: "green", State.NOTE: "yellow", State.ACTION: "bold red"}


def doctor(
    config: Annotated[
        list[Path] | None,
        typer.Option("--config", "-c", help="An agent.toml or cloud.toml; may be given several times."),
    ] = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Say what is installed, reachable and misconfigured, and what to do about it.

    Changes nothing. The exit status is 1 when something needs a person.

    Examples: wattline doctor | wattline doctor -c /etc/wattline/agent.toml
    """
    findings = diagnose(config or [])
    if json:
        sys.stdout.write(as_json(findings) + "\n")
    else:
        _show(findings)
    if any(finding.state is State.ACTION for finding in findings):
        raise typer.Exit(1)


def as_json(findings: Sequence[Finding]) -> str:
    """One object: how many findings need a person, and all of them."""
    actions = sum(finding.state is State.ACTION for finding in findings)
    return msgspec.json.encode({"actions": actions, "findings": findings}).decode()


def _show(findings: Sequence[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("", "what", "found", "what to do", box=None, pad_edge=False)
    topic = ""
    for finding in findings:
        if finding.topic != topic:
            topic = finding.topic
            table.add_row("", Text(topic, style="bold"), "", "")
        state = Text(finding.state.value, style=_STYLES[finding.state])
        table.add_row(state, Text(f"  {finding.name}"), Text(finding.detail), Text(finding.action))
    Console().print(table)
