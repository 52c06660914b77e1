"""Puts the switchable loads of an agent together, from its file."""

import queue
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from edge_agent.actuators import actuator_kind
from edge_agent.actuators.board import LoadBoard
from edge_agent.actuators.desk import LoadDesk
from edge_agent.actuators.load_state import LoadRules
from edge_agent.actuators.relay import MAX_REPORTS, Relay, Report
from edge_agent.actuators.state_file import StateFile
from edge_agent.actuators.trusted_clock import clock_check
from edge_agent.clock import steady_ms, wall_ms
from edge_agent.config import AgentConfig
from edge_agent.load_config import LoadConfig

STATE_FILE: Final = "loads.json"


def make_desk(
    config: AgentConfig,
    options: Sequence[msgspec.Struct],
    connected: Callable[[], bool],
    on_news: Callable[[], None],
    on_change: Callable[[], None],
) -> LoadDesk:
    """Everything for the loads of a file; nothing is started.

    Args:
        config: The file.
        options: Each load's actuator's own.
        connected: Whether the broker is there.
        on_news: Called when something has to be told soon.
        on_change: Called when a load is not as it was.
    """
    folder = config.gateway.state_dir
    file = StateFile(folder / STATE_FILE)
    reports: queue.Queue[Report] = queue.Queue(MAX_REPORTS)
    relays = [
        Relay(
            load.id,
            partial(actuator_kind(load.actuator).make, config, load.id, own),
            reports,
            on_news,
            poll_s=load.poll.seconds,
        )
        for load, own in zip(config.load, options, strict=True)
    ]
    return LoadDesk(
        gateway=config.gateway.id,
        state_dir=folder,
        board=LoadBoard([rules_of(load) for load in config.load], file.load(), wall_ms()),
        file=file,
        relays=relays,
        reports=reports,
        clocks=(wall_ms, steady_ms),
        synchronised=clock_check(config.commands.clock),
        connected=connected,
        on_news=on_news,
        on_change=on_change,
    )


def rules_of(load: LoadConfig) -> LoadRules:
    """What the file fixes for a load."""
    return LoadRules(
        id=load.id,
        kind=load.kind,
        meter=load.meter,
        power_w=load.power,
        allowed=load.control == "cloud",
        released_on=load.released == "on",
        min_on_ms=load.min_on,
        min_off_ms=load.min_off,
        max_off_ms=load.max_off,
        max_hold_ms=load.max_hold,
        manual_ms=load.manual_for,
        loss_ms=load.loss_after if load.at_loss == "release" else 0,
        release_at_start=load.at_start == "release",
    )


def state_path(config: AgentConfig) -> Path:
    """Where the state of the loads is kept."""
    return config.gateway.state_dir / STATE_FILE
