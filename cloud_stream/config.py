"""What `cloud.toml` may say, with defaults for whatever it leaves out.

A nearly empty file is a working cloud on one machine: a broker on the loopback address, SQLite as the store, everything
else below `var/`. Relative paths are relative to the working directory.
"""

from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from msgspec import Meta, field

from cloud_stream.config_sections import (
    DAY_MS,
    NAME,
    AlertsConfig,
    ArchiveConfig,
    CommandsConfig,
    ForecastConfig,
    IntentsConfig,
    NotifyConfig,
    Section,
    SitesConfig,
    WeatherConfig,
)
from wattline.broker_url import BrokerUrl, parse_broker_url
from wattline.config import DurationMs, SizeBytes, load
from wattline.errors import ConfigError

Port = Annotated[int, Meta(ge=0, le=65_535)]
Count = Annotated[int, Meta(ge=1, le=64)]
Text = Annotated[str, Meta(min_length=1, max_length=256)]

MAX_LINGER_MS: Final = 20
MIN_WINDOW_MS: Final = 1000
MIN_PARTITION_BYTES: Final = 8 << 20
"""Some times the largest group that ingest commits at once: one that can never fit would wait for ever."""
MIN_SPACE_BYTES: Final = 1 << 20
MIN_ARCHIVE_SPOOL_BYTES: Final = 64 << 20
"""What the flow commits at once must fit into one of four parts, or it would wait for ever."""
MIN_PAUSE_MS: Final = 1000
MIN_FORECAST_MS: Final = 300_000
"""Of shorter intervals four weeks are so many that forecasting a few series takes longer than the interval."""


class BrokerConfig(Section, frozen=True):
    """`[broker]`: how ingest reaches the MQTT broker.

    Attributes:
        client_id: One per ingest process of a broker; the broker keeps its session under this name.
        protocol: `auto` asks for MQTT 5 and falls back to 3.1.1 when the broker refuses that.
        shared_group: Of a shared subscription, for several ingest processes; "" for one alone.
    """

    url: str = "mqtt://127.0.0.1:1883"
    client_id: Annotated[str, Meta(min_length=1, max_length=64, pattern=NAME)] = "wattline-ingest"
    username: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    protocol: Literal["auto", "5", "3.1.1"] = "auto"
    shared_group: Annotated[str, Meta(max_length=64, pattern=NAME)] = ""

    @property
    def address(self) -> BrokerUrl:
        """The parsed `url`; `load_config` has checked it."""
        return parse_broker_url(self.url)


class RegistryConfig(Section, frozen=True):
    """`[registry]`: which gateways are admitted; `open` registers each at its first use."""

    policy: Literal["open", "enrolled"] = "open"
    path: Path = Path("var/registry.db")


class JournalConfig(Section, frozen=True):
    """`[journal]`: the durable log between ingest and flow.

    Attributes:
        partitions: Fixed when the folder is first used.
        max_bytes: Of all partitions together; when it is full, ingest stops acknowledging.
        linger: How long a group of messages is collected before it is committed, at most 20 ms.
    """

    dir: Path = Path("var/journal")
    partitions: Count = 4
    max_bytes: SizeBytes = SizeBytes(20 << 30)
    linger: DurationMs = DurationMs(MAX_LINGER_MS)


class FlowConfig(Section, frozen=True):
    """`[flow]`: the dataflow.

    Attributes:
        processes: Of the Bytewax cluster; may change between two runs.
        recovery_dir: Its snapshots, and the `commit-<process>.json` that the supervisor watches.
        epoch_interval: Time between two snapshots.
        state_max_bytes: Budget of all windows in memory, per process.
        stalled_after: Age of the last commit at which the supervisor restarts the cluster.
    """

    processes: Count = 1
    window: DurationMs = DurationMs(300_000)
    utility_interval: DurationMs = DurationMs(1_800_000)
    recovery_dir: Path = Path("var/recovery")
    epoch_interval: DurationMs = DurationMs(1000)
    state_max_bytes: SizeBytes = SizeBytes(512 << 20)
    stalled_after: DurationMs = DurationMs(60_000)

    @property
    def widths_ms(self) -> tuple[int, ...]:
        """The lengths of the windows that are made, each once."""
        return tuple(sorted({int(self.window), int(self.utility_interval)}))


