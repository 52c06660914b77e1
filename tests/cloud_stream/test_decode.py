"""From journal rows to columns per shard; what cannot be used becomes a dead letter and disturbs nothing else."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_stream.decode import MAX_INTERVAL_MS, Decoder, dead_letter_counts
from cloud_stream.journal import encode_row
from cloud_stream.records import DeadLetter, Envelope, JournalRow, ShardBatch
from cloud_stream.sharding import shard_of
from wattline.wire import MAX_AHEAD_MS, MAX_PAYLOAD_BYTES, MIN_TIME_MS

NOW_MS: Final = 1_790_000_000_000
RETENTION_MS: Final = 30 * 86_400_000
READINGS: Final = "wattline/v1/g/up/readings"
BATCH: Final[Mapping[str, Any]] = {
    "v": 1,
    "gateway": "g",
    "site": "s",
    "log": "log",
    "seq": 1,
    "oldest": 1,
    "frames": [{"meter": "m", "t": [NOW_MS], "q": {"power_w": [1.0]}}],
}
STATUS: Final[Mapping[str, Any]] = {"v": 1, "gateway": "g", "site": "s", "state": "online", "session": 3, "t": NOW_MS}
EVENT: Final[Mapping[str, Any]] = {"kind": "anomaly", "meter": "m", "t": NOW_MS, "detector": "d", "score": 0.5}


def payload(base: Mapping[str, Any] = BATCH, **changes: object) -> bytes:
    return json.dumps({**base, **changes}).encode()


def frame(**changes: object) -> list[dict[str, object]]:
    return [{"meter": "m", "t": [NOW_MS], "q": {"power_w": [1.0]}, **changes}]


def envelope(content: bytes, topic: str = READINGS, reject: str = "") -> Envelope:
    return Envelope(NOW_MS, topic, reject, content)


def decode(*envelopes: Envelope) -> tuple[dict[str, ShardBatch], list[DeadLetter]]:
    return Decoder(RETENTION_MS).decode([JournalRow("j", 7, encode_row(envelopes))])


Row = tuple[str, str, str, int, dict[str, float]]


def rows(batches: Mapping[str, ShardBatch]) -> list[Row]:
    """Site, gateway, meter, time and values of every row that was decoded."""
    found: list[Row] = []
    for batch in batches.values():
        for block in batch.columns:
            frames = np.repeat(np.arange(len(block.length)), block.length)
            for number, t_ms, values in zip(frames.tolist(), block.t_ms.tolist(), block.values.T.tolist(), strict=True):
                known = {name: v for name, v in zip(block.quantities, values, strict=True) if v == v}  # noqa: PLR0124 (not NaN)
                found.append((block.site[number], block.gateway[number], block.meter[number], t_ms, known))
    return found


def test_a_batch_becomes_columns_of_its_shard() -> None:
    frames = [
        {"meter": "m", "t": [NOW_MS, NOW_MS + 1], "q": {"power_w": [1.0, 2.0], "gas_m3": [5.0, None]}},
        {"meter": "n", "t": [NOW_MS], "q": {"power_w": [3.0], "gas_m3": [6.0]}},
        {"meter": "o", "t": [NOW_MS], "q": {"energy_kwh": [4.0]}, "interval_ms": 1000},
    ]
    batches, letters = decode(envelope(payload(frames=frames)))
    assert not letters
    assert rows(batches) == [
        ("s", "g", "m", NOW_MS, {"power_w": 1.0, "gas_m3": 5.0}),
        ("s", "g", "m", NOW_MS + 1, {"power_w": 2.0}),
        ("s", "g", "n", NOW_MS, {"power_w": 3.0, "gas_m3": 6.0}),
        ("s", "g", "o", NOW_MS, {"energy_kwh": 4.0}),
    ]
    (batch,) = batches.values()
    assert batch.shard == shard_of("s")
    assert [block.interval_ms for block in batch.columns] == [0, 1000]
    (head,) = batch.messages
    assert (head.gateway, head.site, head.log, head.seq, head.oldest) == ("g", "s", "log", 1, 1)


def test_frames_know_their_message() -> None:
    batches, _ = decode(envelope(payload()), envelope(payload(seq=2)), envelope(payload(seq=3)))
    (batch,) = batches.values()
    assert [batch.messages[n].seq for n in batch.columns[0].message] == [1, 2, 3]


def test_sites_go_to_their_shards() -> None:
    batches, _ = decode(envelope(payload(site="house")), envelope(payload(site="site-1")))
    assert {name: {row[0] for row in rows({name: batch})} for name, batch in batches.items()} == {
        shard_of("house"): {"house"},
        shard_of("site-1"): {"site-1"},
    }


UNUSABLE: Final = [
    pytest.param(envelope(b"{"), "bad_json", id="not JSON"),
    pytest.param(envelope(b"\xff" * 10), "bad_json", id="not text"),
    pytest.param(envelope(payload() + b"x"), "bad_json", id="more behind it"),
    pytest.param(envelope(payload(site="s").replace(b'"s"', b'"\\ud800"')), "bad_json", id="half a surrogate"),
    pytest.param(envelope(payload(frames=frame(q={"power_w": [float("nan")]}))), "bad_json", id="NaN"),
    pytest.param(envelope(payload(frames=frame(q={"power_w": [float("inf")]}))), "bad_json", id="infinite"),
    pytest.param(envelope(b"[" * 100_000), "bad_schema", id="very deep"),
    pytest.param(envelope(payload().replace(b"1.0", b"1e999")), "bad_schema", id="a number beyond float64"),
    pytest.param(envelope(payload(frames=frame(t=["now"]))), "bad_schema", id="a time as text"),
    pytest.param(envelope(payload(frames=frame(t=[1.5]))), "bad_schema", id="half a millisecond"),
    pytest.param(envelope(payload(frames=frame(q={"power_w": [True]}))), "bad_schema", id="a truth as a number"),
    pytest.param(envelope(payload(seq=0)), "bad_schema", id="no such number"),
    pytest.param(envelope(payload(site="a\nb")), "bad_schema", id="a site with a line feed"),
    pytest.param(envelope(payload(v=2)), "bad_version", id="another version"),
    pytest.param(envelope(payload(gateway="other")), "foreign_gateway", id="another gateway"),
    pytest.param(envelope(payload(frames=frame(t=[NOW_MS, NOW_MS]))), "unequal_lengths", id="unequal lengths"),
    pytest.param(envelope(payload(frames=frame(q={"mood": [1.0]}))), "unknown_quantity", id="an unknown quantity"),
    pytest.param(envelope(payload(frames=frame(interval_ms=MAX_INTERVAL_MS + 1))), "bad_interval", id="a long amount"),
    pytest.param(envelope(b" " * (MAX_PAYLOAD_BYTES + 1)), "too_large", id="too large"),
    pytest.param(envelope(payload(), "wattline/v1/g/down/ack"), "bad_topic", id="not a topic of a gateway"),
    pytest.param(envelope(payload(), reject="foreign_site"), "foreign_site", id="known to ingest"),
    pytest.param(envelope(b"{}", "wattline/v1/g/up/status"), "bad_schema", id="an empty status"),
    pytest.param(
        envelope(payload(STATUS, gateway="h"), "wattline/v1/g/up/status"), "foreign_gateway", id="a foreign birth"
    ),
    pytest.param(envelope(b"{}", "wattline/v1/g/up/events"), "bad_schema", id="empty events"),
]


@pytest.mark.parametrize(("unusable", "reason"), UNUSABLE)
def test_an_unusable_message_is_a_letter_and_disturbs_no_other(unusable: Envelope, reason: str) -> None:
    good = envelope(payload())
    alone, _ = decode(good)
    batches, (letter,) = decode(unusable, good)
    assert rows(batches) == rows(alone)
    assert letter.reason == reason
    assert (letter.journal, letter.seq, letter.index, letter.received_ms) == ("j", 7, 0, NOW_MS)
    assert (letter.topic, letter.payload) == (unusable.topic, unusable.payload)


@given(st.binary(max_size=200))
def test_nothing_raises_whatever_comes(content: bytes) -> None:
    for channel in ("readings", "events", "status", "model", "nothing"):
        decode(envelope(content, f"wattline/v1/g/up/{channel}"))


def test_a_journal_row_that_is_none_is_a_letter() -> None:
    good = JournalRow("j", 2, encode_row([envelope(payload())]))
    batches, (letter,) = Decoder(RETENTION_MS).decode([JournalRow("j", 1, b"\x00"), good])
    assert (letter.reason, letter.seq, letter.payload) == ("bad_row", 1, b"\x00")
    assert len(rows(batches)) == 1


@pytest.mark.parametrize(
    ("t_ms", "reason"),
    [
        (MIN_TIME_MS - 1, "time_too_old"),
        (0, "time_too_old"),
        (-1, "time_too_old"),
        (NOW_MS - RETENTION_MS - 1, "outside_retention"),
        (NOW_MS + MAX_AHEAD_MS + 1, "time_in_future"),
        (4_102_444_800_000, "time_in_future"),
    ],
)
def test_of_a_message_only_the_rows_with_bad_times_are_lost(t_ms: int, reason: str) -> None:
    frames = [{"meter": "m", "t": [NOW_MS, t_ms, NOW_MS + 1], "q": {"power_w": [1.0, 2.0, 3.0], "gas_m3": [4, 5, 6]}}]
    batches, (letter,) = decode(envelope(payload(frames=frames)))
    assert [(t, values) for *_, t, values in rows(batches)] == [
        (NOW_MS, {"power_w": 1.0, "gas_m3": 4.0}),
        (NOW_MS + 1, {"power_w": 3.0, "gas_m3": 6.0}),
    ]
    assert letter.reason == reason


@pytest.mark.parametrize("t_ms", [NOW_MS - RETENTION_MS, NOW_MS + MAX_AHEAD_MS])
def test_times_at_the_bounds_are_good(t_ms: int) -> None:
    batches, letters = decode(envelope(payload(frames=frame(t=[t_ms]))))
    assert not letters
    assert len(rows(batches)) == 1


@pytest.mark.parametrize(("value", "good"), [(1e12, True), (-1e12, True), (2e12, False), (-1e308, False)])
def test_an_unbelievable_value_is_missing_and_a_letter(value: float, *, good: bool) -> None:
    frames = [{"meter": "m", "t": [NOW_MS], "q": {"power_w": [value], "gas_m3": [5.0]}}]
    batches, letters = decode(envelope(b"{"), envelope(payload()), envelope(payload(seq=2, frames=frames)))
    expected = {"power_w": value, "gas_m3": 5.0} if good else {"gas_m3": 5.0}
    assert rows(batches)[1][-1] == expected
    assert [(letter.reason, letter.index) for letter in letters[1:]] == ([] if good else [("value_out_of_range", 2)])
    assert letters[-1].payload == (b"{" if good else payload(seq=2, frames=frames))


@pytest.mark.parametrize(
    "frames",
    [[], frame(t=[], q={"power_w": []}), frame(q={}), frame(q={"power_w": [None]})],
    ids=["no frames", "no rows", "no quantities", "no values"],
)
def test_a_batch_that_says_nothing_is_still_a_batch(frames: Sequence[object]) -> None:
    batches, letters = decode(envelope(payload(frames=frames)))
    assert not letters
    assert [head.seq for batch in batches.values() for head in batch.messages] == [1]
    assert all(not values for *_, values in rows(batches))


def test_a_birth_tells_roles_and_the_state_of_the_gateway() -> None:
    meters = [{"id": "m", "kind": "electricity"}, {"id": "roof", "kind": "electricity", "role": "production"}]
    content = payload(STATUS, meters=meters, versions={"agent": "1"}, outbox={"rows": 5, "no name": 1})
    batches, letters = decode(envelope(content, "wattline/v1/g/up/status"))
    assert not letters
    (batch,) = batches.values()
    assert [(told.site, told.meter, told.role) for told in batch.roles] == [
        ("s", "m", "main"),
        ("s", "roof", "production"),
    ]
    (point,) = batch.points
    assert (point.measurement, point.tags, point.t_ms) == ("gateway", {"gateway": "g"}, NOW_MS)
    assert point.fields == {
        "status": "online",
        "site": "s",
        "session": "3",
        "reason": "",
        "model": "",
        "versions": "agent=1",
        "outbox_rows": 5.0,
        "clock_offset_s": 0.0,
    }


@pytest.mark.parametrize(
    ("state", "t_ms", "offset_s"),
    [
        ("online", NOW_MS + 2500, 2.5),
        ("online", NOW_MS - 90_000, -90.0),
        ("online", 0, None),
        ("offline", NOW_MS, None),
    ],
    ids=["ahead", "behind, or long on its way", "no clock", "a Will was written at its session's begin"],
)
def test_a_birth_tells_how_far_its_clock_is_off(state: str, t_ms: int, offset_s: float | None) -> None:
    batches, _ = decode(envelope(payload(STATUS, state=state, t=t_ms), "wattline/v1/g/up/status"))
    ((point,),) = [batch.points for batch in batches.values()]
    assert point.fields.get("clock_offset_s") == offset_s


@pytest.mark.parametrize("t_ms", [0, NOW_MS + MAX_AHEAD_MS + 1])
def test_a_state_without_a_believable_time_is_of_its_arrival(t_ms: int) -> None:
    batches, _ = decode(envelope(payload(STATUS, t=t_ms), "wattline/v1/g/up/status"))
    assert [point.t_ms for batch in batches.values() for point in batch.points] == [NOW_MS]


def events(*some: Mapping[str, Any]) -> bytes:
    head = {name: value for name, value in BATCH.items() if name != "frames"}
    return payload(head, events=list(some))


def test_events_become_points() -> None:
    batches, letters = decode(envelope(events(EVENT, {**EVENT, "meter": "n"}), "wattline/v1/g/up/events"))
    assert not letters
    (batch,) = batches.values()
    assert [point.tags for point in batch.points] == [
        {"site": "s", "gateway": "g", "meter": meter, "detector": "d"} for meter in ("m", "n")
    ]
    assert batch.points[0].fields["score"] == 0.5


@pytest.mark.parametrize(("t_ms", "reason"), [(1, "time_too_old"), (NOW_MS + MAX_AHEAD_MS + 1, "time_in_future")])
def test_events_with_an_unbelievable_time_are_a_letter(t_ms: int, reason: str) -> None:
    batches, (letter,) = decode(envelope(events(EVENT, {**EVENT, "t": t_ms}), "wattline/v1/g/up/events"))
    assert letter.reason == reason
    assert not any(batch.points for batch in batches.values())


def test_letters_are_counted_by_reason() -> None:
    _, letters = decode(envelope(b"{"), envelope(b"{"), envelope(payload(v=2)))
    assert dead_letter_counts(letters) == {"bad_json": 2, "bad_version": 1}
