"""From journal rows to columns per shard, and dead letters for the rest.

Nothing here raises on what a gateway may have sent: what cannot be used comes
back as a dead letter with its reason and its bytes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import compress
from typing import Final, NamedTuple

import msgspec
import numpy as np

from cloud_stream.journal import decode_row
from cloud_stream.load_points import KnownLoads, answer_points, birth_point
from cloud_stream.records import Columns, DeadLetter, Envelope, JournalRow, Message, Origin, Point, Role, ShardBatch
from cloud_stream.sharding import shard_of
from wattline.errors import DecodeError
from wattline.topics import Up, UpTopic, parse_up
from wattline.wire import (
    MAX_AHEAD_MS,
    MIN_TIME_MS,
    Batch,
    Event,
    Status,
    decode_batch,
    decode_events,
    decode_status,
    time_problem,
)

_KEPT_TEXT: Final = 200
MAX_INTERVAL_MS: Final = 31 * 24 * 3_600_000
"""A longer amount would touch more windows than one row may cost."""
MAX_MAGNITUDE: Final = 1e12
"""Beyond any meter (a register in Wh of a city); larger ones would swallow what they are added to."""


@dataclass(slots=True)
class _Layout:
    """Frames with the same quantities and interval, as growing lists."""

    message: list[int] = field(default_factory=list)
    site: list[str] = field(default_factory=list)
    gateway: list[str] = field(default_factory=list)
    meter: list[str] = field(default_factory=list)
    length: list[int] = field(default_factory=list)
    t_ms: list[int] = field(default_factory=list)
    values: list[list[float | None]] = field(default_factory=list)


@dataclass(slots=True)
class _Shard:
    messages: list[Message] = field(default_factory=list)
    places: list["_Place"] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    layouts: dict[tuple[tuple[str, ...], int], _Layout] = field(default_factory=dict)
    roles: list[Role] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)


class _Place(NamedTuple):
    """One message's place in the journal."""

    row: JournalRow
    number: int

    def origin(self, envelope: Envelope) -> Origin:
        """The same for the stages that follow, which do not get the row."""
        return Origin(self.row.journal, self.row.seq, self.number, envelope.received_ms, envelope.topic)

    def letter(self, reason: str, detail: str = "") -> DeadLetter:
        """This message as a dead letter; rare enough to look the message up once more."""
        received_ms, topic, _, payload = msgspec.structs.astuple(decode_row(self.row.payload)[self.number])
        journal, seq, _ = self.row
        return DeadLetter(journal, seq, self.number, received_ms, topic, reason, detail[:_KEPT_TEXT], payload)


class Decoder:
    """Decodes rows; keeps nothing between calls but which loads a gateway has named.

    Args:
        retention_ms: Readings older than this, seen from their arrival, are
            dead letters: the store no longer takes them.
    """

    def __init__(self, retention_ms: int) -> None:
        self._retention_ms = retention_ms
        self._loads = KnownLoads()

    def decode(self, rows: Iterable[JournalRow]) -> tuple[dict[str, ShardBatch], list[DeadLetter]]:
        """Decode journal rows.

        Returns:
            By shard what it shall take in, and the dead letters.
        """
        shards: dict[str, _Shard] = {}
        letters: list[DeadLetter] = []
        for row in rows:
            try:
                envelopes = decode_row(row.payload)
            except DecodeError as error:
                letters.append(_unreadable(row, error))
                continue
            for index, envelope in enumerate(envelopes):
                place = _Place(row, index)
                try:
                    self._take(shards, envelope, place)
                except DecodeError as error:
                    letters.append(place.letter(error.reason, error.detail))
        batches = {name: _batch(name, shard) for name, shard in shards.items()}
        letters += [letter for shard in shards.values() for letter in shard.letters]
        return batches, letters

    def _take(self, shards: dict[str, _Shard], envelope: Envelope, place: _Place) -> None:
        if envelope.reject:
            raise DecodeError(envelope.reject)
        topic = _topic(envelope.topic)
        if topic.channel is Up.READINGS:
            batch = decode_batch(envelope.payload, topic.gateway)
            self._take_batch(_shard(shards, batch.site), batch, envelope, place)
        elif topic.channel is Up.EVENTS:
            self._take_events(shards, topic.gateway, envelope, place)
        elif topic.channel is Up.STATUS:
            status = decode_status(envelope.payload, topic.gateway)
            self._take_status(_shard(shards, status.site), status, envelope, place)

    def _take_events(self, shards: dict[str, _Shard], gateway: str, envelope: Envelope, place: _Place) -> None:
        events = decode_events(envelope.payload, gateway)
        points: list[Point] = []
        refused = False
        for event in events.events:
            problem = time_problem(event.t, envelope.received_ms)
            if event.command is not None:
                # A gateway refuses commands just because its clock is wrong: such an answer is booked when it came.
                t_ms = envelope.received_ms if problem else event.t
                admitted = self._loads.admit(gateway, event.command.load)
                points += answer_points(gateway, events.site, event, event.command, t_ms) if admitted else ()
                refused |= not admitted
            elif problem:
                raise DecodeError(problem)
            else:
                points.append(_anomaly(gateway, events.site, event))
        shard = _shard(shards, events.site)
        shard.points += points
        shard.letters += [place.letter("too_many_loads", "some answers")] if refused else ()

    def _take_status(self, shard: _Shard, status: Status, envelope: Envelope, place: _Place) -> None:
        received_ms, origin = envelope.received_ms, place.origin(envelope)
        t_ms = received_ms if time_problem(status.t, received_ms) else status.t
        loads = [load for load in status.loads if self._loads.admit(status.gateway, load.id)]
        shard.points.append(_gateway(status, t_ms, received_ms))
        shard.points += [birth_point(status.gateway, status.site, load, t_ms) for load in loads]
        shard.roles += [Role(status.site, meter.id, meter.role, origin) for meter in status.meters]
        shard.letters += [place.letter("too_many_loads", "some loads")] if len(loads) < len(status.loads) else ()

    def _take_batch(self, shard: _Shard, batch: Batch, envelope: Envelope, place: _Place) -> None:
        for frame in batch.frames:
            if frame.interval_ms > MAX_INTERVAL_MS:
                raise DecodeError("bad_interval", f"{frame.meter}: {frame.interval_ms} ms")
        received_ms = envelope.received_ms
        oldest_ms = max(MIN_TIME_MS, received_ms - self._retention_ms)
        number = len(shard.messages)
        origin = place.origin(envelope)
        shard.messages.append(Message(batch.gateway, batch.site, batch.log, batch.seq, batch.oldest, origin))
        shard.places.append(place)
        reasons: set[str] = set()
        for frame in batch.frames:
            if not frame.t:
                continue
            if min(frame.t) < oldest_ms or max(frame.t) > received_ms + MAX_AHEAD_MS:
                reasons |= _drop_bad_times(frame.t, frame.q, oldest_ms, received_ms)
            key = (tuple(frame.q), frame.interval_ms)
            layout = shard.layouts.get(key)
            if layout is None:
                layout = shard.layouts[key] = _Layout(values=[[] for _ in frame.q])
            layout.message.append(number)
            layout.site.append(batch.site)
            layout.gateway.append(batch.gateway)
            layout.meter.append(frame.meter)
            layout.length.append(len(frame.t))
            layout.t_ms += frame.t
            for column, values in zip(layout.values, frame.q.values(), strict=True):
                column.extend(values)
        shard.letters += [place.letter(reason, "some rows") for reason in sorted(reasons)[:1]]


