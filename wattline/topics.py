"""The one place that builds and reads MQTT topics."""

import re
from enum import StrEnum
from typing import Final

import msgspec

from wattline.errors import DecodeError

PREFIX: Final = "wattline/v1"
ANNOUNCE: Final = f"{PREFIX}/all/announce"
RESERVED_GATEWAY: Final = "all"
_ID: Final = re.compile(r"[a-z0-9-]{1,64}")
_TOPIC_PARTS: Final = 5


class Up(StrEnum):
    """What a gateway sends."""

    READINGS = "readings"
    EVENTS = "events"
    STATUS = "status"
    MODEL = "model"
    FETCH = "fetch"


class Down(StrEnum):
    """What the cloud sends to one gateway."""

    ACK = "ack"
    BLOCK = "block"
    COMMAND = "command"


class UpTopic(msgspec.Struct, frozen=True):
    """A parsed upward topic."""

    gateway: str
    channel: Up


def is_gateway_id(text: str) -> bool:
    """Whether `text` may name a gateway: [a-z0-9-], 1 to 64, and not ``all``."""
    return _ID.fullmatch(text) is not None and text != RESERVED_GATEWAY


def up(gateway: str, channel: Up) -> str:
    """The topic on which `gateway` sends `channel`."""
    return f"{PREFIX}/{gateway}/up/{channel.value}"


def down(gateway: str, channel: Down) -> str:
    """The topic on which the cloud sends `channel` to `gateway`."""
    return f"{PREFIX}/{gateway}/down/{channel.value}"


def up_filter(channel: Up) -> str:
    """The subscription to one channel of every gateway."""
    return up("+", channel)


def parse_up(topic: str) -> UpTopic:
    """Read an upward topic.

    Raises:
        DecodeError: `bad_topic`, when it is not one of ours.
    """
    parts = topic.split("/")
    if len(parts) != _TOPIC_PARTS or "/".join(parts[:2]) != PREFIX or parts[3] != "up":
        raise DecodeError("bad_topic", topic[:200])
    if not is_gateway_id(parts[2]):
        raise DecodeError("bad_topic", topic[:200])
    try:
        return UpTopic(parts[2], Up(parts[4]))
    except ValueError:
        raise DecodeError("bad_topic", topic[:200]) from None
