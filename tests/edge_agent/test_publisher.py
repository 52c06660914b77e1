"""The publisher against a real broker: birth and death, resends, order, restarts, and no way around TLS."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge_agent.config import BrokerConfig
from edge_agent.mqtt import Connection, Retained
from edge_agent.outbox import LogOutbox
from edge_agent.publisher import Publisher, PublisherConfig
from edge_agent.publisher_state import Limits
from tests.edge_agent.cloud_stand_in import CloudStandIn, wait_until
from tests.edge_agent.hostile_broker import HostileBroker
from tests.services.broker_access import access_lines
from wattline.errors import LogBrokenError
from wattline.local_servers import LOOPBACK, MosquittoServer
from wattline.wire import VERSION, Event, Status, encode

FRAME = b'[{"meter":"m","t":[%d],"q":{"power_w":[1.0]}}]'
T0 = 1_700_000_000_000


class Bench:
    """Two outboxes and what a publisher for them needs."""

    def __init__(self, folder: Path, broker: BrokerConfig) -> None:
        self.readings = LogOutbox(folder / "readings.db", max_bytes=10 << 20, max_age_ms=10**9)
        self.events = LogOutbox(folder / "events.db", max_bytes=1 << 20, max_age_ms=10**9)
        self.broker = broker

    def put(self, first: int, last: int) -> None:
        assert self.readings.put([FRAME % (T0 + n) for n in range(first, last + 1)], 1) == last - first + 1

    def put_event(self) -> None:
        event = Event(kind="anomaly", meter="m", t=T0, score=0.99)
        self.events.put([b"[" + json.dumps({"kind": event.kind, "meter": "m", "t": T0}).encode() + b"]"], 1)

    @contextmanager
    def publisher(self, *, drain_s: float = 5.0, trust_broker: bool = False, **limits: int) -> Iterator[Publisher]:
        config = PublisherConfig("gw-1", "house", self.broker, Limits(**limits), trust_broker=trust_broker)
        publisher = Publisher(config, self.events, self.readings, self._birth, lambda: {"extra": 1.0})
        publisher.start()
        try:
            yield publisher
        finally:
            publisher.stop(drain_s)

    @staticmethod
    def _birth() -> Status:
        return Status(v=VERSION, gateway="gw-1", site="house", state="online", session=0)


@pytest.fixture
def bench(tmp_path: Path, mosquitto: MosquittoServer) -> Iterator[Bench]:
    bench = Bench(tmp_path, BrokerConfig(url=mosquitto.url))
    yield bench
    bench.readings.close()
    bench.events.close()


@pytest.fixture
def cloud(mosquitto: MosquittoServer) -> Iterator[CloudStandIn]:
    with CloudStandIn(mosquitto.port) as cloud:
        yield cloud


def times(cloud: CloudStandIn) -> list[int]:
    return sorted(t - T0 for _, t, _, _ in cloud.readings())


def test_what_the_cloud_has_is_forgotten_and_only_that(bench: Bench, cloud: CloudStandIn) -> None:
    bench.put(1, 50)
    with bench.publisher() as publisher:
        wait_until(lambda: publisher.idle, "everything acknowledged")
        wait_until(lambda: not bench.readings.pending(0, 1), "everything forgotten")
    assert times(cloud) == list(range(1, 51))
    assert set(cloud.copies.values()) == {1}
    batch = next(iter(cloud.batches.values()))
    assert (batch.gateway, batch.site, batch.log, batch.oldest) == ("gw-1", "house", bench.readings.log_id, 1)


def test_a_puback_is_not_enough(bench: Bench, cloud: CloudStandIn) -> None:
    cloud.acknowledging = False
    bench.put(1, 3)
    with bench.publisher(drain_s=0.1, resend_after_ms=200) as publisher:
        wait_until(lambda: min(cloud.copies.values(), default=0) >= 2, "batches sent again")
        assert len(bench.readings.pending(0, 9)) == 3
        cloud.acknowledge_all()
        wait_until(lambda: publisher.idle, "everything acknowledged")
    assert bench.readings.pending(0, 9) == []


def test_a_puback_is_enough_where_the_file_says_so(bench: Bench, cloud: CloudStandIn) -> None:
    cloud.acknowledging = False
    bench.put(1, 3)
    with bench.publisher(trust_broker=True) as publisher:
        wait_until(lambda: publisher.idle, "everything acknowledged")
    assert bench.readings.pending(0, 9) == []


def test_events_go_before_a_backlog_of_readings(bench: Bench, cloud: CloudStandIn) -> None:
    bench.put(1, 500)
    bench.put_event()
    with bench.publisher(rows=20) as publisher:
        wait_until(lambda: publisher.idle, "everything acknowledged")
    assert cloud.arrivals[0] == ("events", 1)
    assert len(times(cloud)) == 500


def test_no_more_than_the_window_is_on_the_way(bench: Bench, cloud: CloudStandIn) -> None:
    cloud.acknowledging = False
    bench.put(1, 100)
    with bench.publisher(drain_s=0.1, rows=7) as publisher:
        wait_until(lambda: len(cloud.batches) == 7, "a full window")
        bench.put_event()
        publisher.wake()
        wait_until(lambda: cloud.events, "an event beside the full window")
    assert len(cloud.batches) == 7


def test_a_broker_that_dies_with_what_it_had_costs_nothing(
    bench: Bench, cloud: CloudStandIn, mosquitto: MosquittoServer
) -> None:
    cloud.acknowledging = False
    bench.put(1, 20)
    with bench.publisher(resend_after_ms=500) as publisher:
        wait_until(lambda: len(cloud.batches) == 20, "batches sent")
        mosquitto.kill()
        bench.put(21, 40)
        publisher.wake()
        mosquitto.start()
        cloud.acknowledging = True
        wait_until(lambda: publisher.idle, "everything acknowledged")
        assert publisher.counts["connects"] >= 2
    assert times(cloud) == list(range(1, 41))


def test_a_batch_nobody_acknowledges_is_set_aside_and_the_others_go_on(bench: Bench, cloud: CloudStandIn) -> None:
    cloud.ignored = {2}
    bench.put(1, 3)
    with bench.publisher(resend_after_ms=50, longest_resend_ms=50, strikes=3) as publisher:
        n = 3
        while not bench.readings.counts()["set_aside"]:
            n += 1
            bench.put(n, n)
            publisher.wake()
            wait_until(lambda n=n: cloud.copies["gw-1", bench.readings.log_id, n], "a later batch")  # type: ignore[misc]
            wait_until(lambda: publisher.in_flight <= 1, "a later batch acknowledged")
            assert n < 200
        wait_until(lambda: publisher.idle, "everything else acknowledged")
    assert cloud.copies["gw-1", bench.readings.log_id, 2] >= 3


def test_an_outbox_replaced_under_the_publisher_is_sent_from_its_start(bench: Bench, cloud: CloudStandIn) -> None:
    bench.put(1, 5)
    with bench.publisher() as publisher:
        wait_until(lambda: publisher.idle, "everything acknowledged")
        log = bench.readings._log
        log._set_aside()
        bench.put(6, 7)
        publisher.wake()
        wait_until(lambda: times(cloud) == list(range(1, 8)), "the new file's rows")


def test_birth_and_goodbye_carry_one_session_number(bench: Bench, cloud: CloudStandIn) -> None:
    with bench.publisher():
        wait_until(lambda: cloud.state() == "online", "the birth")
    wait_until(lambda: cloud.state() == "offline", "the goodbye")
    birth, death = cloud.statuses[0], cloud.statuses[-1]
    assert death.reason == "shutdown"
    assert birth.session == death.session > 0
    assert set(birth.logs) == {bench.readings.log_id, bench.events.log_id}
    assert birth.outbox["extra"] == 1.0
    assert "hours_left" in birth.outbox
    assert (birth.outbox["publisher_connects"], birth.outbox["publisher_resends"]) == (1.0, 0.0)
    assert all(name.isidentifier() for name in birth.outbox)  # a figure of another name gets no column


def test_the_status_is_refreshed(bench: Bench, cloud: CloudStandIn) -> None:
    config = PublisherConfig("gw-1", "house", bench.broker, Limits(), status_interval_ms=50)
    publisher = Publisher(config, bench.events, bench.readings, Bench._birth, dict)
    publisher.start()
    wait_until(lambda: len(cloud.statuses) >= 3, "three births")
    publisher.stop(1.0)
    assert len({status.session for status in cloud.statuses}) == 1


def test_every_session_has_a_higher_number(bench: Bench, cloud: CloudStandIn) -> None:
    for _ in range(2):
        count = len(cloud.statuses)
        with bench.publisher():
            wait_until(lambda: len(cloud.statuses) > count, "a birth")  # noqa: B023 (waited for in this round)
    births = [status.session for status in cloud.statuses if status.state == "online"]
    assert births == sorted(set(births))


def test_acknowledgements_that_make_no_sense_are_counted_and_harmless(
    bench: Bench, cloud: CloudStandIn, mosquitto: MosquittoServer
) -> None:
    sender = Connection(BrokerConfig(url=mosquitto.url), "tester", "5")
    sender.open()
    with bench.publisher() as publisher:
        wait_until(lambda: cloud.state() == "online", "the birth")
        for payload in (b"\xff", b"{}", b'{"log":"x","seqs":[["a",1]]}', b'{"log":"x","seqs":[[1,%d]]}' % 10**30):
            sender.publish("wattline/v1/gw-1/down/ack", payload)
        sender.pump(0.1)
        bench.put(1, 1)
        publisher.wake()
        wait_until(lambda: times(cloud) == [1], "a batch after the nonsense")
        wait_until(lambda: publisher.counts["bad_acks"] >= 3, "the nonsense counted")
    sender.close()


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("a bug"), OSError(5, "I/O error"), LogBrokenError("the disk is gone")]
)
def test_whatever_goes_wrong_once_the_thread_lives_on(bench: Bench, cloud: CloudStandIn, error: Exception) -> None:
    failures = [error, error]

    def birth() -> Status:
        if failures:
            raise failures.pop()
        return Bench._birth()

    config = PublisherConfig("gw-1", "house", bench.broker, Limits())
    publisher = Publisher(config, bench.events, bench.readings, birth, dict)
    bench.put(1, 3)
    publisher.start()
    wait_until(lambda: publisher.idle, "everything acknowledged after the failures")
    assert publisher.alive
    publisher.stop(5.0)
    assert publisher.counts["connection_failures"] == 2
    assert times(cloud) == [1, 2, 3]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"\x30\x05\x00\x02\xff\xfeX", id="a topic that is no text"),
        pytest.param(b"\x30\x02\x00\x09", id="a topic longer than its message"),
        pytest.param(b"\xf0\x00", id="an unknown packet"),
        pytest.param(b"\x90\x01\x00", id="a SUBACK of one byte"),
    ],
)
def test_a_broker_that_talks_nonsense_is_left_and_tried_again(bench: Bench, answer: bytes) -> None:
    with HostileBroker(answer) as broker:
        bench.broker = BrokerConfig(url=broker.url, protocol="3.1.1")
        with bench.publisher(drain_s=0.1) as publisher:
            wait_until(lambda: broker.connections >= 2, "a second try")
            assert publisher.alive
        assert publisher.counts["connection_failures"] >= 1


def published(topic: str, payload: bytes) -> bytes:
    """A PUBLISH of QoS 0 with the retain flag."""
    body = len(topic).to_bytes(2, "big") + topic.encode() + payload
    return bytes([0x31, len(body)]) + body


def test_messages_that_nobody_asked_for_are_no_acknowledgements(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.put(1, 3)
    safe = b'{"log":"%s","seqs":[[%%d,%%d]]}' % bench.readings.log_id.encode()
    suback = bytes.fromhex("90 03 00 01 01")
    foreign = published("wattline/v1/gw-2/up/status", b'{"v":1}') + published(
        "wattline/v1/gw-2/down/ack", safe % (1, 3)
    )
    with HostileBroker(suback + foreign + published("wattline/v1/gw-1/down/ack", safe % (2, 2))) as broker:
        bench.broker = BrokerConfig(url=broker.url, protocol="3.1.1")
        with bench.publisher(drain_s=0.1) as publisher:
            wait_until(lambda: publisher.counts["acked"], "our own acknowledgement")
    assert (publisher.counts["strays"], publisher.counts["bad_acks"], publisher.counts["acked"]) == (2, 0, 1)
    assert [row.seq for row in bench.readings.pending(0, 9)] == [1, 3]
    assert "bad_ack" not in caplog.text


def test_what_cannot_be_forgotten_at_first_is_forgotten_later(bench: Bench, cloud: CloudStandIn) -> None:
    bench.put(1, 3)
    database = bench.readings._log._db
    assert database is not None
    database.execute("PRAGMA query_only = ON")
    with bench.publisher() as publisher:
        wait_until(lambda: bench.readings.counts().get("failed_forget", 0) >= 2, "two attempts in vain")
        database.execute("PRAGMA query_only = OFF")
        wait_until(lambda: publisher.idle, "everything forgotten")
    assert times(cloud) == [1, 2, 3]
    assert bench.readings.pending(0, 9) == []


REFUSED_SUBACK = b"\x90\x03\x00\x01\x80"


def test_a_broker_that_refuses_the_acknowledgements_is_no_connection(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    with HostileBroker(REFUSED_SUBACK) as broker:
        bench.broker = BrokerConfig(url=broker.url, protocol="3.1.1")
        bench.put(1, 1)
        with bench.publisher(drain_s=0.1) as publisher:
            wait_until(lambda: broker.connections >= 2, "a second try")
        assert publisher.counts["publishes"] == 0
    assert "we may not read wattline/v1/gw-1/down/ack" in caplog.text


def test_a_broker_that_is_trusted_is_not_asked_for_acknowledgements(bench: Bench) -> None:
    with HostileBroker(REFUSED_SUBACK) as broker:
        bench.broker = BrokerConfig(url=broker.url, protocol="3.1.1")
        bench.put(1, 1)
        with bench.publisher(drain_s=0.1, trust_broker=True) as publisher:
            wait_until(lambda: publisher.counts["publishes"], "a batch on its way")


def test_a_cloud_that_never_acknowledges_is_warned_of_once(
    bench: Bench, cloud: CloudStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    cloud.acknowledging = False
    config = PublisherConfig("gw-1", "house", bench.broker, Limits(resend_after_ms=50), silence_after_ms=100)
    publisher = Publisher(config, bench.events, bench.readings, Bench._birth, dict)
    bench.put(1, 1)
    publisher.start()
    wait_until(lambda: publisher.counts["silences"], "the warning")
    cloud.acknowledge_all()
    wait_until(lambda: publisher.idle, "everything acknowledged")
    publisher.stop(1.0)
    assert caplog.text.count("no_acknowledgements") == 1


def test_an_older_broker_is_spoken_to_in_its_version(bench: Bench, cloud: CloudStandIn) -> None:
    bench.broker = BrokerConfig(url=bench.broker.url, protocol="3.1.1")
    bench.put(1, 3)
    with bench.publisher() as publisher:
        wait_until(lambda: publisher.idle, "everything acknowledged")
    assert times(cloud) == [1, 2, 3]


# ---------------------------------------------------------------- who may, and TLS


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[MosquittoServer]:
    acl = ["pattern write wattline/v1/%u/up/#", "pattern read wattline/v1/%u/down/#"]
    lines = access_lines(tmp_path / "access", {"gw-1": "right"}, acl)
    with MosquittoServer(tmp_path / "closed", extra_lines=lines, anonymous=False) as broker:
        yield broker


@pytest.mark.parametrize(("password", "admitted"), [("right", True), ("wrong", False)])
def test_the_password_decides(tmp_path: Path, closed: MosquittoServer, password: str, *, admitted: bool) -> None:
    (tmp_path / "password").write_text(password + "\n")
    bench = Bench(tmp_path, BrokerConfig(url=closed.url, password_file=tmp_path / "password"))
    with bench.publisher(drain_s=0.1) as publisher:
        counter = "connects" if admitted else "connection_failures"
        wait_until(lambda: publisher.counts[counter], counter)
    assert publisher.counts["connects"] == (1 if admitted else 0)


def test_a_broker_without_tls_is_not_spoken_to_in_the_clear(
    bench: Bench, cloud: CloudStandIn, mosquitto: MosquittoServer
) -> None:
    bench.broker = BrokerConfig(url=f"mqtts://{LOOPBACK}:{mosquitto.port}")
    bench.put(1, 1)
    with bench.publisher(drain_s=0.1) as publisher:
        wait_until(lambda: publisher.counts["connection_failures"] >= 2, "two refusals")
    assert publisher.counts["connects"] == 0
    assert (cloud.statuses, cloud.batches) == ([], {})


def make_certificates(folder: Path) -> None:
    """An authority, and a server certificate for this machine."""
    for command in (
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=test-authority",
        "req -newkey rsa:2048 -nodes -keyout server.key -out s.csr -subj /CN=test -addext subjectAltName=DNS:localhost",
        "x509 -req -in s.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -days 2 -copy_extensions copy",
    ):
        subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    make_certificates(folder)
    return folder


@pytest.mark.parametrize(
    ("host", "trusted", "admitted"), [("localhost", True, True), (LOOPBACK, True, False), ("localhost", False, False)]
)
def test_the_certificate_must_be_of_this_host_and_of_a_trusted_authority(
    tmp_path: Path, certificates: Path, host: str, *, trusted: bool, admitted: bool
) -> None:
    lines = [f"certfile {certificates}/server.pem", f"keyfile {certificates}/server.key"]
    with MosquittoServer(tmp_path / "tls", extra_lines=lines) as broker:
        config = BrokerConfig(url=f"mqtts://{host}:{broker.port}", ca_file=certificates / "ca.pem" if trusted else None)
        bench = Bench(tmp_path, config)
        bench.put(1, 1)
        with bench.publisher(
            drain_s=0.1,
        ) as publisher:
            counter = "publishes" if admitted else "connection_failures"
            wait_until(lambda: publisher.counts[counter], counter)
        assert publisher.counts["connects"] == (1 if admitted else 0)


def test_the_will_is_what_the_broker_says_when_we_vanish(mosquitto: MosquittoServer, cloud: CloudStandIn) -> None:
    status = Status(v=VERSION, gateway="gw-1", site="house", state="offline", session=7, reason="will")
    connection = Connection(
        BrokerConfig(url=mosquitto.url), "gw-1", "5", Retained("wattline/v1/gw-1/up/status", encode(status))
    )
    connection.open()
    connection.abandon()
    wait_until(lambda: cloud.statuses, "the will")
    assert (cloud.statuses[0].reason, cloud.statuses[0].session) == ("will", 7)
