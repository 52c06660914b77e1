"""What goes over MQTT: schemas, encoding, and validation of one message.

Payloads are UTF-8 JSON; readings are columnar, so that a person can read them
and numpy can eat them. Unknown fields are ignored; everything else that breaks
a rule raises `DecodeError` with a reason of a closed set, and becomes a dead
letter.
"""

import re
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta

from wattline.errors import DecodeError
from wattline.quantities import quantity
from wattline.topics import is_gateway_id

T = TypeVar("T")

VERSION: Final = 1
MAX_PAYLOAD_BYTES: Final = 128 * 1024
MAX_AHEAD_MS: Final = 24 * 3600 * 1000
MIN_TIME_MS: Final = 946_684_800_000
"""2000-01-01T00:00Z: an older time is a clock that was never set."""
MAX_COMMAND_BYTES: Final = 8 * 1024
"""A command is a few hundred bytes; a gateway reads no more of one."""
MAX_LOADS: Final = 32
"""Switchable loads of one gateway."""
MAX_ID_LENGTH: Final = 128
MAX_TEXT_LENGTH: Final = 1024
# `$` alone also matches before a last line feed, which would split a line of the database's protocol.
ID_PATTERN: Final = r"^[^\x00-\x20\x7f-\x9f\\]([^\x00-\x1f\x7f-\x9f\\]*[^\x00-\x20\x7f-\x9f\\])?$(?!\n)"
_LABEL_PATTERN: Final = rf"^$(?!\n)|{ID_PATTERN}"

Id = Annotated[str, Meta(min_length=1, max_length=MAX_ID_LENGTH, pattern=ID_PATTERN)]
"""A site's, meter's or log's id: no control characters, no backslash, no blanks at its ends."""
Label = Annotated[str, Meta(max_length=MAX_ID_LENGTH, pattern=_LABEL_PATTERN)]
"""An id, or nothing."""
Text = Annotated[str, Meta(max_length=MAX_TEXT_LENGTH)]
"""For a person."""
LogId = Id
Version = Annotated[int, Meta(ge=0, le=2**31)]
TimeMs = Annotated[int, Meta(ge=-(2**53), le=2**53)]
Seq = Annotated[int, Meta(ge=1, le=2**62)]
Oldest = Annotated[int, Meta(ge=0, le=2**62)]
Seconds = Annotated[int, Meta(ge=0, le=366 * 24 * 3600)]
IntervalMs = Annotated[int, Meta(ge=0, le=366 * 24 * 3600 * 1000)]


class Frame(msgspec.Struct, omit_defaults=True):
    """The readings of one meter, column by column.

    Attributes:
        meter: The meter's id, unique on its site.
        t: Times in integer milliseconds UTC.
        q: Quantity name to its column; as long as `t`; None is missing.
        interval_ms: The length of the interval when the frame holds amounts.
    """

    meter: Id
    t: list[TimeMs]
    q: dict[str, list[float | None]]
    interval_ms: IntervalMs = 0


class Batch(msgspec.Struct, kw_only=True):
    """A readings payload: (`gateway`, `log`, `seq`) identifies it for ever.

    Attributes:
        oldest: The lowest sequence number of this log the gateway still holds;
            never above `seq`.
    """

    v: Version
    gateway: str
    site: Id
    log: LogId
    seq: Seq
    oldest: Oldest = 0
    frames: list[Frame]


class Head(msgspec.Struct, kw_only=True):
    """What ingest reads of a batch or events payload, without its frames."""

    v: Version
    gateway: str
    site: Id
    log: LogId
    seq: Seq
    oldest: Oldest = 0


class CommandAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What became of a command, or of a load that somebody else has switched.

    The texts are of sets that may grow: a reader keeps what it does not know.

    Attributes:
        id: The command's; "" when it was nobody's, as a hand at the relay.
        action: As it was asked for.
        state: `accepted`, `done` (the relay has switched), `refused`; and how it ended: `expired`, `released`,
            `overridden`.
        expires_at: When the load is left to itself again, ms UTC; may be earlier than the command asked for.
        mode: Of the load from now on, `auto` or `manual`; "" for a load that there is not.
        switched: Where the load's relay is from now on: `on`, `off` or `unknown`.
    """

    id: Label = ""
    load: Id
    action: Label = ""
    state: Id
    expires_at: TimeMs = 0
    mode: Label = ""
    switched: Label = ""


class Event(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One anomaly, meter event, or answer to a command.

    Attributes:
        kind: `anomaly`, what happened to a meter (`meter_silent`, ...), or `command`.
        meter: Whose event it is; of a load without a meter, the load's id.
        t: The start of the judged interval, or the instant, in ms UTC.
        score: 0..1, high is anomalous.
        reason: Which quantity or rule spoke, for a person.
        command: The answer, where it is one.
    """

    kind: LogId
    meter: Id
    t: TimeMs
    interval_ms: IntervalMs = 0
    detector: Label = ""
    score: float = 0.0
    threshold: float = 0.0
    reason: Text = ""
    command: CommandAnswer | None = None


class Events(msgspec.Struct, kw_only=True):
    """An events payload, from an outbox of its own."""

    v: Version
    gateway: str
    site: Id
    log: LogId
    seq: Seq
    oldest: Oldest = 0
    events: list[Event]


