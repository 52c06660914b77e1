"""The agent's file: what `agent.toml` may say, and what it means.

```toml
[gateway]
id = "gw-0001"
site = "house-1"
state_dir = "/var/lib/wattline"
[broker]
url = "mqtts://broker.example:8883"
[[meter]]
id = "MAC000002"
sensor = "replay"
[meter.options]
file = "MAC000002.csv.gz"
```

Every other key has a default. A sensor's options are a table of its own and are
checked where the sensors are known (`edge_agent.sensors`).
"""

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec

from edge_agent.id_rules import id_problem
from edge_agent.load_config import CommandsConfig, LoadConfig, load_problems
from wattline import config as toml
from wattline.broker_url import parse_broker_url
from wattline.config import DurationMs, SizeBytes
from wattline.errors import ConfigError
from wattline.rule_settings import NO_LIMITS, MeterLimits, RuleSettings
from wattline.topics import is_gateway_id

MIN_OUTBOX_BYTES: Final = 1 << 20
"""Less could not hold a few batches of the largest size and their index."""

MAX_UTC_OFFSET_MINUTES: Final = 14 * 60


class GatewayConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`[gateway]`: who this agent is.

    Attributes:
        id: Also the MQTT client id and, where one is needed, the user name.
        site: The one building whose meters these are.
        state_dir: Outboxes and positions; must survive a restart.
    """

    id: str
    site: str
    state_dir: Path


class BrokerConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`[broker]`: where to publish, and how to prove who we are.

    Attributes:
        url: `mqtt://host[:port]` or `mqtts://host[:port]`; nothing else in it.
        protocol: "auto" tries MQTT 5 and then 3.1.1.
        username: Empty uses the gateway's id as soon as there is a password.
        ca_file: Authorities to trust instead of the system's; mqtts only.
    """

    url: str
    protocol: Literal["auto", "5", "3.1.1"] = "auto"
    username: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    keepalive: DurationMs = DurationMs(30_000)

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return parse_broker_url(self.url).tls

    @property
    def host(self) -> str:
        """The broker's name or address."""
        return parse_broker_url(self.url).host

    @property
    def port(self) -> int:
        """The broker's TCP port."""
        return parse_broker_url(self.url).port


class PublishConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`[publish]`: how readings are kept and sent.

    Attributes:
        flush_interval: Readings are written to the outbox this often. A live
            meter's readings of the last interval are lost at a power cut.
        outbox_max_bytes: The oldest batches go when more are waiting.
        outbox_max_age: Older batches go.
        ack: "cloud" forgets a batch when ingest has it in its journal;
            "broker" at the PUBACK, for clouds that are not ours.
        max_inflight: Batches sent and not acknowledged.
        resend_after: How long an acknowledgement may take; doubles for every
            further attempt of one batch.
        drain_timeout: How long a shutdown may take to send what is waiting.
    """

    flush_interval: DurationMs = DurationMs(5_000)
    outbox_max_bytes: SizeBytes = SizeBytes(512 << 20)
    outbox_max_age: DurationMs = DurationMs(14 * 86_400_000)
    ack: Literal["cloud", "broker"] = "cloud"
    max_inflight: int = 256
    resend_after: DurationMs = DurationMs(10_000)
    status_interval: DurationMs = DurationMs(60_000)
    drain_timeout: DurationMs = DurationMs(5_000)


class MeterRulesConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`[[detector.rules.meter]]`: what is different for one meter.

    Attributes:
        id: The meter, also one behind another meter's sensor.
        enabled: False takes the meter out of all rules.
        stuck_after: As in `RulesConfig`, whatever the meter measures; so are all below.
    """

    id: str
    enabled: bool = True
    stuck_after: DurationMs | None = None
    zero_after: DurationMs | None = None
    gap_after: DurationMs | None = None
    silent_after: DurationMs | None = None
    jump: Annotated[float, msgspec.Meta(gt=1, le=1e9)] | None = None


