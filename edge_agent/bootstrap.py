"""Builds a whole agent from its file: the only place where all parts are known."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote

import msgspec

from edge_agent.agent import Agent
from edge_agent.batcher import Batcher, FlushTimer
from edge_agent.clock import ClockWatch
from edge_agent.config import AgentConfig, DetectorConfig, MeterConfig, load_config
from edge_agent.errors import ModelError
from edge_agent.id_rules import id_problem
from edge_agent.intake import Intake
from edge_agent.judge_guard import GuardedJudge, NoJudge
from edge_agent.mqtt import Received
from edge_agent.no_loads import NoLoads
from edge_agent.outbox import LogOutbox, OverflowingWriter
from edge_agent.pipeline import Pipeline
from edge_agent.ports import Actuator, Detector, Sensor
from edge_agent.publisher import Publisher, PublisherConfig
from edge_agent.publisher_state import Limits
from edge_agent.sensors import meter_options, sensor_kind
from edge_agent.supervisor import SensorRunner, Supervisor
from wattline.errors import ConfigError, WattlineError
from wattline.wire import VERSION, LoadInfo, MeterInfo, Status

if TYPE_CHECKING:
    from edge_agent.actuators.desk import LoadDesk
    from edge_agent.detectors.onnx import DetectorShelf

_log: Final = logging.getLogger("edge_agent")

EVENTS_SHARE: Final = 16
"""The outbox of events may hold this fraction of the bytes; they are rare and small."""

_SECOND_S: Final = 1.0


class Plan(NamedTuple):
    """A checked file: nothing in it is opened yet.

    Attributes:
        options: Each meter's own.
        further: Meters that the sensors of others read as well.
        load_options: Each load's own.
    """

    config: AgentConfig
    options: tuple[msgspec.Struct, ...]
    further: tuple[MeterInfo, ...] = ()
    load_options: tuple[msgspec.Struct, ...] = ()


def load_plan(path: Path) -> Plan:
    """Read `agent.toml` and check it down to every sensor's options.

    Raises:
        ConfigError: Something in the file is wrong.
        MissingExtraError: A sensor needs packages that are not installed.
    """
    config = load_config(path)
    try:
        options = tuple(_options(config, meter, i) for i, meter in enumerate(config.meter))
        further = tuple(_further_meters(config, options))
        meters = {meter.id for meter in config.meter} | {meter.id for meter in further}
        _check_detector_meters(config.detector, meters)
        load_options = _load_options(config, meters)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.where}", error.problem) from None
    return Plan(config, options, further, load_options)


def _load_options(config: AgentConfig, meters: set[str]) -> tuple[msgspec.Struct, ...]:
    """Every load's options; without a load, nothing about loads is even imported."""
    if not config.load:
        return ()
    from edge_agent.actuators import load_options

    for index, load in enumerate(config.load):
        if load.meter and load.meter not in meters:
            raise ConfigError(f"load[{index}].meter", f"no meter is called {load.meter!r}")
    return tuple(load_options(load, f"load[{index}]") for index, load in enumerate(config.load))


def _further_meters(config: AgentConfig, options: Sequence[msgspec.Struct]) -> Iterator[MeterInfo]:
    """The meters behind other meters' sensors; refuses ids that are none or taken: readings would be mixed up."""
    taken = {meter.id for meter in config.meter}
    for index, meter in enumerate(config.meter):
        for name, info in sensor_kind(meter.sensor).further_meters(options[index]).items():
            taken_already = f"{info.id!r} is taken by another meter" if info.id in taken else ""
            if problem := id_problem(info.id) or taken_already:
                raise ConfigError(f"meter[{index}].options.{name}", problem)
            taken.add(info.id)
            yield info


def _check_detector_meters(detector: DetectorConfig, known: set[str]) -> None:
    """Refuse a meter that there is not: its rules or values would silently be missing."""
    named = {f"detector.rules.meter[{index}].id": rules.id for index, rules in enumerate(detector.rules.meter)}
    named |= {f"detector.{name}": getattr(detector, name) for name in ("temperature_meter", "occupancy_meter")}
    for where, meter in named.items():
        if meter and meter not in known:
            raise ConfigError(where, f"no meter is called {meter!r}")


