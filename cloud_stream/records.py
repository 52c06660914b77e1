"""The values that travel between the stages of the dataflow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Envelope(msgspec.Struct, array_like=True, frozen=True):
    """One MQTT message as ingest journals it; a journal row holds a list of them.

    Attributes:
        received_ms: When ingest took it, ms UTC.
        topic: The MQTT topic as it came, at most 200 characters.
        reject: Why ingest already knows it to be a dead letter (`foreign_site`,
            `unknown_gateway`, `bad_topic`, ...); "" when the flow shall decode it.
        payload: The bytes as they came.
    """

    received_ms: int
    topic: str
    reject: str
    payload: bytes


class JournalRow(NamedTuple):
    """One row of a journal partition.

    Attributes:
        journal: The id of the partition's file. seq: the row's number in it.
        payload: A list of `Envelope`, see `cloud_stream.journal`.
    """

    journal: str
    seq: int
    payload: bytes


class DeadLetter(msgspec.Struct, frozen=True):
    """Bytes that could not be used, and why.

    (`journal`, `seq`, `index`) is the message's place: journal id, row, and
    position in the row.
    """

    journal: str
    seq: int
    index: int
    received_ms: int
    topic: str
    reason: str
    detail: str
    payload: bytes


class Origin(NamedTuple):
    """Where a message came from: its place in the journal, as in a `DeadLetter`, and how it arrived."""

    journal: str
    seq: int
    position: int
    received_ms: int
    topic: str

    def letter(self, reason: str, detail: str) -> DeadLetter:
        """The message as a dead letter without its bytes, which are not passed on; the detail says what it was."""
        journal, seq, position, received_ms, topic = self
        return DeadLetter(journal, seq, position, received_ms, topic, reason, detail, b"")


@dataclass(frozen=True, slots=True)
class Message:
    """The head of one readings batch, for deduplication."""

    gateway: str
    site: str
    log: str
    seq: int
    oldest: int
    origin: Origin


@dataclass(frozen=True, slots=True)
class Columns:
    """The readings of many frames that carry the same quantities.

    Rows of one frame lie together, in the frame's order.

    Attributes:
        quantities: The names, in the order of `values`.
        interval_ms: The interval of amounts; 0 without.
        message: int64[F]: of each frame, its message's place in the batch.
        site: of each frame. gateway: of each frame. meter: of each frame.
        length: int64[F]: rows per frame; they sum up to N.
        t_ms: int64[N].
        values: float64[Q, N]; NaN is a missing value.
    """

    quantities: tuple[str, ...]
    interval_ms: int
    message: Int64s
    site: Sequence[str]
    gateway: Sequence[str]
    meter: Sequence[str]
    length: Int64s
    t_ms: Int64s
    values: Floats


@dataclass(frozen=True, slots=True)
class Role:
    """What a birth says of a meter: only main meters add up to their site."""

    site: str
    meter: str
    role: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class ShardBatch:
    """What journal rows say to one shard: the item of the flow.

    Attributes:
        messages: Heads of the readings batches, for deduplication.
        columns: Their readings; `Columns.message` points into `messages`.
        roles: From births.
        points: Events and states, ready for the store.
    """

    shard: str
    messages: Sequence[Message]
    columns: Sequence[Columns]
    roles: Sequence[Role] = ()
    points: Sequence["Point"] = ()


@dataclass(frozen=True, slots=True)
class Point:
    """One row of a measurement, as every store keeps it.

    An upsert: a later point with the same measurement, tags and time replaces
    the fields that it has. A tag without a value is "".

    Attributes:
        tags: In the order of `cloud_stream.measurements`, name to value.
        fields: Numbers or text; never None, NaN or infinite.
    """

    measurement: str
    tags: Mapping[str, str]
    t_ms: int
    fields: Mapping[str, float | int | str | bool]


@dataclass(frozen=True, slots=True)
class Partial:
    """One window of one shard, summed over its sites: replaces its last word.

    Attributes:
        width_ms: The window's width. start_ms: its start.
    """

    shard: str
    width_ms: int
    start_ms: int
    fields: Mapping[str, float]


Write = Columns | Sequence[Point]
"""What a sink writes: raw readings by the column, everything else as points."""
