"""What a message may look like, and the reason with which every other one is refused."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline import wire
from wattline.errors import DecodeError
from wattline.quantities import UNIT_SUFFIXES
from wattline.topics import is_gateway_id
from wattline.wire import (
    MAX_AHEAD_MS,
    MAX_ID_LENGTH,
    MAX_PAYLOAD_BYTES,
    MIN_TIME_MS,
    Ack,
    Batch,
    Event,
    Events,
    Frame,
    MeterInfo,
    Status,
    decode_ack,
    decode_batch,
    decode_events,
    decode_head,
    decode_status,
    encode,
    time_problem,
)

GATEWAY = "gw-0001"
REASONS = {
    "too_large",
    "bad_json",
    "bad_schema",
    "bad_version",
    "foreign_gateway",
    "unequal_lengths",
    "unknown_quantity",
}
FRAME: dict[str, Any] = {"meter": "m-1", "t": [1_700_000_000_000], "q": {"power_w": [512.0]}}
BATCH: dict[str, Any] = {"v": 1, "gateway": GATEWAY, "site": "house-1", "log": "log-1", "seq": 7, "frames": [FRAME]}
EVENT: dict[str, Any] = {"kind": "anomaly", "meter": "m-1", "t": 1_700_000_000_000}
EVENTS: dict[str, Any] = {key: BATCH[key] for key in ("v", "gateway", "site", "log", "seq")} | {"events": [EVENT]}
STATUS: dict[str, Any] = {"v": 1, "gateway": GATEWAY, "site": "house-1", "state": "online", "session": 5}


def _text(value: object) -> bytes:
    return json.dumps(value).encode()


def _batch(**changes: object) -> bytes:
    return _text(BATCH | changes)


def _frame(**changes: object) -> bytes:
    return _batch(frames=[FRAME | changes])


def _value(literal: str) -> bytes:
    """A batch whose one value is written in this way."""
    return _batch().replace(b"512.0", literal.encode())


def _reason(payload: bytes, gateway: str = GATEWAY) -> tuple[str, str]:
    with pytest.raises(DecodeError) as raised:
        decode_batch(payload, gateway)
    return raised.value.reason, raised.value.detail


# What breaks the head is refused by both decoders of a batch, with the same reason.
HEADS = [
    pytest.param(b"", "bad_json", "truncated", id="nothing"),
    pytest.param(b"{", "bad_json", "truncated", id="half an object"),
    pytest.param(b"not json", "bad_json", "malformed", id="text"),
    pytest.param(_batch() + b"x", "bad_json", "trailing", id="something behind it"),
    pytest.param(b"\xef\xbb\xbf" + _batch(), "bad_json", "byte 0", id="a byte order mark"),
    pytest.param(json.dumps(BATCH).encode("utf-16"), "bad_json", "byte 0", id="UTF-16"),
    pytest.param(_batch(site="X").replace(b"X", b"\xff"), "bad_json", "utf-8", id="not UTF-8"),
    pytest.param(_batch(site="X").replace(b"X", rb"\ud800"), "bad_json", "surrogate", id="half a surrogate pair"),
    pytest.param(_batch()[:-1] + b',"x":' + b"[" * 50_000 + b"]" * 50_000 + b"}", "bad_json", "recursion", id="deep"),
    pytest.param(b"[" * 100_000, "bad_schema", "array", id="a deep array"),
    pytest.param(b"null", "bad_schema", "null", id="null"),
    pytest.param(b"[]", "bad_schema", "array", id="an array"),
    pytest.param(b"{}", "bad_schema", "missing required field `v`", id="an empty object"),
    pytest.param(_batch(v="1"), "bad_schema", "$.v", id="a version as text"),
    pytest.param(_batch(v=True), "bad_schema", "$.v", id="a version as a boolean"),
    pytest.param(_batch(v=10**400), "bad_schema", "$.v", id="a version of 400 digits"),
    pytest.param(_batch(v=2), "bad_version", "2", id="a version to come"),
    pytest.param(_batch(v=0), "bad_version", "0", id="version 0"),
    pytest.param(_batch(gateway="gw-0002"), "foreign_gateway", "gw-0002", id="another gateway's name"),
    pytest.param(_batch(gateway="g" * 5000), "foreign_gateway", "g" * MAX_ID_LENGTH, id="a long foreign name"),
    pytest.param(_batch(gateway=None), "bad_schema", "$.gateway", id="no gateway"),
    pytest.param(_batch(seq=0), "bad_schema", "$.seq", id="number 0"),
    pytest.param(_batch(seq=-1), "bad_schema", "$.seq", id="a number below 0"),
    pytest.param(_batch(seq=2**62 + 1), "bad_schema", "$.seq", id="a number no database keeps"),
    pytest.param(_batch(seq=1.5), "bad_schema", "$.seq", id="half a number"),
    pytest.param(_batch(oldest=-1), "bad_schema", "$.oldest", id="an oldest below 0"),
    pytest.param(_batch(oldest=10**30), "bad_schema", "$.oldest", id="an oldest no database keeps"),
    pytest.param(_batch(site=""), "bad_schema", "$.site", id="an empty site"),
    pytest.param(_batch(log=""), "bad_schema", "$.log", id="an empty log"),
    pytest.param(_batch(log="l" * (MAX_ID_LENGTH + 1)), "bad_schema", "$.log", id="a long log"),
    pytest.param(_batch(site="s" * 2_000_000), "too_large", "bytes", id="2 MB"),
    pytest.param(b" " * (MAX_PAYLOAD_BYTES + 1), "too_large", "131073 bytes", id="one byte too many"),
]

# What only frames can break is left to the flow: ingest reads no further than the head.
FRAMES = [
    pytest.param(_value("NaN"), "bad_json", "malformed", id="NaN"),
    pytest.param(_value("Infinity"), "bad_json", "malformed", id="infinity"),
    pytest.param(_value("-inf"), "bad_json", "malformed", id="minus infinity"),
    pytest.param(_value("1e400"), "bad_schema", "out of range", id="1e400"),
    pytest.param(_value("-1e400"), "bad_schema", "out of range", id="-1e400"),
    pytest.param(_value("9" * 400), "bad_schema", "out of range", id="an integer of 400 digits"),
    pytest.param(_value("1e99999999999999999999"), "bad_schema", "out of range", id="a huge exponent"),
    pytest.param(_value('"512"'), "bad_schema", "got `str`", id="a value as text"),
    pytest.param(_value("true"), "bad_schema", "got `bool`", id="a boolean value"),
    pytest.param(_value("[" * 10_000 + "]" * 10_000), "bad_schema", "got `array`", id="a deep value"),
    pytest.param(_frame(t=[1.5]), "bad_schema", "frames[0].t[0]", id="half a millisecond"),
    pytest.param(_frame(t=[2**53 + 1]), "bad_schema", "frames[0].t[0]", id="a time beyond 2**53"),
    pytest.param(_frame(t=["2026-01-01"]), "bad_schema", "frames[0].t[0]", id="a time as text"),
    pytest.param(_frame(interval_ms=-1), "bad_schema", "interval_ms", id="an interval below 0"),
    pytest.param(_frame(interval_ms=10**15), "bad_schema", "interval_ms", id="an interval of ages"),
    pytest.param(_frame(meter=""), "bad_schema", "frames[0].meter", id="an empty meter"),
    pytest.param(_batch(frames={}), "bad_schema", "$.frames", id="frames as an object"),
    pytest.param(_frame(t=[1, 2]), "unequal_lengths", "m-1: 1 of power_w at 2 times", id="more times than values"),
    pytest.param(
        _frame(q={"power_w": [1.0, 2.0]}), "unequal_lengths", "m-1: 2 of power_w at 1 times", id="more values"
    ),
    pytest.param(
        _frame(q={"power_w": [1.0], "voltage_v": []}), "unequal_lengths", "0 of voltage_v", id="one empty column"
    ),
    pytest.param(_frame(q={"colour": [1.0]}), "unknown_quantity", "colour", id="no unit"),
    pytest.param(_frame(q={"_w": [1.0]}), "unknown_quantity", "_w", id="nothing but a unit"),
    pytest.param(_frame(q={"Power_w": [1.0]}), "unknown_quantity", "Power_w", id="capitals"),
    pytest.param(_frame(q={"X": [1.0]}).replace(b"X", b"\xff"), "bad_json", "utf-8", id="a name that is not UTF-8"),
]


@pytest.mark.parametrize(("payload", "reason", "detail"), HEADS)
def test_a_bad_head_is_refused_by_ingest_and_flow_alike(payload: bytes, reason: str, detail: str) -> None:
    found, why = _reason(payload)
    assert (found, detail in why) == (reason, True)
    with pytest.raises(DecodeError) as raised:
        decode_head(payload, GATEWAY)
    assert (raised.value.reason, raised.value.detail) == (found, why)


@pytest.mark.parametrize(("payload", "reason", "detail"), FRAMES)
def test_bad_frames_are_refused(payload: bytes, reason: str, detail: str) -> None:
    found, why = _reason(payload)
    assert (found, detail in why) == (reason, True)


def test_every_reason_of_a_batch_has_a_row() -> None:
    rows = [row.values[1] for row in (*HEADS, *FRAMES)]
    assert set(rows) == REASONS


@pytest.mark.parametrize("name", ["all", "GW-1", "gw/1", "gw+1", "", "g" * 65])
def test_a_name_that_no_gateway_may_have_is_foreign_even_on_its_own_topic(name: str) -> None:
    assert _reason(_batch(gateway=name), name)[0] == "foreign_gateway"


@pytest.mark.parametrize(
    "name", ["a", "MAC000002", "Haus 1", "dach/süd", "メーター", "a" * MAX_ID_LENGTH, "€", "a.b,c=d"]
)
def test_ids_are_any_printable_text(name: str) -> None:
    batch = decode_batch(_text(BATCH | {"site": name, "log": name, "frames": [FRAME | {"meter": name}]}), GATEWAY)
    assert (batch.site, batch.log, batch.frames[0].meter) == (name, name, name)


PLACES_OF_IDS: dict[str, Callable[[str], object]] = {
    "site": lambda name: decode_batch(_batch(site=name), GATEWAY),
    "log": lambda name: decode_batch(_batch(log=name), GATEWAY),
    "meter": lambda name: decode_batch(_frame(meter=name), GATEWAY),
    "kind of an event": lambda name: decode_events(_text(EVENTS | {"events": [EVENT | {"kind": name}]}), GATEWAY),
    "meter of an event": lambda name: decode_events(_text(EVENTS | {"events": [EVENT | {"meter": name}]}), GATEWAY),
    "site of a status": lambda name: decode_status(_text(STATUS | {"site": name}), GATEWAY),
    "meter of a status": lambda name: decode_status(_text(STATUS | {"meters": [{"id": name, "kind": "gas"}]}), GATEWAY),
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(" a", id="a blank before"),
        pytest.param("a ", id="a blank behind"),
        pytest.param(" ", id="a blank"),
        pytest.param("a\\b", id="a backslash"),
        pytest.param("a\\", id="a backslash at the end escapes what follows in line protocol"),
        pytest.param("a\nb", id="a line feed"),
        pytest.param("a\n", id="a line feed at the end, before which $ matches too"),
        pytest.param("\n", id="only a line feed"),
        pytest.param("a\x00b", id="NUL"),
        pytest.param("a\tb", id="a tabulator"),
        pytest.param("a\x7f", id="DEL"),
        pytest.param("a\x85b", id="a control character beyond ASCII"),
        pytest.param("\x9b31m", id="a terminal's escape sequence in one character"),
        pytest.param("a" * (MAX_ID_LENGTH + 1), id="too long"),
        pytest.param("", id="empty"),
    ],
)
@pytest.mark.parametrize("place", PLACES_OF_IDS)
def test_ids_that_a_database_or_a_terminal_would_trip_over_are_refused(place: str, name: str) -> None:
    with pytest.raises(DecodeError, match="bad_schema"):
        PLACES_OF_IDS[place](name)


def test_a_bad_id_is_explained_without_its_regular_expression() -> None:
    assert _reason(_batch(site="a\nb"))[1] == "Expected a printable text without blanks at its ends - at `$.site`"


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        pytest.param(_batch(colour="red"), [512.0], id="unknown fields are left aside"),
        pytest.param(_value("null"), [None], id="null is missing"),
        pytest.param(_value("512"), [512.0], id="an integer"),
        pytest.param(_value("-0.0"), [0.0], id="minus zero"),
        pytest.param(_value("9" * 30), [1e30], id="an integer of 30 digits"),
        pytest.param(_value("1e-400"), [0.0], id="too small to tell from zero"),
        pytest.param(_batch() + b" \n", [512.0], id="blanks behind"),
        pytest.param(_frame(t=[], q={"power_w": []}), [], id="no rows"),
        pytest.param(_batch()[:-1] + b',"x":' + b"[" * 200 + b"]" * 200 + b"}", [512.0], id="a deep unknown field"),
    ],
)
def test_what_breaks_no_rule_is_taken(payload: bytes, expected: list[float | None]) -> None:
    assert decode_batch(payload, GATEWAY).frames[0].q["power_w"] == expected
    assert decode_head(payload, GATEWAY).seq == 7


def test_a_batch_may_be_empty() -> None:
    assert decode_batch(_batch(frames=[]), GATEWAY).frames == []


@pytest.mark.parametrize(("oldest", "expected"), [(0, 0), (3, 3), (7, 7), (8, 7), (2**62, 7)])
def test_a_gateway_holds_what_it_sends_whatever_it_says(oldest: int, expected: int) -> None:
    payload = _batch(oldest=oldest)
    assert decode_batch(payload, GATEWAY).oldest == decode_head(payload, GATEWAY).oldest == expected


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        pytest.param(_text(EVENTS | {"events": [EVENT | {"t": 1.5}]}), "bad_schema", id="half a millisecond"),
        pytest.param(_text(EVENTS | {"events": [EVENT | {"score": "high"}]}), "bad_schema", id="a score as text"),
        pytest.param(_text(EVENTS | {"events": [EVENT | {"detector": "a\n"}]}), "bad_schema", id="a detector's name"),
        pytest.param(_text(EVENTS | {"events": [EVENT | {"reason": "x" * 2000}]}), "bad_schema", id="a long reason"),
        pytest.param(_text(EVENTS | {"events": [EVENT | {"interval_ms": -1}]}), "bad_schema", id="an interval"),
        pytest.param(_text(EVENTS | {"v": 3}), "bad_version", id="a version to come"),
        pytest.param(_text(EVENTS | {"gateway": "gw-0002"}), "foreign_gateway", id="another gateway"),
        pytest.param(_text(EVENTS)[:-1], "bad_json", id="cut off"),
        pytest.param(_batch(), "bad_schema", id="readings among the events"),
    ],
)
def test_bad_events_are_refused(payload: bytes, reason: str) -> None:
    with pytest.raises(DecodeError) as raised:
        decode_events(payload, GATEWAY)
    assert raised.value.reason == reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"v": 2}, "bad_version"),
        ({"gateway": "gw-0002"}, "foreign_gateway"),
        ({"state": ""}, "bad_schema"),
        ({"session": -1}, "bad_schema"),
        ({"session": 2**63}, "bad_schema"),
        ({"session": None}, "bad_schema"),
        ({"t": 2**60}, "bad_schema"),
        ({"meters": [{"id": "m"}]}, "bad_schema"),
        ({"outbox": {"rows": "many"}}, "bad_schema"),
        ({"versions": ["1"]}, "bad_schema"),
        ({"model": "x" * MAX_PAYLOAD_BYTES}, "too_large"),
    ],
)
def test_a_bad_status_is_refused(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(DecodeError) as raised:
        decode_status(_text(STATUS | changes), GATEWAY)
    assert raised.value.reason == reason


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "bad_json"),
        (b"\xff\xfe", "bad_json"),
        (b"[]", "bad_schema"),
        (b'{"log":"l"}', "bad_schema"),
        (b'{"log":"l","seqs":[[1]]}', "bad_schema"),
        (b'{"log":"l","seqs":[[1,2,3]]}', "bad_schema"),
        (b'{"log":"l","seqs":[[1,"2"]]}', "bad_schema"),
        (b'{"log":"l","seqs":[[1,' + b"9" * 5000 + b"]]}", "bad_schema"),
        (b'{"log":"l","seqs":[' + b"[1,2]," * 30_000 + b"[1,2]]}", "too_large"),
    ],
)
def test_a_bad_acknowledgement_is_refused(payload: bytes, reason: str) -> None:
    with pytest.raises(DecodeError) as raised:
        decode_ack(payload)
    assert raised.value.reason == reason


NOW_MS = 1_790_000_000_000


@pytest.mark.parametrize(
    ("t_ms", "problem"),
    [
        (MIN_TIME_MS - 1, "time_too_old"),
        (-(2**53), "time_too_old"),
        (0, "time_too_old"),
        (MIN_TIME_MS, ""),
        (NOW_MS, ""),
        (NOW_MS + MAX_AHEAD_MS, ""),
        (NOW_MS + MAX_AHEAD_MS + 1, "time_in_future"),
        (4_102_444_800_000, "time_in_future"),
    ],
)
def test_times_before_2000_and_a_day_ahead_are_not_believed(t_ms: int, problem: str) -> None:
    assert time_problem(t_ms, NOW_MS) == problem


# ------------------------------------------------------------------ properties

_GATEWAYS = st.from_regex(r"[a-z0-9-]{1,64}", fullmatch=True).filter(is_gateway_id)
_PRINTABLE = st.characters(min_codepoint=0x21, exclude_categories=["Cc", "Cs"], exclude_characters="\\")
_IDS = st.text(_PRINTABLE, min_size=1, max_size=MAX_ID_LENGTH)
_NAMES = st.builds("{}{}".format, st.from_regex(r"[a-z][a-z0-9]{0,9}", fullmatch=True), st.sampled_from(UNIT_SUFFIXES))
_VALUES = st.none() | st.floats(allow_nan=False, allow_infinity=False)
_TIMES = st.integers(-(2**53), 2**53)
_SEQS = st.integers(1, 2**62)


@st.composite
def _frames(draw: st.DrawFn) -> Frame:
    times = draw(st.lists(_TIMES, max_size=5))
    columns = st.lists(_VALUES, min_size=len(times), max_size=len(times))
    q = draw(st.dictionaries(_NAMES, columns, max_size=3))
    return Frame(draw(_IDS), times, q, draw(st.integers(0, 366 * 86_400_000)))


@st.composite
def _batches(draw: st.DrawFn) -> Batch:
    seq = draw(_SEQS)
    return Batch(
        v=wire.VERSION,
        gateway=draw(_GATEWAYS),
        site=draw(_IDS),
        log=draw(_IDS),
        seq=seq,
        oldest=draw(st.integers(0, seq)),
        frames=draw(st.lists(_frames(), max_size=3)),
    )


_EVENT = st.builds(
    Event,
    kind=_IDS,
    meter=_IDS,
    t=_TIMES,
    interval_ms=st.integers(0, 86_400_000),
    detector=st.just("") | _IDS,
    score=st.floats(0, 1),
    threshold=st.floats(0, 1),
    reason=st.text(st.characters(exclude_categories=["Cs"]), max_size=50),
)
_EVENTS = st.builds(
    Events, v=st.just(1), gateway=_GATEWAYS, site=_IDS, log=_IDS, seq=_SEQS, events=st.lists(_EVENT, max_size=3)
)
_STATUS = st.builds(
    Status,
    v=st.just(1),
    gateway=_GATEWAYS,
    site=_IDS,
    state=st.sampled_from(["online", "offline"]),
    session=st.integers(0, 2**62),
    t=_TIMES,
    versions=st.dictionaries(_IDS, _IDS, max_size=2),
    meters=st.lists(st.builds(MeterInfo, id=_IDS, kind=_IDS, unit=_NAMES), max_size=3),
    logs=st.lists(_IDS, max_size=2),
    outbox=st.dictionaries(_NAMES, st.floats(0, 1e12), max_size=2),
)


@given(_batches())
def test_a_batch_survives_the_way(batch: Batch) -> None:
    payload = encode(batch)
    assert decode_batch(payload, batch.gateway) == batch
    head = decode_head(payload, batch.gateway)
    assert (head.site, head.log, head.seq, head.oldest) == (batch.site, batch.log, batch.seq, batch.oldest)


@given(_EVENTS)
def test_events_survive_the_way(events: Events) -> None:
    assert decode_events(encode(events), events.gateway) == events


@given(_STATUS)
def test_a_status_survives_the_way(status: Status) -> None:
    assert decode_status(encode(status), status.gateway) == status


@given(st.builds(Ack, log=_IDS, seqs=st.lists(st.tuples(_SEQS, _SEQS), max_size=5)))
def test_an_acknowledgement_survives_the_way(ack: Ack) -> None:
    assert decode_ack(encode(ack)) == ack


@st.composite
def _spoilt(draw: st.DrawFn) -> bytes:
    """A valid payload with some bytes changed, cut out or put in."""
    source = draw(st.sampled_from([_batch(oldest=3), _text(EVENTS), _text(STATUS), b'{"log":"l","seqs":[[1,4]]}']))
    payload = bytearray(source)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(payload)))
        payload[at : at + draw(st.integers(0, 3))] = draw(
            st.binary(max_size=4) | st.sampled_from([b'"', b"{", b"]", b"\\u", b"1e999", b"null", b"-", b"9" * 5000])
        )
    return bytes(payload)


@given(st.binary(max_size=200) | _spoilt())
def test_arbitrary_bytes_end_in_a_message_or_a_decode_error(payload: bytes) -> None:
    for decode in (decode_head, decode_batch, decode_events, decode_status):
        try:
            assert decode(payload, GATEWAY).gateway == GATEWAY
        except DecodeError as error:
            assert error.reason in REASONS  # noqa: PT017 (both ends are right)
    try:
        decode_ack(payload)
    except DecodeError as error:
        assert error.reason in REASONS  # noqa: PT017 (both ends are right)
