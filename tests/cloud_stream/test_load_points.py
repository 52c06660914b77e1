"""Births and answers about switchable loads become points; a gateway that invents loads is cut off."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pytest

from cloud_stream.decode import Decoder
from cloud_stream.journal import encode_row
from cloud_stream.load_points import MAX_GATEWAYS, KnownLoads
from cloud_stream.measurements import problem
from cloud_stream.records import DeadLetter, Envelope, JournalRow, Point
from wattline.wire import MAX_LOADS

NOW_MS: Final = 1_790_000_000_000
HEAD: Final[Mapping[str, Any]] = {"v": 1, "gateway": "g", "site": "s"}
LOAD: Final[Mapping[str, Any]] = {"id": "boiler", "meter": "m", "power_w": 2000, "control": "cloud", "min_off_s": 300}
ANSWER: Final[Mapping[str, Any]] = {
    "id": "c1",
    "load": "boiler",
    "action": "off",
    "state": "done",
    "expires_at": NOW_MS + 1,
    "mode": "auto",
    "switched": "off",
}
TAGS: Final = {"gateway": "g", "site": "s", "load": "boiler"}


def decoded(decoder: Decoder, channel: str, **content: object) -> tuple[list[Point], list[DeadLetter]]:
    payload = json.dumps({**HEAD, **content}).encode()
    row = encode_row([Envelope(NOW_MS, f"wattline/v1/g/up/{channel}", "", payload)])
    batches, letters = decoder.decode([JournalRow("j", 1, row)])
    points = [point for batch in batches.values() for point in batch.points]
    assert [problem(point) for point in points] == [""] * len(points)
    return points, letters


def birth(decoder: Decoder, loads: Sequence[object], **content: object) -> tuple[list[Point], list[DeadLetter]]:
    return decoded(decoder, "status", **{"state": "online", "session": 3, "t": NOW_MS, "loads": loads, **content})


def answers(decoder: Decoder, *some: Mapping[str, Any], t_ms: int = NOW_MS) -> tuple[list[Point], list[DeadLetter]]:
    events = [{"kind": "command", "meter": "m", "t": t_ms, "reason": "why", "command": one} for one in some]
    return decoded(decoder, "events", log="l", seq=1, events=events)


def test_a_birth_tells_what_can_be_switched() -> None:
    (gateway, load), letters = birth(Decoder(10**9), [LOAD])
    assert not letters
    assert gateway.measurement == "gateway"
    assert (load.measurement, load.tags, load.t_ms) == ("load", TAGS, NOW_MS)
    assert load.fields == {
        "kind": "boiler",
        "meter": "m",
        "power_w": 2000.0,
        "control": "cloud",
        "mode": "auto",
        "state": "unknown",
        "min_on_s": 0,
        "min_off_s": 300,
    }


def test_an_answer_tells_of_the_command_and_of_the_load() -> None:
    (command, load), letters = answers(Decoder(10**9), ANSWER)
    assert not letters
    assert (command.measurement, command.tags, command.t_ms) == ("command", TAGS, NOW_MS)
    fields = {"id": "c1", "action": "off", "state": "done", "reason": "why", "expires_at": NOW_MS + 1}
    assert command.fields == fields
    assert (load.measurement, load.tags, load.fields) == ("load", TAGS, {"mode": "auto", "state": "off"})


@pytest.mark.parametrize(
    ("changes", "measurements"),
    [
        pytest.param({"id": ""}, ["load"], id="a hand at the relay is no command"),
        pytest.param({"mode": ""}, ["command"], id="of a load that there is not nothing is known"),
        pytest.param({"state": "halfway", "colour": "red"}, ["command", "load"], id="of a gateway of the future"),
    ],
)
def test_what_an_answer_is_about(changes: Mapping[str, Any], measurements: Sequence[str]) -> None:
    points, letters = answers(Decoder(10**9), {**ANSWER, **changes})
    assert ([point.measurement for point in points], letters) == (measurements, [])


@pytest.mark.parametrize("t_ms", [0, NOW_MS + 10**9])
def test_an_answer_of_a_wrong_clock_is_booked_when_it_came(t_ms: int) -> None:
    points, letters = answers(Decoder(10**9), ANSWER, t_ms=t_ms)
    assert ([point.t_ms for point in points], letters) == ([NOW_MS, NOW_MS], [])


def test_an_event_without_an_answer_is_an_anomaly_as_ever() -> None:
    event = {"kind": "anomaly", "meter": "m", "t": NOW_MS}
    (point,), letters = decoded(Decoder(10**9), "events", log="l", seq=1, events=[event])
    assert (point.measurement, letters) == ("anomaly", [])


@pytest.mark.parametrize(
    ("changes", "channel"),
    [({"load": ""}, "events"), ({"expires_at": 1.5}, "events"), ({"state": 1}, "events"), ({"id": "a\n"}, "events")],
)
def test_an_answer_that_is_none_is_a_letter(changes: Mapping[str, Any], channel: str) -> None:
    event = {"kind": "command", "meter": "m", "t": NOW_MS, "command": {**ANSWER, **changes}}
    points, (letter,) = decoded(Decoder(10**9), channel, log="l", seq=1, events=[event])
    assert (points, letter.reason) == ([], "bad_schema")


def test_a_birth_of_too_many_loads_is_a_letter() -> None:
    points, (letter,) = birth(Decoder(10**9), [{**LOAD, "id": f"l{n}"} for n in range(MAX_LOADS + 1)])
    assert (points, letter.reason) == ([], "bad_schema")


def test_a_gateway_that_names_ever_new_loads_is_cut_off_and_goes_on_otherwise() -> None:
    decoder = Decoder(10**9)
    named = 0
    for number in range(MAX_LOADS + 5):
        points, letters = birth(decoder, [{**LOAD, "id": f"l{number}"}, LOAD])
        assert points[0].measurement == "gateway"
        assert all(letter.reason == "too_many_loads" for letter in letters)
        named += len(points) - 2
        assert points[-1].tags == TAGS
    assert named == MAX_LOADS - 1
    points, (letter,) = answers(decoder, ANSWER, {**ANSWER, "load": "one-more"})
    assert ({point.tags["load"] for point in points}, letter.reason) == ({"boiler"}, "too_many_loads")


def test_what_is_remembered_is_bounded() -> None:
    known = KnownLoads()
    assert all(known.admit(f"g{number}", "boiler") for number in range(MAX_GATEWAYS + 100))
    assert len(known._by_gateway) == MAX_GATEWAYS
