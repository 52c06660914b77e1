"""The values that travel between the stages of the dataflow."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress, repeat
from typing import NamedTuple, overload

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


@dataclass(frozen=True, slots=True, eq=False)
class PointColumns(Sequence[Point]):
    """Points of many series at the same times, by the column: a hundred times smaller than the points themselves.

    It is the sequence of its points, series by series, made when they are asked for; who can reads the columns.

    Attributes:
        tags: Of each of the S series.
        t_ms: int64[K].
        numbers: Field to float64[S, K]; a point is there where all of them are finite.
        facts: Field to S values: what is the same at all times of a series.
    """

    measurement: str
    tags: Sequence[Mapping[str, str]]
    t_ms: Int64s
    numbers: Mapping[str, Floats]
    facts: Mapping[str, Sequence[int | str]]

    def present(self) -> npt.NDArray[np.bool_]:
        """bool[S, K]: which points are there."""
        return np.asarray(np.all([np.isfinite(one) for one in self.numbers.values()], axis=0))

    def only(self, series: Sequence[int]) -> "PointColumns":
        """The points of some series, by their places."""
        places = list(series)
        return PointColumns(
            self.measurement,
            [self.tags[place] for place in places],
            self.t_ms,
            {name: values[places] for name, values in self.numbers.items()},
            {name: [values[place] for place in places] for name, values in self.facts.items()},
        )

    def __len__(self) -> int:
        return int(self.present().sum())

    def __iter__(self) -> Iterator[Point]:
        times, names = self.t_ms.tolist(), (*self.numbers, *self.facts)
        for place, (tags, present) in enumerate(zip(self.tags, self.present().tolist(), strict=True)):
            numbers = (one[place].tolist() for one in self.numbers.values())
            facts = (repeat(one[place], len(times)) for one in self.facts.values())
            for t_ms, *values in compress(zip(times, *numbers, *facts, strict=True), present):
                yield Point(self.measurement, tags, t_ms, dict(zip(names, values, strict=True)))

    @overload
    def __getitem__(self, index: int) -> Point: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Point]: ...

    def __getitem__(self, index: int | slice) -> Point | Sequence[Point]:
        return list(self)[index]


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


@dataclass(frozen=True, slots=True)
class ClosedUsage:
    """Consumption in utility intervals that have closed, or have changed since: rows in any order, each key once.

    Attributes:
        interval_ms: Length of the intervals.
        start_ms: int64[R].
        level: of each row: `meter`, `site` or `fleet`. site: "" for the fleet. meter: "" but for meters.
        energy_kwh: float64[R].
        temperature_c: float64[R]: mean outdoor temperature that the site itself has measured; NaN is unknown.
        members: float64[R]: how many meters the row adds up; 1 for a meter, NaN is unknown.
    """

    interval_ms: int
    start_ms: Int64s
    level: Sequence[str]
    site: Sequence[str]
    meter: Sequence[str]
    energy_kwh: Floats
    temperature_c: Floats
    members: Floats


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a person shall be told: an alert that began or ended, or a recommendation.

    Attributes:
        key: The same for ever for the same thing, so that a repeat after a crash is recognised.
        group: Notices of one group that come close together become one message: a rule's name, or an intent's.
        state: `firing`, `resolved` or `info`.
        severity: `info`, `warning` or `critical`.
        happened_ms: When it happened, by the meters' time. decided_ms: when it was decided, by the wall clock.
        since_ms: When what is going on began.
        title: One line. text: the sentence with value and limit.
        quantity: What `value` and `limit` are of, with its unit in the name; "" without.
        window: The window that `value` is of, as the store writes it ("5m"); "" without.
    """

    key: str
    group: str
    state: str
    severity: str
    happened_ms: int
    decided_ms: int
    since_ms: int
    level: str
    site: str
    meter: str
    title: str
    text: str
    quantity: str = ""
    value: float | None = None
    limit: float | None = None
    window: str = ""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One command for a switchable load, as the dispatcher sends it to the load's gateway.

    Attributes:
        id: The same for ever for the same decision; the gateway carries out each id once.
        action: `on`, `off`, or `release`: leave the load to itself again.
        expires_ms: When the load is left to itself again, or the command is not carried out any more; ms UTC.
        reason: Which intent and why, for a person.
    """

    id: str
    gateway: str
    site: str
    load: str
    action: str
    decided_ms: int
    expires_ms: int
    reason: str


Write = Columns | Sequence[Point]
"""What a sink writes: raw readings by the column, everything else as points, of which `PointColumns` are many."""