class StoreConfig(Section, frozen=True):
    """`[store]`: where results live.

    Attributes:
        path: The file, with `kind = "sqlite"`.
        bucket: The database's name, with `api = "v1"`.
        spool_dir: Where writes wait while the database is away.
    """

    kind: Literal["influxdb", "sqlite"] = "sqlite"
    path: Path = Path("var/wattline.db")
    url: str = "http://127.0.0.1:8086"
    api: Literal["v1", "v2"] = "v2"
    bucket: Text = "wattline"
    org: str = "wattline"
    token_file: Path | None = None
    username: str = ""
    password_file: Path | None = None
    retention: DurationMs = DurationMs(400 * DAY_MS)
    spool_dir: Path = Path("var/spool")
    spool_max_bytes: SizeBytes = SizeBytes(2 << 30)


class ConsoleConfig(Section, frozen=True):
    """`[console]`: accepted, not used yet."""

    bind: str = "127.0.0.1:8080"


class MetricsConfig(Section, frozen=True):
    """`[metrics]`: Prometheus pages; port 0 is off, process K of the flow listens on `flow_port` + K."""

    bind: Text = "127.0.0.1"
    ingest_port: Port = 0
    flow_port: Port = 0
    notify_port: Port = 0


class DeadLettersConfig(Section, frozen=True):
    """`[dead_letters]`: where unusable messages are kept."""

    path: Path = Path("var/dead-letters.db")
    max_bytes: SizeBytes = SizeBytes(256 << 20)


class CloudConfig(Section, frozen=True):
    """The whole of `cloud.toml`."""

    broker: BrokerConfig = field(default_factory=BrokerConfig)
    registry: RegistryConfig = field(default_factory=RegistryConfig)
    journal: JournalConfig = field(default_factory=JournalConfig)
    flow: FlowConfig = field(default_factory=FlowConfig)
    store: StoreConfig = field(default_factory=StoreConfig)
    console: ConsoleConfig | None = None
    sites: SitesConfig = field(default_factory=SitesConfig)
    forecast: ForecastConfig | None = None
    weather: WeatherConfig | None = None
    archive: ArchiveConfig | None = None
    alerts: AlertsConfig = field(default_factory=AlertsConfig)
    intents: IntentsConfig = field(default_factory=IntentsConfig)
    notify: NotifyConfig | None = None
    commands: CommandsConfig | None = None
    metrics: MetricsConfig = field(default_factory=MetricsConfig)
    dead_letters: DeadLettersConfig = field(default_factory=DeadLettersConfig)

    @property
    def unused_sections(self) -> list[str]:
        """The sections of the file that nothing acts upon yet."""
        return [name for name in ("console",) if getattr(self, name) is not None]

    @property
    def good_rules_file(self) -> Path:
        """The last alert rules that could be used: what a start goes on with while their file is wrong."""
        return self.flow.recovery_dir / "alerts.good.toml"

    @property
    def good_intents_file(self) -> Path:
        """The same of intents."""
        return self.flow.recovery_dir / "intents.good.toml"


def load_config(path: Path) -> CloudConfig:
    """Read and check `cloud.toml`.

    Raises:
        ConfigError: The file is missing, is no TOML, a key is unknown, or a value does not make sense; `where` is the
            path inside the file.
    """
    config = load(path, CloudConfig)
    try:
        check(config)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.where}", error.problem) from None
    return config


def check(config: CloudConfig) -> None:
    """Refuse values that fit their type but not each other.

    Raises:
        ConfigError: With the path of the first such value.
    """
    _check_broker(config.broker)
    _check_login("broker", config.broker.username, config.broker.password_file)
    if config.commands is not None:
        _check_login("commands", config.commands.username, config.commands.password_file)
    _check_journal(config.journal)
    _check_flow(config.flow)
    _check_store(config.store)
    _check_pauses(config)
    spool = config.archive.spool_max_bytes if config.archive else MIN_ARCHIVE_SPOOL_BYTES
    _require(spool >= MIN_ARCHIVE_SPOOL_BYTES, "archive.spool_max_bytes", "is below 64 MiB")
    _require(config.dead_letters.max_bytes >= MIN_SPACE_BYTES, "dead_letters.max_bytes", "is below 1 MiB")
    forecastable = config.forecast is None or config.flow.utility_interval >= MIN_FORECAST_MS
    _require(forecastable, "flow.utility_interval", 'is below "5m", the shortest that [forecast] can follow')
    last = config.metrics.flow_port + config.flow.processes
    _require(last <= 65_536, "metrics.flow_port", "leaves no port for every process of the flow")  # noqa: PLR2004 (the number of TCP ports)


