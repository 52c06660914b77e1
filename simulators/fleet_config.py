"""What a fleet is."""

from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from simulators.broker_address import BrokerAddress
from wattline.errors import ConfigError
from wattline.topics import is_gateway_id

MOST_METERS: Final = 500
"""One time of that many meters still fits into one payload of 128 KiB."""


class AckMode(StrEnum):
    """Whose word lets a gateway forget a batch."""

    CLOUD = "cloud"
    BROKER = "broker"


class ProtocolChoice(StrEnum):
    """Which MQTT a fleet speaks; `auto` tries 5 first."""

    AUTO = "auto"
    V5 = "5"
    V311 = "3.1.1"


class FleetConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A fleet of simulated gateways; all spans of time in milliseconds.

    Attributes:
        broker: Where it publishes.
        gateways: How many there are: `<prefix>-0001` on site `<prefix>-site-0001` and so on.
        meters: How many each has: `<prefix>-m0001-001` and so on.
        interval_ms: Time between the readings of a meter.
        duration_ms: How long new readings are made; 0 until stopped.
        flush_ms: Time between the batches of a gateway.
        seed: Decides every value; log ids are new in every run.
        ack: Whose acknowledgement counts.
        backlog_ms: How much of the time before the start is delivered first.
        backlog_interval_ms: Time between the readings of the backlog.
        drain_ms: How long to wait at the end for acknowledgements.
        resend_after_ms: When a batch without acknowledgement is sent again.
        max_inflight: Batches of one gateway that may wait for acknowledgement.
        most_readings: The most readings in one batch, unless one time of all meters is more.
        backoff_max_ms: The longest pause between two attempts to connect.
        readings_file: Where every distinct sent reading is written as CSV.
    """

    broker: BrokerAddress
    gateways: int = 1
    meters: int = 1
    interval_ms: int = 1000
    duration_ms: int = 60_000
    flush_ms: int = 5000
    seed: int = 1
    prefix: str = "sim"
    ack: AckMode = AckMode.CLOUD
    protocol: ProtocolChoice = ProtocolChoice.AUTO
    backlog_ms: int = 0
    backlog_interval_ms: int = 60_000
    drain_ms: int = 30_000
    resend_after_ms: int = 10_000
    max_inflight: int = 20
    most_readings: int = 500
    backoff_max_ms: int = 10_000
    readings_file: Path | None = None


def check_fleet(config: FleetConfig) -> None:
    """Refuse a fleet that cannot be.

    Raises:
        ConfigError: Which option is wrong, and why.
    """
    if not 1 <= config.meters <= MOST_METERS:
        raise ConfigError("--meters", f"expected 1 to {MOST_METERS}, got {config.meters}")
    if config.gateways < 1:
        raise ConfigError("--gateways", f"expected 1 or more, got {config.gateways}")
    if not is_gateway_id(gateway_id(config, config.gateways - 1)):
        raise ConfigError("--prefix", f"{config.prefix!r} makes no gateway id: lower-case letters, digits and '-'")
    positive = ("interval_ms", "flush_ms", "backlog_interval_ms", "resend_after_ms", "max_inflight", "most_readings")
    for name in positive:
        if getattr(config, name) < 1:
            option = "--" + name.removesuffix("_ms").replace("_", "-")
            raise ConfigError(option, "must be more than 0")


def gateway_id(config: FleetConfig, index: int) -> str:
    """The id of a gateway, counted from 0."""
    return f"{config.prefix}-{index + 1:04d}"


def site_id(config: FleetConfig, index: int) -> str:
    """The site on which that gateway is."""
    # With the prefix, so that two fleets side by side do not claim the same sites.
    return f"{config.prefix}-site-{index + 1:04d}"


def meter_ids(config: FleetConfig, index: int) -> tuple[str, ...]:
    """That gateway's meters."""
    return tuple(f"{config.prefix}-m{index + 1:04d}-{meter + 1:03d}" for meter in range(config.meters))
