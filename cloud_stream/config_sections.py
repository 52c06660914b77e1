"""Sections of `cloud.toml` about what is made of readings: forecasts, archive, alerts, intents, telling people."""

from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, field

from wattline.config import DurationMs, SizeBytes

DAY_MS: Final = 86_400_000
NAME: Final = r"^[^/+#\x00-\x20\x7f]*$"
"""What an MQTT client or group may be called."""


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the file: an unknown key in it is an error."""


class SitesConfig(Section, frozen=True):
    """`[sites]`: what is known of sites beside their meters, see `cloud_stream.sites`."""

    file: Path | None = None


class ForecastConfig(Section, frozen=True):
    """`[forecast]`: forecasts of the utility intervals; without the section there are none.

    Attributes:
        meter_model: ONNX file for single meters; None for the one that comes with the program.
        site_model: For sites. fleet_model: for the fleet.
        max_age: An interval that ended longer ago is learned from, but no forecast is made at its end.
    """

    meter_model: Path | None = None
    site_model: Path | None = None
    fleet_model: Path | None = None
    max_age: DurationMs = DurationMs(3 * 3_600_000)


class WeatherConfig(Section, frozen=True):
    """`[weather]`: outdoor temperature, measured and forecast, as Open-Meteo's JSON.

    Attributes:
        url: Asked every `refresh` for each place of the sites file; "{latitude}" and "{longitude}" are filled in.
        file: Read instead, for sites without coordinates of their own; read again when it changes.
        dir: Where the newest answers are kept, for the flow.
        stale_after: Older weather is not used any more.
    """

    url: str = ""
    file: Path | None = None
    dir: Path = Path("var/weather")
    refresh: DurationMs = DurationMs(3_600_000)
    stale_after: DurationMs = DurationMs(12 * 3_600_000)


class ArchiveConfig(Section, frozen=True):
    """`[archive]`: raw readings as Parquet, one folder a UTC day; without the section there is none.

    Attributes:
        dir: A folder. url: instead, `s3://bucket/prefix`.
        endpoint: Of an S3-compatible server; "" for Amazon's.
        credentials_file: Two lines, access key and secret; None for the environment's.
        spool_dir: Holds what is not in a Parquet file yet.
        spool_max_bytes: When it is full, the flow waits.
        flush_interval: Rows wait at most so long for their file.
    """

    dir: Path = Path("var/archive")
    url: str = ""
    endpoint: str = ""
    region: str = "us-east-1"
    credentials_file: Path | None = None
    spool_dir: Path = Path("var/archive-spool")
    spool_max_bytes: SizeBytes = SizeBytes(4 << 30)
    flush_interval: DurationMs = DurationMs(600_000)


class AlertsConfig(Section, frozen=True):
    """`[alerts]`: the file of rules; None without rules.

    Attributes:
        rules: Read again when it changes; a wrong file leaves the old rules in force.
        max_age: What happened longer ago is recorded, and nobody is told.
    """

    rules: Path | None = None
    max_age: DurationMs = DurationMs(3_600_000)


class IntentsConfig(Section, frozen=True):
    """`[intents]`: the file of wishes about consumption; None without any. Read again when it changes."""

    file: Path | None = None


class NotifyConfig(Section, frozen=True):
    """`[notify]`: how people are told; without the section nobody is.

    Attributes:
        urls: Apprise URLs. urls_file: more of them, one a line: they may hold passwords.
        dir: Queue and silences.
        max_bytes: Of the queue; the oldest notices go first when it is full.
        group_wait: A message waits so long for others of its group.
        group_interval: Least time between two messages of one group.
        max_per_hour: Messages a channel; more wait, and are joined.
        timeout: Of one attempt. give_up_after: a message that could not be delivered for so long is given up, counted.
        min_severity: Less severe notices are recorded only.
        link: Of a message, "{site}" and "{meter}" filled in; "" without one.
    """

    urls: list[str] = field(default_factory=list)
    urls_file: Path | None = None
    dir: Path = Path("var/notify")
    max_bytes: SizeBytes = SizeBytes(64 << 20)
    group_wait: DurationMs = DurationMs(10_000)
    group_interval: DurationMs = DurationMs(60_000)
    max_per_hour: Annotated[int, Meta(ge=1, le=10_000)] = 60
    timeout: DurationMs = DurationMs(15_000)
    give_up_after: DurationMs = DurationMs(3 * DAY_MS)
    min_severity: Literal["info", "warning", "critical"] = "info"
    link: str = ""

    @property
    def queue_file(self) -> Path:
        """Where the flow puts notices for the notifier."""
        return self.dir / "notices.db"


class CommandsConfig(Section, frozen=True):
    """`[commands]`: orders to switchable loads; without the section intents only recommend.

    Attributes:
        dir: Queue of orders.
        client_id: Of the dispatcher at the broker.
        username: Its own user at the broker, who alone may command; "" is [broker]'s, with its password.
    """

    dir: Path = Path("var/commands")
    client_id: Annotated[str, Meta(min_length=1, max_length=64, pattern=NAME)] = "wattline-dispatch"
    username: str = ""
    password_file: Path | None = None