class RulesConfig(RuleSettings, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`[detector.rules]`: what is seen without a model; see docs/guides/rules.md.

    Attributes:
        silent_after: No reading for so long, told while it lasts.
        meter: Meters for which something is different.
    """

    enabled: bool = True
    silent_after: DurationMs = DurationMs(15 * 60_000)
    meter: tuple[MeterRulesConfig, ...] = ()

    def limits_of(self, meter: str, quantity: str) -> MeterLimits:
        """The limits of a meter whose judged quantity is this."""
        usual, own = MeterLimits.of(quantity, self), self._own(meter)
        if not own.enabled:
            return NO_LIMITS
        return usual._replace(
            stuck_ms=own.stuck_after or usual.stuck_ms,
            zero_ms=own.zero_after or usual.zero_ms,
            gap_ms=own.gap_after or usual.gap_ms,
            jump=own.jump or usual.jump,
        )

    def silent_after_ms(self, meter: str) -> float:
        """The least silence of a meter that is told."""
        own = self._own(meter)
        return float(own.silent_after or self.silent_after) if own.enabled else math.inf

    def _own(self, meter: str) -> MeterRulesConfig:
        return next((own for own in self.meter if own.id == meter), MeterRulesConfig(id=meter))


class DetectorConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`[detector]`: the judge of intervals.

    Attributes:
        interval: What is scored at once.
        model: An ONNX file of this contract; without one the factory's model.
        utc_offset: Of the site, in minutes; models know evenings and weekends.
        temperature_meter: The meter whose `temperature_c` is that outdoors.
        occupancy_meter: The meter whose `occupancy` is that of the site.
        rules: What is seen without a model.
    """

    enabled: bool = True
    interval: DurationMs = DurationMs(60_000)
    model: Path | None = None
    utc_offset: int = 0
    temperature_meter: str = ""
    occupancy_meter: str = ""
    rules: RulesConfig = RulesConfig()


class MeterConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`[[meter]]`: one meter and the sensor that reads it.

    Attributes:
        role: Only main meters add up to the site.
        sensor: A name of `edge_agent.sensors.SENSORS`.
        options: The sensor's own.
    """

    id: str
    sensor: str
    kind: str = "electricity"
    role: Literal["main", "sub", "production"] = "main"
    unit: str = ""
    options: dict[str, Any] = {}


class AgentConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The whole file."""

    gateway: GatewayConfig
    broker: BrokerConfig
    publish: PublishConfig = PublishConfig()
    detector: DetectorConfig = DetectorConfig()
    meter: list[MeterConfig]
    commands: CommandsConfig = CommandsConfig()
    load: list[LoadConfig] = []


def load_config(path: Path) -> AgentConfig:
    """Read and check `agent.toml`.

    Relative paths inside are relative to the working directory.

    Raises:
        ConfigError: `where` is the path of the value inside the file.
    """
    config = toml.load(path, AgentConfig)
    for where, problem in _problems(config):
        raise ConfigError(f"{path}: {where}", problem)
    return config


def _problems(config: AgentConfig) -> Iterator[tuple[str, str]]:
    """What the types do not say, in the order of the file."""
    if not is_gateway_id(config.gateway.id):
        yield "gateway.id", f"expected 1 to 64 of a-z, 0-9 and '-', and not 'all', got {config.gateway.id!r}"
    if problem := id_problem(config.gateway.site):
        yield "gateway.site", problem
    yield from _broker_problems(config.broker)
    yield from _publish_problems(config.publish)
    yield from _detector_problems(config.detector)
    yield from _meter_problems(config.meter)
    yield from load_problems(config.load, config.commands)


def _broker_problems(broker: BrokerConfig) -> Iterator[tuple[str, str]]:
    try:
        parse_broker_url(broker.url)
    except ConfigError as error:
        yield error.where, error.problem
        return
    files = ("password_file", "ca_file", "cert_file", "key_file")
    for name in files:
        file: Path | None = getattr(broker, name)
        if file is not None and not file.is_file():
            yield f"broker.{name}", f"no such file: {file}"
    for name in files[1:]:
        if getattr(broker, name) is not None and not broker.tls:
            yield f"broker.{name}", "makes sense with mqtts:// only; this url would send everything in the clear"
    if broker.key_file and not broker.cert_file:
        yield "broker.key_file", "needs cert_file"
    if not 5_000 <= broker.keepalive <= 3_600_000:  # noqa: PLR2004 (said in words beside)
        yield "broker.keepalive", "expected 5s to 1h"


def _publish_problems(publish: PublishConfig) -> Iterator[tuple[str, str]]:
    for name in ("flush_interval", "resend_after", "status_interval", "outbox_max_age"):
        if getattr(publish, name) <= 0:
            yield f"publish.{name}", "must be longer than 0"
    if publish.outbox_max_bytes < MIN_OUTBOX_BYTES:
        yield "publish.outbox_max_bytes", "expected at least 1MiB"
    if publish.max_inflight < 1:
        yield "publish.max_inflight", "expected at least 1"


def _detector_problems(detector: DetectorConfig) -> Iterator[tuple[str, str]]:
    if detector.interval < 1_000:  # noqa: PLR2004 (said in words beside)
        yield "detector.interval", "expected at least 1s"
    if abs(detector.utc_offset) > MAX_UTC_OFFSET_MINUTES:
        yield "detector.utc_offset", f"expected minutes from -{MAX_UTC_OFFSET_MINUTES} to {MAX_UTC_OFFSET_MINUTES}"
    if detector.model is not None and not detector.model.is_file():
        yield "detector.model", f"no such file: {detector.model}"
    yield from _rules_problems(detector.rules)


def _rules_problems(rules: RulesConfig) -> Iterator[tuple[str, str]]:
    ids = [meter.id for meter in rules.meter]
    tables: list[tuple[str, RulesConfig | MeterRulesConfig]] = [("detector.rules", rules)]
    tables += [(f"detector.rules.meter[{i}]", meter) for i, meter in enumerate(rules.meter)]
    for where, table in tables:
        for name in table.__struct_fields__:
            value = getattr(table, name)
            if isinstance(value, DurationMs) and value <= 0:
                yield f"{where}.{name}", "must be longer than 0"
    for i, meter in enumerate(ids):
        if meter in ids[:i]:
            yield f"detector.rules.meter[{i}].id", f"{meter!r} is taken by an earlier table"


def _meter_problems(meters: list[MeterConfig]) -> Iterator[tuple[str, str]]:
    if not meters:
        yield "meter", "expected at least one [[meter]]"
    count: Counter[str] = Counter()
    for index, meter in enumerate(meters):
        count[meter.id] += 1
        if count[meter.id] > 1:
            yield f"meter[{index}].id", f"{meter.id!r} is taken by an earlier meter"
        for name in ("id", "kind", "unit"):
            text = getattr(meter, name)
            if (text or name != "unit") and (problem := id_problem(text)):
                yield f"meter[{index}].{name}", problem
