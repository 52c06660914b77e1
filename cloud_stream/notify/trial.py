"""A message that says only that messages arrive."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from cloud_stream.config_sections import NotifyConfig
from cloud_stream.notify.alert_names import INFO
from cloud_stream.notify.channels import open_channels
from cloud_stream.notify.delivery import Channel, DeliveryError
from cloud_stream.notify.ledger_rows import WAITING, Letter, Message
from cloud_stream.notify.messages import word_message
from cloud_stream.records import Notice
from cloud_stream.sites import Sites

AT_ONCE: Final = 8


def try_channels(config: NotifyConfig, now_ms: int) -> Sequence[tuple[str, str]]:
    """Send a test message over every channel, several at a time.

    Args:
        config: Names the channels.
        now_ms: The wall clock, ms UTC.

    Returns:
        Each channel's name, and why the message did not arrive, "" if it did.

    Raises:
        ConfigError: An address cannot be used.
    """
    channels = open_channels(config)
    with ThreadPoolExecutor(AT_ONCE, "trial") as pool:
        problems = list(pool.map(lambda channel: _problem(channel, now_ms), channels))
    return [(channel.name, problem) for channel, problem in zip(channels, problems, strict=True)]


def _problem(channel: Channel, now_ms: int) -> str:
    try:
        channel.send(_trial(channel.name, now_ms))
    except DeliveryError as error:
        return str(error)
    return ""


def _trial(channel: str, now_ms: int) -> Message:
    notice = Notice(
        key="test", group="test", state=INFO, severity="info", happened_ms=now_ms, decided_ms=now_ms, since_ms=now_ms,
        level="fleet", site="", meter="", title="test message from Wattline",
        text="Messages arrive here. Somebody asked for this one; nothing has happened.",
    )  # fmt: skip
    words = word_message([notice], Sites(), "", now_ms, has_chart=False)
    letter = Letter(subject=words.subject, text=words.text, html=words.html, severity=words.severity)
    return Message(f"wattline-test-{channel.replace(':', '-')}-{now_ms}", channel, now_ms, WAITING, 1, "", 1, letter)