def check_model(config: AgentConfig) -> None:
    """Load the detector that the file names, and forget it.

    Raises:
        ConfigError: It cannot be used.
    """
    if config.detector.enabled and config.detector.model is not None:
        _shelf(config.detector.model)


def make_sensor(plan: Plan, index: int) -> Sensor:
    """The sensor of the meter at `index`, not yet open."""
    meter = plan.config.meter[index]
    return sensor_kind(meter.sensor).make(meter.id, plan.options[index])


def make_actuator(plan: Plan, index: int) -> Actuator:
    """The actuator of the load at `index`, not yet connected.

    Raises:
        MissingExtraError: A package it needs is not installed.
    """
    from edge_agent.actuators import actuator_kind

    load = plan.config.load[index]
    return actuator_kind(load.actuator).make(plan.config, load.id, plan.load_options[index])


def make_agent(plan: Plan) -> Agent:
    """Put the parts together; opens the outboxes, and starts nothing.

    Raises:
        ConfigError: The state folder or the model cannot be used.
    """
    config = plan.config
    intake = Intake()
    runners = [SensorRunner(meter.id, make_sensor(plan, i), intake) for i, meter in enumerate(config.meter)]
    supervisor = Supervisor(runners)
    readings, events = _outboxes(config)
    judge, model, save = _make_judge(plan)
    batcher = Batcher()
    writers = OverflowingWriter(readings), OverflowingWriter(events)

    clock = ClockWatch.of_now()

    def announce() -> None:
        publisher.announce()

    loads = _make_loads(plan, lambda: publisher.connected, intake.hurry, announce)

    def figures() -> Mapping[str, float]:
        waiting = {"in_memory": writers[0].held, "memory_dropped": writers[0].dropped + writers[1].dropped}
        return {
            **supervisor.figures(),
            **judge.figures(),
            **loads.figures(),
            **waiting,
            **event_figures(events.counts()),
            "refused_values": batcher.refused,
            "clock_jumps": clock.jumps,
        }

    publisher = Publisher(
        _publisher_config(config),
        events,
        readings,
        make_birth(plan, model, lambda: loads.infos),
        figures,
        _command_taker(loads),
    )
    pipeline = Pipeline(
        intake=intake,
        judge=judge,
        loads=loads,
        batcher=batcher,
        timer=FlushTimer(config.publish.flush_interval),
        readings=writers[0],
        events=writers[1],
        on_durable=supervisor.durable,
        on_news=publisher.wake,
    )
    return Agent(
        supervisor=supervisor,
        intake=intake,
        pipeline=pipeline,
        loads=loads,
        publisher=publisher,
        tick_s=min(_SECOND_S, config.publish.flush_interval.seconds),
        drain_timeout_s=config.publish.drain_timeout.seconds,
        save=save,
        clock=clock,
    )


def event_figures(counts: Mapping[str, float]) -> dict[str, float]:
    """What the status tells of the outbox of events: how many wait, and what went wrong there."""
    wrong = {f"events_{name}": n for name, n in counts.items() if name.startswith(("dropped", "failed", "set_aside"))}
    return {"events": counts.get("rows", 0.0), **wrong}


def _options(config: AgentConfig, meter: MeterConfig, index: int) -> msgspec.Struct:
    options = meter_options(meter, f"meter[{index}]")
    if getattr(options, "state_file", "") is None:
        file = config.gateway.state_dir / "sensors" / f"{quote(meter.id, safe='')}.json"
        return msgspec.structs.replace(options, state_file=file)
    return options


