"""Commands and their answers on the wire: what is read, what is refused, and that old and new understand each other."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.errors import DecodeError
from wattline.wire import (
    MAX_COMMAND_BYTES,
    Command,
    CommandAnswer,
    Event,
    LoadInfo,
    Status,
    decode_command,
    decode_status,
    encode,
)

GATEWAY = "gw-0001"
COMMAND: dict[str, Any] = {
    "v": 1,
    "gateway": GATEWAY,
    "id": "peak/1",
    "load": "boiler",
    "action": "off",
    "t": 1_700_000_000_000,
    "expires_at": 1_700_000_600_000,
}


def text(**changes: object) -> bytes:
    return json.dumps(COMMAND | changes).encode()


def test_a_command_comes_back_as_it_was_sent() -> None:
    sent = Command(v=1, gateway=GATEWAY, id="1", load="boiler", action="off", t=1, expires_at=2, reason="peak")
    assert decode_command(encode(sent), GATEWAY) == sent


def test_what_a_later_version_adds_is_ignored_and_an_unknown_action_is_left_to_the_load() -> None:
    assert decode_command(text(colour="red", action="dim"), GATEWAY).action == "dim"


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        pytest.param(b"", "bad_json", id="nothing"),
        pytest.param(b"{", "bad_json", id="half an object"),
        pytest.param(b"[" * 8000, "bad_schema", id="deep"),
        pytest.param(text() + b"x", "bad_json", id="something behind it"),
        pytest.param(text(v=2), "bad_version", id="a version to come"),
        pytest.param(text(gateway="gw-0002"), "foreign_gateway", id="another gateway's"),
        pytest.param(text(id=""), "bad_schema", id="no id"),
        pytest.param(text(id="x" * 129), "bad_schema", id="a long id"),
        pytest.param(text(load="a\nb"), "bad_schema", id="a load of two lines"),
        pytest.param(text(action=1), "bad_schema", id="an action as a number"),
        pytest.param(text(action=""), "bad_schema", id="no action"),
        pytest.param(text(t="now"), "bad_schema", id="a time as text"),
        pytest.param(text(expires_at=None), "bad_schema", id="no end"),
        pytest.param(text(expires_at=2**53 + 1), "bad_schema", id="an end beyond 2**53"),
        pytest.param(text(reason="x" * 1025), "bad_schema", id="a novel"),
        pytest.param(text(pad="x" * MAX_COMMAND_BYTES), "too_large", id="too large"),
    ],
)
def test_what_is_no_command_of_ours_has_a_reason(payload: bytes, reason: str) -> None:
    with pytest.raises(DecodeError) as raised:
        decode_command(payload, GATEWAY)
    assert raised.value.reason == reason


@given(st.binary(max_size=300))
def test_whatever_comes_only_decode_errors_are_raised(payload: bytes) -> None:
    with pytest.raises(DecodeError, match=r"bad_json|bad_schema"):
        decode_command(payload, GATEWAY)


def test_a_gateway_without_loads_says_what_it_said_before() -> None:
    """An agent that was updated, and a cloud that was not, and the other way round."""
    status = Status(v=1, gateway=GATEWAY, site="s", state="online", session=1)
    assert b"loads" not in encode(status)
    assert decode_status(encode(status), GATEWAY).loads == []
    assert b"command" not in msgspec.json.encode(Event(kind="anomaly", meter="m", t=1))


def test_an_answer_is_an_event_that_an_older_cloud_can_read() -> None:
    """It knows kind, meter, t and reason, and ignores the rest."""
    answer = CommandAnswer(id="1", load="boiler", action="off", state="done", mode="auto", switched="off")
    event = msgspec.json.decode(msgspec.json.encode(Event(kind="command", meter="b", t=5, reason="x", command=answer)))
    assert {"kind", "meter", "t", "reason"} <= set(event)


@pytest.mark.parametrize(
    "load", [{"id": "b", "power_w": -1}, {"id": "b", "min_on_s": -1}, {"id": "b", "min_off_s": 10**9}, {"kind": "x"}]
)
def test_a_birth_with_an_impossible_load_is_refused(load: dict[str, Any]) -> None:
    status = {"v": 1, "gateway": GATEWAY, "site": "s", "state": "online", "session": 1, "loads": [load]}
    with pytest.raises(DecodeError, match="bad_schema"):
        decode_status(json.dumps(status).encode(), GATEWAY)


def test_a_load_says_what_it_must_and_the_rest_is_careful() -> None:
    load = LoadInfo(id="b")
    assert (load.control, load.mode, load.state) == ("never", "auto", "unknown")