class MeterInfo(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a birth says about one meter."""

    id: Id
    kind: Text
    unit: Text = ""
    role: Text = "main"


class LoadInfo(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a birth says about one switchable load.

    Attributes:
        kind: `boiler`.
        meter: Whose power shows it; "" for none.
        power_w: What it takes when it is on; 0 is unknown.
        control: `cloud` where the owner allows commands, else `never`.
        mode: `auto`, or `manual` while somebody has switched it by hand, which wins over commands.
        state: `on`, `off` or `unknown`: where its relay is.
        min_on_s: It stays on for so long at least. min_off_s: and off.
    """

    id: Id
    kind: Text = "boiler"
    meter: Label = ""
    power_w: Annotated[float, Meta(ge=0, le=1e9)] = 0.0
    control: Text = "never"
    mode: Text = "auto"
    state: Text = "unknown"
    min_on_s: Seconds = 0
    min_off_s: Seconds = 0


class Status(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Birth (`online`), and as the Will or the goodbye, death (`offline`).

    Attributes:
        session: The same number in a birth and in its death.
        reason: `will` for the broker's word, `shutdown` for our own goodbye.
        loads: Of a birth: the switchable loads.
    """

    v: Version
    gateway: str
    site: Id
    state: Id
    session: Annotated[int, Meta(ge=0, le=2**62)]
    t: TimeMs = 0
    reason: Text = ""
    versions: dict[str, str] = {}
    meters: list[MeterInfo] = []
    loads: Annotated[list[LoadInfo], Meta(max_length=MAX_LOADS)] = []
    model: str = ""
    logs: list[str] = []
    outbox: dict[str, float] = {}


class Ack(msgspec.Struct, kw_only=True):
    """Which batches are safe in the cloud's journal: closed ranges of one log."""

    log: str
    seqs: list[tuple[int, int]]


class Command(msgspec.Struct, kw_only=True):
    """What the cloud asks of one switchable load; never retained.

    Attributes:
        id: The same for ever for the same wish: a gateway carries out each id once, and answers a repeat as before.
        action: `on`, `off`, or `release`: leave the load to itself. Others are refused, for they may come.
        t: When it was decided, ms UTC.
        expires_at: After this nothing is begun, and the load is left to itself again; ms UTC.
        reason: For a person.
    """

    v: Version
    gateway: str
    id: Id
    load: Id
    action: Id
    t: TimeMs
    expires_at: TimeMs
    reason: Text = ""


_BATCH: Final = msgspec.json.Decoder(Batch)
_HEAD: Final = msgspec.json.Decoder(Head)
_EVENTS: Final = msgspec.json.Decoder(Events)
_STATUS: Final = msgspec.json.Decoder(Status)
_ACK: Final = msgspec.json.Decoder(Ack)
_COMMAND: Final = msgspec.json.Decoder(Command)
_ENCODER: Final = msgspec.json.Encoder()
_PATTERN: Final = re.compile(r"`str` matching regex '.*'", re.DOTALL)


def encode(message: Batch | Events | Status | Ack | Command) -> bytes:
    """The UTF-8 JSON of a message."""
    return _ENCODER.encode(message)


def decode_batch(payload: bytes, topic_gateway: str) -> Batch:
    """Decode a readings payload and check all but its times.

    Args:
        payload: The MQTT payload.
        topic_gateway: The gateway that the topic names.

    Raises:
        DecodeError: `too_large`, `bad_json`, `bad_schema`, `bad_version`,
            `foreign_gateway`, `unequal_lengths` or `unknown_quantity`.
    """
    batch = _decode(_BATCH, payload)
    _check_head(batch, topic_gateway)
    for frame in batch.frames:
        _check_frame(frame)
    return batch


def decode_head(payload: bytes, topic_gateway: str) -> Head:
    """Decode only what identifies a readings or events payload.

    Raises:
        DecodeError: As `decode_batch`, but for what only frames can break.
    """
    head = _decode(_HEAD, payload)
    _check_head(head, topic_gateway)
    return head


def decode_events(payload: bytes, topic_gateway: str) -> Events:
    """Decode an events payload.

    Raises:
        DecodeError: As `decode_batch`.
    """
    events = _decode(_EVENTS, payload)
    _check_head(events, topic_gateway)
    return events


def decode_status(payload: bytes, topic_gateway: str) -> Status:
    """Decode a birth or death.

    Raises:
        DecodeError: As `decode_batch`.
    """
    status = _decode(_STATUS, payload)
    _check_sender(status, topic_gateway)
    return status


def decode_ack(payload: bytes) -> Ack:
    """Decode an acknowledgement.

    Raises:
        DecodeError: `too_large`, `bad_json` or `bad_schema`.
    """
    return _decode(_ACK, payload)


def decode_command(payload: bytes, topic_gateway: str) -> Command:
    """Decode a command.

    Raises:
        DecodeError: `too_large`, `bad_json`, `bad_schema`, `bad_version` or `foreign_gateway`.
    """
    command = _decode(_COMMAND, payload, MAX_COMMAND_BYTES)
    _check_sender(command, topic_gateway)
    return command


def time_problem(t_ms: int, received_ms: int) -> str:
    """Why a reading's time cannot be believed: a reason, or "" when it can."""
    if t_ms < MIN_TIME_MS:
        return "time_too_old"
    if t_ms > received_ms + MAX_AHEAD_MS:
        return "time_in_future"
    return ""


def _decode(decoder: msgspec.json.Decoder[T], payload: bytes, max_bytes: int = MAX_PAYLOAD_BYTES) -> T:
    if len(payload) > max_bytes:
        raise DecodeError("too_large", f"{len(payload)} bytes")
    try:
        return decoder.decode(payload)
    except msgspec.ValidationError as error:
        raise DecodeError(
            "bad_schema", _PATTERN.sub("a printable text without blanks at its ends", str(error))
        ) from None
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise DecodeError("bad_json", str(error)) from None


def _check_head(head: Batch | Events | Head, topic_gateway: str) -> None:
    _check_sender(head, topic_gateway)
    # Whoever sends a batch holds it; a higher `oldest` would have its successors taken for repeats.
    head.oldest = min(head.oldest, head.seq)


def _check_sender(message: Batch | Events | Head | Status | Command, topic_gateway: str) -> None:
    if message.v != VERSION:
        raise DecodeError("bad_version", str(message.v))
    if message.gateway != topic_gateway or not is_gateway_id(message.gateway):
        raise DecodeError("foreign_gateway", message.gateway[:MAX_ID_LENGTH])


def _check_frame(frame: Frame) -> None:
    n = len(frame.t)
    for name, column in frame.q.items():
        if len(column) != n:
            detail = f"{frame.meter}: {len(column)} of {name} at {n} times"
            raise DecodeError("unequal_lengths", detail)
        quantity(name)
