"""Tries a file, its sensors and its broker once, for a person at the meter cupboard."""

import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from edge_agent.bootstrap import Plan, check_model, load_plan, make_actuator, make_sensor
from edge_agent.errors import EndOfReadingsError
from edge_agent.intake import Intake
from edge_agent.mqtt import Connection
from edge_agent.supervisor import SensorRunner, Supervisor
from wattline import topics
from wattline.errors import ConfigError, WattlineError
from wattline.reading import Reading

_PARALLEL: Final = 16
_POLL_S: Final = 0.2
_STOP_S: Final = 1.5


class Finding(msgspec.Struct, frozen=True):
    """What a try found.

    Attributes:
        what: `folder`, `model`, `meter`, `load`, `clock` or `broker`.
        name: The folder's or model's path, the meter's or load's id, how the clock is checked, the broker's URL.
        detail: The first reading, where the relay is, the MQTT version, or what failed.
        seconds: How long it took.
    """

    what: str
    name: str
    ok: bool
    detail: str
    seconds: float


def check_all(path: Path, timeout_s: float) -> list[Finding]:
    """Try everything at once.

    Raises:
        ConfigError: The file is wrong; nothing was tried.
    """
    plan = load_plan(path)
    with ThreadPoolExecutor(_PARALLEL) as pool:
        meters = pool.map(lambda index: _try_meter(plan, index, timeout_s), range(len(plan.config.meter)))
        loads = pool.map(lambda index: _try_load(plan, index), range(len(plan.config.load)))
        return [_try_folder(plan), *_try_model(plan), *meters, *loads, *_try_clock(plan), _try_broker(plan)]


def print_findings(findings: list[Finding], *, as_json: bool) -> None:
    """Print a table, or one JSON object with `ok` and `findings`."""
    if as_json:
        whole = {"ok": all(finding.ok for finding in findings), "findings": findings}
        sys.stdout.write(msgspec.json.encode(whole).decode() + "\n")
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("", "what", "name", "detail", "s")
    for finding in findings:
        mark = "[green]ok[/green]" if finding.ok else "[red]failed[/red]"
        table.add_row(mark, finding.what, escape(finding.name), escape(finding.detail), f"{finding.seconds:.1f}")
    Console().print(table)


def print_readings(path: Path, *, meter: str, count: int, as_json: bool) -> None:
    """Print readings as they come.

    Args:
        path: `agent.toml`.
        meter: Only this one; all when empty.
        count: End after so many; 0 goes on until Ctrl-C or all sensors have ended.
        as_json: One JSON object a line.

    Raises:
        ConfigError: The file is wrong, or has no such meter.
    """
    plan = load_plan(path)
    chosen = [i for i, table in enumerate(plan.config.meter) if meter in ("", table.id)]
    if not chosen:
        raise ConfigError("--meter", f"there is no meter {meter!r} in {path}")
    for printed, reading in enumerate(_live(plan, chosen), 1):
        sys.stdout.write(_line(reading, as_json=as_json) + "\n")
        sys.stdout.flush()
        if printed == count:
            return


def _live(plan: Plan, chosen: list[int]) -> Iterator[Reading]:
    """Readings of sensors under supervision, as in the running agent."""
    intake = Intake()
    runners = [SensorRunner(plan.config.meter[i].id, make_sensor(plan, i), intake) for i in chosen]
    supervisor = Supervisor(runners)
    supervisor.start()
    try:
        while True:
            ended = supervisor.all_ended
            yield from intake.take().readings
            if ended:
                return
            time.sleep(_POLL_S)
    finally:
        supervisor.stop(_STOP_S)


def _line(reading: Reading, *, as_json: bool) -> str:
    if as_json:
        return msgspec.json.encode(reading).decode()
    moment = datetime.fromtimestamp(reading.t_ms / 1000, UTC).isoformat(timespec="milliseconds")
    values = "  ".join(f"{name}={value:g}" for name, value in reading.values.items())
    return f"{moment}  {reading.meter}  {values}"


