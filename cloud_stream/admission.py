"""What becomes of one MQTT message: decided without I/O.

Every message is journaled. One that is known to be useless carries the reason in its envelope and is still
acknowledged, so that a gateway does not resend poison for ever.
"""

import functools
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from cloud_stream.records import Envelope
from wattline.errors import DecodeError
from wattline.topics import Up, UpTopic, parse_up
from wattline.wire import MAX_PAYLOAD_BYTES, LogId, Seq, decode_head, decode_status

MAX_TOPIC_CHARACTERS: Final = 200
KEPT_OF_OVERSIZED_BYTES: Final = 64 * 1024
"""How much of a payload that is too large is kept as a dead letter."""
_TOPICS_CACHED: Final = 32_768

Verdict = Callable[[str, str], str]
"""The registry's word on (gateway, site), site "" where the message names none: a reason to reject, or ""."""


class BatchId(NamedTuple):
    """What an end-to-end acknowledgement names; log "" when there is nothing to acknowledge."""

    gateway: str
    log: str
    seq: int


class Admitted(NamedTuple):
    """A message as it goes to the journal, and whom it is acknowledged to.

    Attributes:
        gateway: Whose partition it goes to; the topic itself when that names no gateway.
        batch: What to acknowledge end to end; None for a message without a number.
    """

    gateway: str
    envelope: Envelope
    batch: BatchId | None


class _Numbered(msgspec.Struct):
    """The least that makes an unusable payload acknowledgeable."""

    log: LogId
    seq: Seq


_NUMBERED: Final = msgspec.json.Decoder(_Numbered)


def admit(topic: str, payload: bytes, received_ms: int, verdict: Verdict) -> Admitted:
    """Turn a message into what the journal keeps.

    Args:
        topic: As it came.
        payload: As it came.
        received_ms: Now, ms UTC.
        verdict: The registry's word; asked for messages that name their gateway.
    """
    try:
        place = _parse_topic(topic)
    except DecodeError as error:
        return Admitted(topic, _envelope(topic, payload, received_ms, error.reason), None)
    gateway = place.gateway
    if place.channel in (Up.READINGS, Up.EVENTS):
        reject, batch = _judge_batch(gateway, payload, verdict)
    else:
        reject, batch = _judge_state(place, payload, verdict), None
    return Admitted(gateway, _envelope(topic, payload, received_ms, reject), batch)


def _judge_batch(gateway: str, payload: bytes, verdict: Verdict) -> tuple[str, BatchId | None]:
    try:
        head = decode_head(payload, gateway)
    except DecodeError as error:
        return error.reason, _numbered(gateway, payload)
    return verdict(gateway, head.site), BatchId(gateway, head.log, head.seq)


def _judge_state(place: UpTopic, payload: bytes, verdict: Verdict) -> str:
    if len(payload) > MAX_PAYLOAD_BYTES:
        return "too_large"
    if place.channel is not Up.STATUS:
        return verdict(place.gateway, "")
    try:
        return verdict(place.gateway, decode_status(payload, place.gateway).site)
    except DecodeError as error:
        return error.reason


def _numbered(gateway: str, payload: bytes) -> BatchId | None:
    try:
        found = _NUMBERED.decode(payload)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    return BatchId(gateway, found.log, found.seq)


def _envelope(topic: str, payload: bytes, received_ms: int, reject: str) -> Envelope:
    kept = payload if len(payload) <= MAX_PAYLOAD_BYTES else payload[:KEPT_OF_OVERSIZED_BYTES]
    if not reject and kept is not payload:
        reject = "too_large"
    return Envelope(received_ms, topic[:MAX_TOPIC_CHARACTERS], reject, kept)


@functools.lru_cache(maxsize=_TOPICS_CACHED)
def _parse_topic(topic: str) -> UpTopic:
    return parse_up(topic)
