"""Ingest as it runs: a process between a real broker and a real journal."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from cloud_stream.ingest_session import MAX_PACKET_BYTES
from cloud_stream.journal import decode_row
from tests.cloud_stream.ingest_rig import GatewayClient, IngestProcess, batch_payload
from tests.cloud_stream.waiting import wait_until
from tests.services.broker_access import access_lines
from wattline.local_servers import MosquittoServer
from wattline.topics import Up, up
from wattline.wire import Status, encode


def _ingest(tmp_path: Path, server: MosquittoServer, **options: str) -> IngestProcess:
    return IngestProcess(tmp_path / "cloud", server.url, **options)


def test_the_journal_holds_exactly_what_was_sent_in_order(tmp_path: Path, mosquitto: MosquittoServer) -> None:
    payloads = [batch_payload("gw-1", seq) for seq in range(1, 201)]
    with _ingest(tmp_path, mosquitto) as ingest, GatewayClient(mosquitto.port, "gw-1") as gateway:
        for payload in payloads:
            gateway.send(payload)
        wait_until(lambda: gateway.acked["log-1"] == set(range(1, 201)), "all acknowledged")
        assert [envelope.payload for envelope in ingest.journaled()] == payloads
        assert {(envelope.topic, envelope.reject) for envelope in ingest.journaled()} == {(up("gw-1", Up.READINGS), "")}
        assert ingest.stop() == 0


def test_acknowledgements_are_merged_and_rate_limited(tmp_path: Path, mosquitto: MosquittoServer) -> None:
    with _ingest(tmp_path, mosquitto), GatewayClient(mosquitto.port, "gw-1") as gateway:
        for seq in range(1, 501):
            gateway.send(batch_payload("gw-1", seq))
        wait_until(lambda: len(gateway.acked["log-1"]) == 500, "all acknowledged")
        assert gateway.ack_messages <= 100


def test_all_channels_and_qos_0_are_journaled(tmp_path: Path, mosquitto: MosquittoServer) -> None:
    status = encode(Status(v=1, gateway="gw-1", site="house-1", state="online", session=1))
    events = b'{"v":1,"gateway":"gw-1","site":"house-1","log":"events","seq":7,"events":[]}'
    with _ingest(tmp_path, mosquitto) as ingest, GatewayClient(mosquitto.port, "gw-1") as gateway:
        gateway.send(status, Up.STATUS)
        gateway.send(events, Up.EVENTS)
        gateway.send(b"{}", Up.MODEL)
        gateway.send(batch_payload("gw-1", 1), qos=0)
        wait_until(lambda: len(ingest.journaled()) == 4, "four messages")
        assert all(not envelope.reject for envelope in ingest.journaled())
        wait_until(lambda: (gateway.acked["events"], gateway.acked["log-1"]) == ({7}, {1}), "both acknowledged")


def _beheaded(head: str, padding: int = 0) -> bytes:
    return f'{{{head},"x":"{"." * padding}"}}'.encode()


# payload, channel, reason, number that is acknowledged
POISON: list[tuple[bytes, Up, str, int | None]] = [
    (b"not json", Up.READINGS, "bad_json", None),
    (b"\xff\xfe", Up.EVENTS, "bad_json", None),
    (b"", Up.STATUS, "bad_json", None),
    (b"[" * 100_000, Up.READINGS, "bad_schema", None),
    (_beheaded('"v":9,"gateway":"gw-1","site":"house-1","log":"L","seq":5'), Up.READINGS, "bad_version", 5),
    (_beheaded('"v":1,"gateway":"gw-2","site":"house-1","log":"L","seq":6'), Up.READINGS, "foreign_gateway", 6),
    (_beheaded('"v":1,"gateway":"gw-1","log":"L","seq":7'), Up.EVENTS, "bad_schema", 7),
    (_beheaded('"v":1,"gateway":"gw-1","site":"elsewhere","log":"L","seq":8'), Up.READINGS, "foreign_site", 8),
    (_beheaded('"v":1,"gateway":"gw-1","site":"house-1","log":"L","seq":9', 2 << 20), Up.READINGS, "too_large", 9),
    (b"x" * (2 << 20), Up.MODEL, "too_large", None),
]


def test_poison_is_journaled_with_its_reason_and_acknowledged(tmp_path: Path, mosquitto: MosquittoServer) -> None:
    with _ingest(tmp_path, mosquitto) as ingest, GatewayClient(mosquitto.port, "gw-1") as gateway:
        gateway.send(batch_payload("gw-1", 1))
        wait_until(lambda: gateway.acked["log-1"] == {1}, "the gateway is registered")
        for payload, channel, _, _ in POISON:
            gateway.send(payload, channel)
        gateway.send(batch_payload("gw-1", 2))
        wait_until(lambda: gateway.acked["log-1"] == {1, 2}, "what follows is not disturbed")
        _, *poison, _ = ingest.journaled()
        kept = [payload if len(payload) <= 128 * 1024 else payload[: 64 * 1024] for payload, *_ in POISON]
        assert [envelope.reject for envelope in poison] == [reason for _, _, reason, _ in POISON]
        assert [envelope.payload for envelope in poison] == kept
        numbers = {number for *_, number in POISON if number is not None}
        wait_until(lambda: gateway.acked["L"] == numbers, "what has a number is acknowledged by it")
        assert ingest.stop() == 0
    _assert_nothing_is_redelivered(ingest)


def _assert_nothing_is_redelivered(ingest: IngestProcess) -> None:
    before = len(ingest.journaled())
    with ingest:
        assert ingest.stop() == 0
    assert len(ingest.journaled()) == before


def test_a_packet_beyond_all_bounds_does_not_reach_ingest(tmp_path: Path, mosquitto: MosquittoServer) -> None:
    with _ingest(tmp_path, mosquitto) as ingest, GatewayClient(mosquitto.port, "gw-1") as gateway:
        gateway.send(b"x" * (MAX_PACKET_BYTES + 1))
        gateway.send(batch_payload("gw-1", 1))
        wait_until(lambda: gateway.acked["log-1"] == {1}, "the next batch arrives")
        assert len(ingest.journaled()) == 1


def test_a_batch_that_comes_while_ingest_is_away_waits_in_its_session(
    tmp_path: Path, mosquitto: MosquittoServer
) -> None:
    ingest = _ingest(tmp_path, mosquitto)
    with ingest, GatewayClient(mosquitto.port, "gw-1") as gateway:
        assert ingest.stop() == 0
        mid = gateway.send(batch_payload("gw-1", 1))
        wait_until(lambda: mid in gateway.pubacked, "the broker has it")
        ingest.start()
        wait_until(lambda: gateway.acked["log-1"] == {1}, "it arrives")


def _hit_ingest(ingest: IngestProcess, _: MosquittoServer) -> None:
    ingest.kill()
    ingest.start()


def _hit_broker(_: IngestProcess, broker: MosquittoServer) -> None:
    broker.kill()
    broker.start()


@pytest.mark.parametrize("hit", [_hit_ingest, _hit_broker], ids=["ingest", "broker"])
def test_nothing_is_lost_by_kill_9(
    tmp_path: Path, mosquitto: MosquittoServer, hit: Callable[[IngestProcess, MosquittoServer], None]
) -> None:
    payloads = {seq: batch_payload("gw-1", seq) for seq in range(1, 1201)}
    with _ingest(tmp_path, mosquitto) as ingest, GatewayClient(mosquitto.port, "gw-1") as gateway:
        for start in range(1, 1201, 400):
            part = {seq: payloads[seq] for seq in range(start, start + 400)}
            sender = threading.Thread(target=gateway.send_until_acked, args=("log-1", part))
            sender.start()
            wait_until(lambda start=start: start in gateway.acked["log-1"], "some of the part has passed")  # type: ignore[misc]
            hit(ingest, mosquitto)
            sender.join()
        assert {envelope.payload for envelope in ingest.journaled()} == set(payloads.values())
        assert gateway.acked["log-1"] == payloads.keys()


def test_a_full_journal_stops_all_acknowledgements_until_it_is_freed(
    tmp_path: Path, mosquitto: MosquittoServer
) -> None:
    payloads = {seq: batch_payload("gw-1", seq)[:-1] + b" " * 100_000 + b"}" for seq in range(1, 151)}
    with _ingest(tmp_path, mosquitto, max_bytes="16MiB") as ingest, GatewayClient(mosquitto.port, "gw-1") as gateway:
        for payload in payloads.values():
            gateway.send(payload)
        wait_until(lambda: "ingest_waits kind=full" in ingest.log_text(), "ingest says so")
        in_journal = {envelope.payload for envelope in ingest.journaled()}
        assert {payloads[seq] for seq in gateway.acked["log-1"]} <= in_journal
        assert len(in_journal) < len(payloads)

        taken: list[bytes] = []
        log = ingest.journal().open_partition(ingest.journal().partition_of("gw-1"))

        def drained() -> bool:
            for row in log.read_after(0, max_rows=1000, max_bytes=1 << 24):
                taken.extend(envelope.payload for envelope in decode_row(row.payload))
                log.truncate_through(row.seq)
            return gateway.acked["log-1"] == payloads.keys()

        wait_until(drained, "everything passes once there is room")
        log.close()
        assert set(taken) | {e.payload for e in ingest.journaled()} == set(payloads.values())
        assert ingest.log_text().count("ingest_waits") <= 1 + ingest.log_text().count("ingest_goes_on")


def test_ingest_gives_up_a_full_journal_on_sigterm_and_acknowledges_nothing_of_it(
    tmp_path: Path, mosquitto: MosquittoServer
) -> None:
    big = {seq: batch_payload("gw-1", seq)[:-1] + b" " * 100_000 + b"}" for seq in range(1, 121)}
    ingest = _ingest(tmp_path, mosquitto, max_bytes="16MiB")
    with ingest, GatewayClient(mosquitto.port, "gw-1") as gateway:
        for payload in big.values():
            gateway.send(payload)
        wait_until(lambda: "kind=full" in ingest.log_text(), "the journal is full")
        assert ingest.stop() == 0
        kept = {envelope.payload for envelope in ingest.journaled()}
        ingest.config.write_text(ingest.config.read_text().replace("16MiB", "1GiB"))
        ingest.start()
        wait_until(lambda: gateway.acked["log-1"] >= {s for s in big if big[s] not in kept}, "the broker redelivers")


def test_members_of_a_shared_subscription_take_each_message_once(tmp_path: Path, mosquitto: MosquittoServer) -> None:
    first, second = (
        IngestProcess(tmp_path / name, mosquitto.url, broker=f'client_id = "ingest-{name}"\nshared_group = "wattline"')
        for name in ("a", "b")
    )
    payloads = [batch_payload("gw-1", seq) for seq in range(1, 101)]
    with first, second, GatewayClient(mosquitto.port, "gw-1") as gateway:
        for payload in payloads[:50]:
            gateway.send(payload)
        wait_until(lambda: len(gateway.acked["log-1"]) == 50, "both take their part")
        assert first.journaled()
        assert second.journaled()
        assert second.stop() == 0
        for payload in payloads[50:]:
            gateway.send(payload)
        wait_until(lambda: len(gateway.acked["log-1"]) == 100, "one takes all")
        everything = [envelope.payload for ingest in (first, second) for envelope in ingest.journaled()]
        assert sorted(everything) == sorted(payloads)


ACL = [
    "user cloud",
    "topic read wattline/v1/+/up/#",
    "topic write wattline/v1/+/down/#",
    "pattern write wattline/v1/%u/up/#",
    "pattern read wattline/v1/%u/down/#",
]


def test_with_passwords_and_access_rules_a_gateway_speaks_only_for_itself(
    tmp_path: Path, mosquitto: MosquittoServer
) -> None:
    mosquitto.stop()
    lines = access_lines(tmp_path / "access", {"cloud": "not-to-be-logged", "gw-1": "one", "gw-2": "two"}, ACL)
    secret = tmp_path / "secret"
    secret.write_text("not-to-be-logged\n")
    login = f'username = "cloud"\npassword_file = "{secret}"'
    with (
        MosquittoServer(tmp_path / "closed", extra_lines=lines, anonymous=False) as broker,
        _ingest(tmp_path, broker, broker=login) as ingest,
        GatewayClient(broker.port, "gw-1", password="one") as honest,
        GatewayClient(broker.port, "gw-2", password="two") as liar,
    ):
        liar.send_to(up("gw-1", Up.READINGS), batch_payload("gw-1", 1))
        liar.send(batch_payload("gw-2", 2, site="house-2"))
        honest.send(batch_payload("gw-1", 3))
        wait_until(lambda: (liar.acked["log-1"], honest.acked["log-1"]) == ({2}, {3}), "each is heard as itself")
        assert {envelope.topic for envelope in ingest.journaled() if b'"seq":1,' in envelope.payload} == set()
        assert "not-to-be-logged" not in ingest.log_text()


def test_an_enrolled_cloud_rejects_strangers(tmp_path: Path, mosquitto: MosquittoServer) -> None:
    with (
        _ingest(tmp_path, mosquitto, extra='policy = "enrolled"') as ingest,
        GatewayClient(mosquitto.port, "gw-1") as gateway,
    ):
        gateway.send(batch_payload("gw-1", 1))
        wait_until(lambda: gateway.acked["log-1"] == {1}, "the stranger is answered")
        assert [envelope.reject for envelope in ingest.journaled()] == ["unknown_gateway"]