def _try_meter(plan: Plan, index: int, timeout_s: float) -> Finding:
    meter = plan.config.meter[index].id
    started = time.monotonic()
    try:
        detail, ok = _first_reading(plan, index, timeout_s)
    except EndOfReadingsError as error:
        detail, ok = str(error), True
    except WattlineError as error:
        detail, ok = str(error), False
    return Finding("meter", meter, ok, detail, round(time.monotonic() - started, 2))


def _first_reading(plan: Plan, index: int, timeout_s: float) -> tuple[str, bool]:
    sensor = make_sensor(plan, index)
    deadline = time.monotonic() + timeout_s
    try:
        sensor.open()
        while (left_s := deadline - time.monotonic()) > 0:
            readings = sensor.read(min(1.0, left_s))
            if readings:
                return _line(readings[0], as_json=False), True
    finally:
        sensor.close()
    return f"no reading within {timeout_s:g} s", False


def _try_load(plan: Plan, index: int) -> Finding:
    """Look where a relay is; nothing is switched, for a person may be under the shower."""
    load, started = plan.config.load[index].id, time.monotonic()
    try:
        actuator = make_actuator(plan, index)
        try:
            on = actuator.state()
        finally:
            actuator.close()
    except WattlineError as error:
        return Finding("load", load, ok=False, detail=str(error), seconds=_since(started))
    detail = "answers, and says nothing of where it is" if on is None else f"is {'on' if on else 'off'}"
    return Finding("load", load, ok=True, detail=detail, seconds=_since(started))


def _try_clock(plan: Plan) -> Iterator[Finding]:
    """Whether commands would be believed now."""
    if any(load.control == "cloud" for load in plan.config.load):
        from edge_agent.actuators.trusted_clock import clock_check

        how = plan.config.commands.clock
        ok = clock_check(how)()
        detail = "synchronised" if ok else "not synchronised: every command is refused; see [commands] clock"
        yield Finding("clock", how, ok, detail, 0.0)


def _try_folder(plan: Plan) -> Finding:
    """Whether state can be kept there by whoever asks; nothing is made, for the agent may run as somebody else."""
    folder = plan.config.gateway.state_dir
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not nearest.is_dir():
        detail, ok = f"{nearest} is not a folder", False
    else:
        ok = os.access(nearest, os.W_OK | os.X_OK)
        detail = f"{'may' if ok else 'may not'} be written by this user"
    return Finding("folder", str(folder), ok, detail, 0.0)


def _try_model(plan: Plan) -> Iterator[Finding]:
    model = plan.config.detector.model
    if model is None:
        return
    started = time.monotonic()
    try:
        check_model(plan.config)
        detail, ok = "loads", True
    except WattlineError as error:
        detail, ok = str(error), False
    yield Finding("model", str(model), ok, detail, _since(started))


def _try_broker(plan: Plan) -> Finding:
    """Connect under another client id, so that a running agent is not thrown off."""
    config, started = plan.config, time.monotonic()
    problems = []
    for version in ("5", "3.1.1") if config.broker.protocol == "auto" else (config.broker.protocol,):
        connection = Connection(config.broker, config.gateway.id, version, session="-check")
        try:
            connection.open()
            if config.publish.ack == "cloud":
                connection.subscribe(topics.down(config.gateway.id, topics.Down.ACK))
            if config.load:
                connection.subscribe(topics.down(config.gateway.id, topics.Down.COMMAND))
        except WattlineError as error:
            problems.append(str(error))
            connection.abandon()
        else:
            connection.close()
            return Finding("broker", config.broker.url, ok=True, detail=f"MQTT {version}", seconds=_since(started))
    detail = "; ".join(dict.fromkeys(problems))
    return Finding("broker", config.broker.url, ok=False, detail=detail, seconds=_since(started))


def _since(started: float) -> float:
    return round(time.monotonic() - started, 2)
