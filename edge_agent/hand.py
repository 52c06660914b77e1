"""What a person at the gateway sees of the loads, and how he switches one."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from edge_agent.bootstrap import load_plan
from edge_agent.load_config import LoadConfig
from wattline.config import parse_duration
from wattline.errors import ConfigError

if TYPE_CHECKING:
    from edge_agent.actuators.load_state import LoadState


def switch_by_hand(path: Path, name: str, manual: str, lasts: str) -> None:
    """Leave a wish for the running agent.

    Args:
        path: `agent.toml`.
        name: The load.
        manual: `on`, `off` or `auto`.
        lasts: How long, as a duration; "" as the file says, "0s" until `auto`.

    Raises:
        ConfigError: The file is wrong or has no such load, the time is none, or the state folder cannot be written.
    """
    from edge_agent.actuators.manual_file import HandWish, leave_wish

    plan = load_plan(path)
    load = next((one for one in plan.config.load if one.id == name), None)
    if load is None:
        known = ", ".join(one.id for one in plan.config.load) or "none"
        raise ConfigError("LOAD", f"there is no load {name!r} in {path}; there are: {known}")
    try:
        lasts_ms = parse_duration(lasts) if lasts else load.manual_for
    except ValueError as error:
        raise ConfigError("--for", str(error)) from None
    until_ms = time.time_ns() // 1_000_000 + lasts_ms if lasts_ms and manual != "auto" else 0
    try:
        wish = msgspec.convert({"manual": manual, "until_ms": until_ms}, HandWish)
    except msgspec.ValidationError as error:
        raise ConfigError("--for", str(error)) from None
    leave_wish(plan.config.gateway.state_dir, name, wish)
    sys.stderr.write(f"the agent will be told: {name} {manual}\n")


def print_loads(path: Path, name: str, *, as_json: bool) -> None:
    """Print what the agent last kept of its loads.

    Args:
        path: `agent.toml`.
        name: Only this load; all when empty.
        as_json: One JSON array instead of a table.

    Raises:
        ConfigError: The file is wrong, or has no such load.
    """
    plan = load_plan(path)
    chosen = [load for load in plan.config.load if name in ("", load.id)]
    if name and not chosen:
        raise ConfigError("LOAD", f"there is no load {name!r} in {path}")
    rows = _rows(plan.config.gateway.state_dir, chosen)
    if as_json:
        sys.stdout.write(msgspec.json.encode(rows).decode() + "\n")
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("load", "control", "mode", "relay", "held by", "until")
    for row in rows:
        table.add_row(*(escape(str(row[column])) for column in ("id", "control", "mode", "state", "command", "until")))
    Console().print(table)


def _rows(state_dir: Path, loads: list[LoadConfig]) -> list[dict[str, Any]]:
    """One dictionary a load: what the file fixes, and what the agent kept."""
    if not loads:
        return []
    from edge_agent.actuators.load_state import LoadState
    from edge_agent.actuators.setup import STATE_FILE
    from edge_agent.actuators.state_file import peek

    kept = peek(state_dir / STATE_FILE)
    return [_row(load, kept.get(load.id, LoadState())) for load in loads]


def _row(load: LoadConfig, state: "LoadState") -> dict[str, Any]:
    hold, manual = state.hold, state.manual
    until_ms = hold.until_ms if hold else manual.until_ms if manual else 0
    until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(until_ms / 1000)) if until_ms else ""
    return {
        "id": load.id,
        "control": load.control,
        "mode": "manual" if manual else "auto",
        "state": "unknown" if state.on is None or state.unsure else "on" if state.on else "off",
        "command": hold.id if hold else "",
        "until": until,
    }
