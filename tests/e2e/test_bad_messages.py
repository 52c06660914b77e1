"""Whatever a gateway may send: it ends as a counted dead letter, and disturbs nothing beside it."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tests.cloud_stream.ingest_rig import GatewayClient
from tests.e2e.cloud import Cloud, Letter
from wattline.local_servers import LOOPBACK, MosquittoServer

NOW_MS = time.time_ns() // 1_000_000
BASE_MS = NOW_MS - NOW_MS % 1000 - 3_600_000
Y1999_MS = 946_684_799_999
Y2100_MS = 4_102_444_800_000
KEPT_BYTES = 64 * 1024
"""Of a dead letter's payload."""


def batch(gateway: str, **other: object) -> dict[str, Any]:
    """A batch of two readings that is good, but for `other`."""
    frame = {"meter": "m1", "t": [BASE_MS, BASE_MS + 1000], "q": {"power_w": [1.0, 2.0]}}
    whole = {"v": 1, "gateway": gateway, "site": f"site-{gateway}", "log": "log", "seq": 1, "oldest": 1}
    return {**whole, "frames": [frame], **other}


def text(gateway: str, **other: object) -> str:
    return json.dumps(batch(gateway, **other))


def frames(
    t: Sequence[float], power_w: Sequence[object], meter: str = "m1", **other: object
) -> list[dict[str, object]]:
    return [{"meter": meter, "t": t, "q": {"power_w": power_w, **other}}]


def status(gateway: str, **other: object) -> str:
    return json.dumps({"v": 1, "gateway": gateway, "site": f"site-{gateway}", "state": "online", "session": 1, **other})


def events(gateway: str, **other: object) -> str:
    event = {"kind": "anomaly", "meter": "m1", "t": BASE_MS, "score": 0.9, **other}
    return text(gateway, events=[event])


class Bad(NamedTuple):
    """A message that cannot be used.

    Attributes:
        gateway: Whose topic it is published on; no two messages share one.
        payload: Without `{}`: as it is.
        reason: What its dead letter must say.
        acked: Whether the gateway is told to forget it: its number can be read. What is no JSON has none; the gateway
            sets it aside after some attempts.
        survivors: Readings of it that are good and must be stored.
    """

    gateway: str
    payload: str | bytes
    reason: str
    acked: bool = False
    survivors: tuple[tuple[int, float], ...] = ()
    channel: str = "readings"

    @property
    def topic(self) -> str:
        return f"wattline/v1/{self.gateway}/up/{self.channel}"


def oversized(gateway: str) -> str:
    return text(gateway, padding="x" * (2 << 20))


BOTH = ((BASE_MS, 1.0), (BASE_MS + 1000, 2.0))
BAD = [
    Bad("no-json", "this is no JSON", "bad_json"),
    Bad("cut-off", text("cut-off")[:-20], "bad_json"),
    Bad("empty", b"", "bad_json"),
    Bad("binary", bytes(range(256)) * 10, "bad_json"),
    Bad("nested", '{"v":' + "[" * 50_000, "bad_schema"),
    Bad("nan", text("nan", frames=frames([BASE_MS, BASE_MS + 1000], [float("nan"), 1.0])), "bad_json"),
    Bad("infinity", text("infinity", frames=frames([BASE_MS], [float("inf")])), "bad_json"),
    Bad(
        "huge", text("huge", frames=frames([BASE_MS], ["1e999"])).replace('"1e999"', "1e999"), "bad_schema", acked=True
    ),
    Bad("version-2", text("version-2", v=2), "bad_version", acked=True),
    Bad("version-text", text("version-text", v="1"), "bad_schema", acked=True),
    Bad("no-version", text("no-version").replace('"v": 1, ', ""), "bad_schema", acked=True),
    Bad("a-list", "[1, 2, 3]", "bad_schema"),
    Bad("value-text", text("value-text", frames=frames([BASE_MS], ["1.0"])), "bad_schema", acked=True),
    Bad("time-float", text("time-float", frames=frames([BASE_MS + 0.5], [1.0])), "bad_schema", acked=True),
    Bad("time-beyond", text("time-beyond", frames=frames([2**80], [1.0])), "bad_schema", acked=True),
    Bad("seq-zero", text("seq-zero", seq=0), "bad_schema"),
    Bad("seq-beyond", text("seq-beyond", seq=2**63), "bad_schema"),
    Bad("meter-lines", text("meter-lines", frames=frames([BASE_MS], [1.0], "m1\nusage n=1")), "bad_schema", acked=True),
    Bad("meter-empty", text("meter-empty", frames=frames([BASE_MS], [1.0], "")), "bad_schema", acked=True),
    Bad("lengths", text("lengths", frames=frames([BASE_MS], [1.0, 2.0])), "unequal_lengths", acked=True),
    Bad("lengths-2", text("lengths-2", frames=frames([BASE_MS], [1.0], voltage_v=[])), "unequal_lengths", acked=True),
    Bad("unit", text("unit", frames=frames([BASE_MS], [1.0], magic=[1.0])), "unknown_quantity", acked=True),
    Bad("foreign", text("good"), "foreign_gateway", acked=True),
    Bad("too-large", oversized("too-large"), "too_large", acked=True),
    Bad("large-noise", b"\xa5" * (2 << 20), "too_large"),
    Bad(
        "year-1999",
        text("year-1999", frames=frames([Y1999_MS, BASE_MS], [7.0, 1.0])),
        "time_too_old",
        acked=True,
        survivors=((BASE_MS, 1.0),),
    ),
    Bad(
        "year-2100",
        text("year-2100", frames=[*batch("")["frames"], *frames([Y2100_MS], [7.0], "m2")]),
        "time_in_future",
        acked=True,
        survivors=BOTH,
    ),
    Bad(
        "retention",
        text("retention", frames=frames([BASE_MS - 500 * 86_400_000, BASE_MS], [7.0, 1.0])),
        "outside_retention",
        acked=True,
        survivors=((BASE_MS, 1.0),),
    ),
    Bad("LOUD", text("LOUD"), "bad_topic"),
    Bad("all", text("all"), "bad_topic"),
    Bad("dead", status("dead", v=9), "bad_version", channel="status"),
    Bad("birth", status("somebody-else"), "foreign_gateway", channel="status"),
    Bad("event-nan", events("event-nan", score=float("nan")), "bad_json", channel="events"),
    Bad("event-2100", events("event-2100", t=Y2100_MS), "time_in_future", acked=True, channel="events"),
    Bad("event-1999", events("event-1999", t=Y1999_MS), "time_too_old", acked=True, channel="events"),
    Bad("event-large", events("event-large", note="x" * (2 << 20)), "too_large", acked=True, channel="events"),
]
EXPECTED = Counter(bad.reason for bad in BAD)
GOOD = len(BAD) + 2