def _outboxes(config: AgentConfig) -> tuple[LogOutbox, LogOutbox]:
    folder, publish = config.gateway.state_dir, config.publish
    try:
        readings = LogOutbox(
            folder / "readings.db", max_bytes=publish.outbox_max_bytes, max_age_ms=publish.outbox_max_age
        )
        events = LogOutbox(
            folder / "events.db",
            max_bytes=max(1 << 20, publish.outbox_max_bytes // EVENTS_SHARE),
            max_age_ms=publish.outbox_max_age,
        )
    except WattlineError as error:
        raise ConfigError("gateway.state_dir", str(error)) from error
    return readings, events


def _publisher_config(config: AgentConfig) -> PublisherConfig:
    publish = config.publish
    return PublisherConfig(
        gateway=config.gateway.id,
        site=config.gateway.site,
        broker=config.broker,
        limits=Limits(rows=publish.max_inflight, resend_after_ms=publish.resend_after),
        trust_broker=publish.ack == "broker",
        status_interval_ms=publish.status_interval,
    )


def _make_judge(plan: Plan) -> tuple[GuardedJudge | NoJudge, str, Callable[[], object]]:
    """The judge, its model's name for births, and what keeps its history."""
    config = plan.config
    if not config.detector.enabled:
        return NoJudge(), "", lambda: None
    from edge_agent.judge import AnomalyJudge
    from edge_agent.judge_state import restore_history, save_history
    from edge_agent.rule_book import RuleBook
    from edge_agent.site_conditions import SiteConditions

    detector = config.detector
    shelf = _shelf(detector.model)
    meters = [meter.id for meter in config.meter] + [meter.id for meter in plan.further]
    judge = AnomalyJudge(
        shelf,
        interval_ms=detector.interval,
        utc_offset_ms=detector.utc_offset * 60_000,
        rules=RuleBook.of(detector.rules, meters) if detector.rules.enabled else None,
        conditions=SiteConditions(detector.temperature_meter, detector.occupancy_meter),
    )
    path = config.gateway.state_dir / "judge.npz"
    restore_history(judge, path)
    return GuardedJudge(judge), _model_name(shelf, detector.interval), lambda: save_history(judge, path)


def _make_loads(
    plan: Plan, connected: Callable[[], bool], on_news: Callable[[], None], on_change: Callable[[], None]
) -> "LoadDesk | NoLoads":
    if not plan.config.load:
        return NoLoads()
    from edge_agent.actuators.setup import make_desk

    return make_desk(plan.config, plan.load_options, connected, on_news, on_change)


def _command_taker(loads: "LoadDesk | NoLoads") -> Callable[[Received], None] | None:
    """What the publisher does with commands; None keeps it from asking for any."""
    if isinstance(loads, NoLoads):
        return None
    desk = loads
    return lambda message: desk.take_command(message.payload, retained=message.retained)


def _shelf(model: Path | None) -> "DetectorShelf":
    from edge_agent.detectors.onnx import DetectorShelf

    try:
        return DetectorShelf(model)
    except ModelError as error:
        raise ConfigError("detector.model", str(error)) from error


def _model_name(shelf: Callable[[int], Detector | None], interval_ms: int) -> str:
    """Loads the model, so that whoever starts the agent sees whether there is one."""
    try:
        chosen = shelf(interval_ms)
    except ModelError as error:
        _log.error("no_model interval_ms=%d error=%s", interval_ms, error)
        return ""
    if chosen is None:
        _log.warning("no_model interval_ms=%d", interval_ms)
        return ""
    return chosen.name


def make_birth(plan: Plan, model: str, loads: Callable[[], Sequence[LoadInfo]] = lambda: ()) -> Callable[[], Status]:
    """What makes the birth of now; the publisher fills in what only it knows.

    Args:
        plan: The checked file.
        model: The name of the detector's model; "" for none.
        loads: What can be switched, as it is now.
    """
    config = plan.config
    meters = [MeterInfo(id=meter.id, kind=meter.kind, unit=meter.unit, role=meter.role) for meter in config.meter]
    meters += plan.further
    version = _installed_version()
    return lambda: Status(
        v=VERSION,
        gateway=config.gateway.id,
        site=config.gateway.site,
        state="online",
        session=0,
        versions={"wattline": version},
        meters=meters,
        loads=list(loads()),
        model=model,
    )


def _installed_version() -> str:
    from importlib import metadata

    try:
        return metadata.version("wattline")
    except metadata.PackageNotFoundError:  # run from a checkout
        return ""
