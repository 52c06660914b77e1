"""What one message becomes, whatever it holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_stream.admission import KEPT_OF_OVERSIZED_BYTES, Admitted, BatchId, admit
from cloud_stream.records import Envelope
from wattline.wire import MAX_PAYLOAD_BYTES

READINGS = "wattline/v1/gw-1/up/readings"
GOOD = b'{"v":1,"gateway":"gw-1","site":"home","log":"L","seq":5,"frames":[]}'
STATUS = b'{"v":1,"gateway":"gw-1","site":"home","state":"online","session":3}'


def _only_home(_: str, site: str) -> str:
    return "" if site in ("", "home") else "foreign_site"


def _nobody(_: str, __: str) -> str:
    return "unknown_gateway"


def _admit(topic: str, payload: bytes) -> Admitted:
    return admit(topic, payload, 1000, _only_home)


def test_a_good_batch_goes_to_the_journal_unchanged_with_its_number() -> None:
    batch = BatchId("gw-1", "L", 5)
    assert _admit(READINGS, GOOD) == Admitted("gw-1", Envelope(1000, READINGS, "", GOOD), batch)


@pytest.mark.parametrize(
    ("channel", "payload", "reject"),
    [
        ("readings", GOOD.replace(b"home", b"away"), "foreign_site"),
        ("events", GOOD.replace(b"home", b"away"), "foreign_site"),
        ("status", STATUS, ""),
        ("status", STATUS.replace(b"home", b"away"), "foreign_site"),
        ("status", STATUS.replace(b"gw-1", b"gw-2"), "foreign_gateway"),
        ("status", b"", "bad_json"),
        ("model", b"", ""),
        ("model", bytes(MAX_PAYLOAD_BYTES + 1), "too_large"),
        ("status", bytes(MAX_PAYLOAD_BYTES + 1), "too_large"),
        ("readings", bytes(MAX_PAYLOAD_BYTES + 1), "too_large"),
        ("readings", GOOD.replace(b":5,", b":0,"), "bad_schema"),
        ("readings", GOOD.replace(b'"seq"', b'"sequence"'), "bad_schema"),
    ],
)
def test_the_reason_to_reject_goes_along(channel: str, payload: bytes, reject: str) -> None:
    assert _admit(f"wattline/v1/gw-1/up/{channel}", payload).envelope.reject == reject


@pytest.mark.parametrize("channel", ["readings", "events", "status", "model"])
def test_no_channel_is_open_to_an_unknown_gateway(channel: str) -> None:
    payload = STATUS if channel == "status" else GOOD
    assert admit(f"wattline/v1/gw-1/up/{channel}", payload, 0, _nobody).envelope.reject == "unknown_gateway"


@pytest.mark.parametrize(
    "topic",
    ["", "/", "wattline/v1/all/up/readings", "wattline/v1/GW/up/readings", "wattline/v1/gw-1/up/other", "x" * 999],
)
def test_a_topic_that_is_not_ours_is_kept_shortened_and_answered_to_nobody(topic: str) -> None:
    admitted = _admit(topic, GOOD)
    assert (admitted.envelope.reject, admitted.batch) == ("bad_topic", None)
    assert admitted.envelope.topic == topic[:200]


def test_the_answer_to_a_payload_that_names_another_gateway_goes_to_the_sender() -> None:
    assert _admit(READINGS, GOOD.replace(b"gw-1", b"gw-2")).batch == BatchId("gw-1", "L", 5)


@given(
    topic=st.sampled_from([READINGS, "wattline/v1/gw-1/up/events", "wattline/v1/gw-1/up/status", "x"]),
    payload=st.one_of(st.binary(max_size=300), st.binary(max_size=80).map(lambda junk: GOOD[:40] + junk)),
)
def test_whatever_comes_is_kept_as_it_came(topic: str, payload: bytes) -> None:
    assert _admit(topic, payload).envelope.payload == payload


def test_of_a_payload_that_is_too_large_the_beginning_is_kept() -> None:
    kept = _admit(READINGS, b"x" * (MAX_PAYLOAD_BYTES + 1)).envelope.payload
    assert kept == b"x" * KEPT_OF_OVERSIZED_BYTES