class Scene(NamedTuple):
    """What is there once everything was sent and has come to rest.

    Attributes:
        letters: By topic.
        acked: The gateways that were told to forget a batch.
    """

    cloud: Cloud
    letters: dict[str, list[Letter]]
    acked: set[str]


def good_payload(seq: int) -> bytes:
    return text("good", seq=seq, frames=frames([BASE_MS + seq * 1000], [float(seq)])).encode()


def good_rows() -> set[tuple[str, str, int, float]]:
    """All that must be in the store: the good gateway's readings, and what was good in bad company."""
    rows = {("site-good", "m1", BASE_MS + seq * 1000, float(seq)) for seq in range(1, GOOD + 1)}
    return rows | {(f"site-{bad.gateway}", "m1", t, value) for bad in BAD for t, value in bad.survivors}


def subscribe(client: Client) -> None:
    client.subscribe("wattline/v1/+/down/ack")


@contextmanager
def listening_for_acks(port: int) -> Iterator[set[str]]:
    """The gateways that the cloud has acknowledged a batch of."""
    acked: set[str] = set()
    subscribed = threading.Event()
    client = Client(CallbackAPIVersion.VERSION2, client_id="listener")
    client.on_connect = lambda *_: subscribe(client)
    client.on_subscribe = lambda *_: subscribed.set()
    client.on_message = lambda _, __, message: acked.add(message.topic.split("/")[2])
    client.connect(LOOPBACK, port)
    client.loop_start()
    assert subscribed.wait(30)
    try:
        yield acked
    finally:
        client.disconnect()
        client.loop_stop()


@pytest.fixture(scope="module")
def scene(folder: Path, shared_broker: MosquittoServer) -> Iterator[Scene]:
    """Good, bad, good, bad, .., good; until all good is stored and all bad in the file."""
    port = shared_broker.port
    with (
        listening_for_acks(port) as acked,
        Cloud(folder / "cloud", shared_broker.url) as cloud,
        GatewayClient(port, "good") as good,
    ):
        for seq, bad in enumerate(BAD, 1):
            good.send(good_payload(seq))
            good.send_to(bad.topic, bad.payload if isinstance(bad.payload, bytes) else bad.payload.encode())
        for seq in (GOOD - 1, GOOD):
            good.send(good_payload(seq))
        cloud.wait_for(lambda: cloud.readings() >= good_rows(), "every good reading is stored")
        cloud.wait_for(lambda: len(cloud.letters()) >= len(BAD), "every bad message is a dead letter")
        told = {"good", *(bad.gateway for bad in BAD if bad.acked)}
        cloud.wait_for(lambda: acked >= told, "who sent a number is told")
        letters: dict[str, list[Letter]] = {}
        for letter in cloud.letters():
            letters.setdefault(letter.topic, []).append(letter)
        yield Scene(cloud, letters, acked)


def test_the_store_holds_what_is_good_and_nothing_else(scene: Scene) -> None:
    assert scene.cloud.readings() == good_rows()


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.gateway)
def test_a_bad_message_is_one_dead_letter_with_reason_and_bytes(scene: Scene, bad: Bad) -> None:
    payload = bad.payload if isinstance(bad.payload, bytes) else bad.payload.encode()
    (letter,) = scene.letters[bad.topic]
    assert letter.reason == bad.reason
    assert letter.payload == payload[:KEPT_BYTES]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.gateway)
def test_a_batch_that_never_can_be_used_is_not_sent_again(scene: Scene, bad: Bad) -> None:
    assert (bad.gateway in scene.acked) == bad.acked


def test_nothing_good_became_a_dead_letter(scene: Scene) -> None:
    assert scene.letters.keys() == {bad.topic for bad in BAD}
    assert "good" in scene.acked


def test_the_page_counts_each_dead_letter_by_its_reason(scene: Scene) -> None:
    assert scene.cloud.counted("flow", "wattline_dead_letters") == EXPECTED


@pytest.mark.parametrize("reason", ["bad_json", "bad_version", "bad_topic", "foreign_gateway", "too_large"])
def test_the_page_of_ingest_counts_what_it_knew_at_once(scene: Scene, reason: str) -> None:
    assert scene.cloud.counted("ingest", "wattline_ingest_rejected")[reason] == EXPECTED[reason]


def test_neither_process_ended_or_said_more_than_a_line(scene: Scene) -> None:
    scene.cloud.check_alive()
    assert "Traceback" not in scene.cloud.log_text()