def _drop_bad_times(
    t_ms: list[int], columns: dict[str, list[float | None]], oldest_ms: int, received_ms: int
) -> set[str]:
    """Take rows with unbelievable times out, in place; returns why."""
    reasons = [_time_reason(t, oldest_ms, received_ms) for t in t_ms]
    good = [not reason for reason in reasons]
    t_ms[:] = compress(t_ms, good)
    for column in columns.values():
        column[:] = compress(column, good)
    return {reason for reason in reasons if reason}


def _time_reason(t_ms: int, oldest_ms: int, received_ms: int) -> str:
    return time_problem(t_ms, received_ms) or ("outside_retention" if t_ms < oldest_ms else "")


def _anomaly(gateway: str, site: str, event: Event) -> Point:
    return Point(
        "anomaly",
        {"site": site, "gateway": gateway, "meter": event.meter, "detector": event.detector},
        event.t,
        {
            "kind": event.kind,
            "score": event.score,
            "threshold": event.threshold,
            "reason": event.reason,
            "interval_ms": event.interval_ms,
        },
    )


def _gateway(status: Status, t_ms: int, received_ms: int) -> Point:
    fields: dict[str, float | int | str | bool] = {
        "status": status.state,
        "site": status.site,
        "session": str(status.session),
        "reason": status.reason,
        "model": status.model,
        "versions": " ".join(f"{name}={version}" for name, version in sorted(status.versions.items())),
    }
    if status.state == "online" and status.t > 0:  # a Will was written long before it is sent
        fields["clock_offset_s"] = (status.t - received_ms) / 1000
    fields.update({f"outbox_{name}": value for name, value in status.outbox.items() if name.isidentifier()})
    return Point("gateway", {"gateway": status.gateway}, t_ms, fields)


def _batch(name: str, shard: _Shard) -> ShardBatch:
    columns = [
        Columns(
            names,
            interval_ms,
            np.array(layout.message, np.int64),
            layout.site,
            layout.gateway,
            layout.meter,
            np.array(layout.length, np.int64),
            np.array(layout.t_ms, np.int64),
            np.array(layout.values, np.float64).reshape(len(names), len(layout.t_ms)),
        )
        for (names, interval_ms), layout in shard.layouts.items()
    ]
    for block in columns:
        shard.letters += _drop_wild_values(block, shard.places)
    return ShardBatch(name, shard.messages, columns, shard.roles, shard.points)


def _drop_wild_values(block: Columns, places: Sequence[_Place]) -> list[DeadLetter]:
    """Make unbelievably large values missing, in place; a letter for each of their messages."""
    wild = np.abs(block.values) > MAX_MAGNITUDE
    if not wild.any():
        return []
    block.values[wild] = np.nan
    messages = np.repeat(block.message, block.length)[wild.any(axis=0)]
    return [places[number].letter("value_out_of_range", "some values") for number in np.unique(messages).tolist()]


def _shard(shards: dict[str, _Shard], site: str) -> _Shard:
    name = shard_of(site)
    found = shards.get(name)
    if found is None:
        found = shards[name] = _Shard()
    return found


def _unreadable(row: JournalRow, error: DecodeError) -> DeadLetter:
    return DeadLetter(row.journal, row.seq, 0, 0, "", error.reason, error.detail[:_KEPT_TEXT], row.payload)


@lru_cache(maxsize=32_768)
def _topic(topic: str) -> UpTopic:
    return parse_up(topic)


def dead_letter_counts(letters: Sequence[DeadLetter]) -> dict[str, int]:
    """How many letters there are of each reason."""
    counts: dict[str, int] = {}
    for letter in letters:
        counts[letter.reason] = counts.get(letter.reason, 0) + 1
    return counts