def _require(good: bool, where: str, problem: str) -> None:  # noqa: FBT001 (reads as the sentence it is)
    if not good:
        raise ConfigError(where, problem)


def _check_broker(broker: BrokerConfig) -> None:
    tls = parse_broker_url(broker.url).tls
    for name in ("ca_file", "cert_file", "key_file"):
        file: Path | None = getattr(broker, name)
        _require(file is None or tls, f"broker.{name}", 'needs an "mqtts://" url')
        _require(file is None or file.is_file(), f"broker.{name}", f"{file} is not a file")
    _require((broker.cert_file is None) == (broker.key_file is None), "broker.key_file", "goes with cert_file")


def _check_login(section: str, username: str, password: Path | None) -> None:
    where = f"{section}.password_file"
    _require(password is None or bool(username), where, "needs a username")
    _require(password is None or password.is_file(), where, f"{password} is not a file")


def _check_journal(journal: JournalConfig) -> None:
    smallest = MIN_PARTITION_BYTES * journal.partitions
    _require(journal.max_bytes >= smallest, "journal.max_bytes", "is below 8 MiB for each partition")
    _require(journal.linger <= MAX_LINGER_MS, "journal.linger", f'is above "{MAX_LINGER_MS}ms"')


def _check_flow(flow: FlowConfig) -> None:
    for name in ("window", "utility_interval"):
        length: int = getattr(flow, name)
        good = length >= MIN_WINDOW_MS and DAY_MS % length == 0
        _require(good, f"flow.{name}", "must be at least 1s and divide a day without a rest")
    short, long = sorted((flow.window, flow.utility_interval))
    _require(
        long % short == 0, "flow.utility_interval", "and flow.window: the longer must be a multiple of the shorter"
    )
    _require(flow.epoch_interval > 0, "flow.epoch_interval", "must be above zero")
    _require(flow.state_max_bytes >= MIN_SPACE_BYTES, "flow.state_max_bytes", "is below 1 MiB")
    _require(flow.stalled_after >= 10 * flow.epoch_interval, "flow.stalled_after", "is below 10 epochs")


def _check_store_url(url: str) -> None:
    """Never repeats the url: a password may stand in it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigError("store.url", "has a bad host or port") from None
    good = parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0
    _require(good, "store.url", 'expected "http://host:port" or "https://host:port"')
    plain = parts.username is None and parts.password is None
    _require(plain, "store.url", "must hold no user or password: use username and password_file")
    _require(not parts.query and not parts.fragment, "store.url", "has something after the path")


def _check_pauses(config: CloudConfig) -> None:
    """Without a pause a server would be asked without end; without time nothing would ever be told."""
    for section, name in (
        ("weather", "refresh"), ("weather", "stale_after"), ("archive", "flush_interval"), ("alerts", "max_age"),
        ("notify", "timeout"), ("notify", "give_up_after"),
    ):  # fmt: skip
        table = getattr(config, section)
        good = table is None or getattr(table, name) >= MIN_PAUSE_MS
        _require(good, f"{section}.{name}", 'is below "1s"')


def _check_store(store: StoreConfig) -> None:
    _require(store.retention >= DAY_MS, "store.retention", 'is below "1d"')
    _require(store.spool_max_bytes >= MIN_SPACE_BYTES, "store.spool_max_bytes", "is below 1 MiB")
    if store.kind == "influxdb":
        _check_store_url(store.url)
        for name in ("token_file", "password_file"):
            file: Path | None = getattr(store, name)
            _require(file is None or file.is_file(), f"store.{name}", f"{file} is not a file")
