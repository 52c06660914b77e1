"""A fleet against a real broker: what it reports is what a subscriber received."""

import csv
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from simulators.broker_address import BrokerAddress
from simulators.fleet import Fleet
from simulators.fleet_config import AckMode, FleetConfig, ProtocolChoice
from simulators.report import CSV_HEADER, FleetReport, Totals
from tests.services.broker_access import access_lines
from tests.simulators.cloud_stand_in import CloudStandIn, cloud_stand_in
from wattline.errors import ConfigError
from wattline.local_servers import MosquittoServer, free_port

ACL = ["pattern write wattline/v1/%u/up/#", "pattern read wattline/v1/%u/down/#"]


def _config(port: int, **changes: object) -> FleetConfig:
    small = FleetConfig(
        broker=BrokerAddress(host="127.0.0.1", port=port),
        gateways=3,
        meters=2,
        interval_ms=100,
        duration_ms=1500,
        flush_ms=200,
        resend_after_ms=30_000,
        backoff_max_ms=1000,
    )
    return msgspec.structs.replace(small, **changes)


def _run(config: FleetConfig) -> FleetReport:
    return Fleet(config).run(threading.Event())


@contextmanager
def _running(config: FleetConfig) -> Iterator[tuple[threading.Event, list[FleetReport]]]:
    """A fleet in a thread of its own; it ends with the block at the latest."""
    stop, reports = threading.Event(), list[FleetReport]()
    thread = threading.Thread(target=lambda: reports.append(Fleet(config).run(stop)))
    thread.start()
    try:
        yield stop, reports
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()


def _rows(file: Path) -> list[tuple[str, str, str, int, float, float]]:
    with file.open(newline="") as lines:
        rows = csv.reader(lines)
        assert tuple(next(rows)) == CSV_HEADER
        return [(g, s, m, int(t), float(power), float(register)) for g, s, m, t, power, register in rows]


def _assert_report_is_what_came(report: FleetReport, cloud: CloudStandIn, rows: list[tuple[object, ...]]) -> None:
    came = cloud.rows()
    assert len(rows) == len(set(rows)) == len(came) == report.totals.readings
    assert set(rows) == came
    assert report.totals.unacked == report.totals.unsent == 0
    assert report.totals.acked == report.totals.batches == len({(b.log, b.seq) for b in cloud.batches()})
    for gateway in report.gateways:
        for meter, told in gateway.meters.items():
            mine = [row for row in came if row[2] == meter]
            assert told.readings == len(mine)
            assert (told.first_ms, told.last_ms) == (min(row[3] for row in mine), max(row[3] for row in mine))
            assert told.sums["power_w"] == pytest.approx(sum(row[4] for row in mine), rel=1e-12)
            assert told.sums["energy_import_kwh"] == pytest.approx(sum(row[5] for row in mine), rel=1e-12)
    assert report.totals.sums["power_w"] == pytest.approx(sum(row[4] for row in came), rel=1e-12)


def test_the_report_is_what_a_subscriber_received(mosquitto: MosquittoServer, tmp_path: Path) -> None:
    file = tmp_path / "sent.csv"
    with cloud_stand_in(mosquitto.port) as cloud:
        report = _run(_config(mosquitto.port, readings_file=file, backlog_ms=3_600_000))
        _assert_report_is_what_came(report, cloud, list(_rows(file)))
    assert report.protocol == "5"
    assert report.totals.publishes == report.totals.batches == report.totals.pubacks
    assert report.totals.resends == report.totals.reconnects == report.totals.refused == 0
    assert report.totals.connects == 3
    assert all(gateway.readings == 2 * (60 + 15) for gateway in report.gateways)


def test_batches_keep_their_order_and_say_what_is_still_held(mosquitto: MosquittoServer) -> None:
    with cloud_stand_in(mosquitto.port) as cloud:
        _run(_config(mosquitto.port, gateways=1, backlog_ms=86_400_000, most_readings=100))
        batches = cloud.batches()
    assert [batch.seq for batch in batches] == list(range(1, len(batches) + 1))
    assert all(batch.oldest <= batch.seq for batch in batches)
    assert batches[-1].oldest > 1
    times = [t_ms for batch in batches for t_ms in batch.frames[0].t]
    assert times == sorted(set(times))


def test_a_batch_whose_acknowledgement_is_lost_is_sent_again(mosquitto: MosquittoServer, tmp_path: Path) -> None:
    file = tmp_path / "sent.csv"
    with cloud_stand_in(mosquitto.port, lambda _batch, nth: nth > 1) as cloud:
        report = _run(_config(mosquitto.port, resend_after_ms=300, readings_file=file))
        _assert_report_is_what_came(report, cloud, list(_rows(file)))
    assert report.totals.resends >= report.totals.batches
    assert report.totals.publishes == report.totals.batches + report.totals.resends


def test_without_a_cloud_everything_stays_unacknowledged(mosquitto: MosquittoServer) -> None:
    report = _run(_config(mosquitto.port, drain_ms=300, max_inflight=3, gateways=1))
    assert report.totals.acked == 0
    assert report.totals.pubacks == report.totals.unacked == 3
    assert report.totals.unsent > 0
    assert report.gateways[0].readings == report.totals.readings


def test_a_puback_is_enough_where_the_broker_is_trusted(mosquitto: MosquittoServer) -> None:
    report = _run(_config(mosquitto.port, ack=AckMode.BROKER))
    assert report.totals.acked == report.totals.pubacks == report.totals.batches > 0
    assert report.totals.unacked == report.totals.unsent == 0


def test_nothing_is_lost_when_the_broker_is_killed(mosquitto: MosquittoServer, tmp_path: Path) -> None:
    file = tmp_path / "sent.csv"
    config = _config(mosquitto.port, duration_ms=0, readings_file=file, resend_after_ms=1000)
    with cloud_stand_in(mosquitto.port) as cloud:
        with _running(config) as (stop, reports):
            for _ in range(2):
                cloud.wait_for_batches(len(cloud.batches()) + 5)
                mosquitto.kill()
                mosquitto.start()
            cloud.wait_for_batches(len(cloud.batches()) + 10)
            stop.set()
        _assert_report_is_what_came(reports[0], cloud, list(_rows(file)))
    assert reports[0].totals.reconnects >= 3


def test_a_fleet_waits_for_a_broker_that_starts_later(tmp_path: Path) -> None:
    broker = MosquittoServer(tmp_path / "late")
    refused, reports = threading.Event(), list[FleetReport]()

    def watch(totals: Totals, _undelivered: int) -> None:
        if totals.failed_connects >= 3:
            refused.set()

    fleet = Fleet(_config(broker.port, ack=AckMode.BROKER), watch)
    thread = threading.Thread(target=lambda: reports.append(fleet.run(threading.Event())))
    thread.start()
    assert refused.wait(30)
    with broker:
        thread.join(60)
    assert reports[0].totals.readings == 3 * 2 * 15
    assert reports[0].totals.unacked == reports[0].totals.unsent == 0


def test_birth_and_goodbye_carry_the_same_session(mosquitto: MosquittoServer) -> None:
    with cloud_stand_in(mosquitto.port) as cloud:
        report = _run(_config(mosquitto.port, gateways=1))
        birth = cloud.wait_for_status(lambda status: status.state == "online")
        death = cloud.wait_for_status(lambda status: status.state == "offline")
    assert birth.session == death.session > 0
    assert birth.logs == [report.gateways[0].log]
    assert [meter.id for meter in birth.meters] == list(report.gateways[0].meters)
    assert death.reason == "shutdown"


def test_the_broker_speaks_for_a_killed_gateway(mosquitto: MosquittoServer) -> None:
    command = [sys.executable, "-m", "wattline", "simulate", "fleet", "--broker", mosquitto.url]
    with cloud_stand_in(mosquitto.port) as cloud:
        fleet = subprocess.Popen([*command, "--gateways", "2", "--duration", "0s", "--flush", "100ms"])
        try:
            births = [
                cloud.wait_for_status(lambda s, name=name: s.gateway == name and s.state == "online")  # type: ignore[misc]
                for name in ("sim-0001", "sim-0002")
            ]
            cloud.wait_for_batches(2)
        finally:
            fleet.kill()
            fleet.wait(30)
        for birth in births:
            will = cloud.wait_for_status(lambda s, birth=birth: s.gateway == birth.gateway and s.state == "offline")  # type: ignore[misc]
            assert (will.session, will.reason) == (birth.session, "will")


def test_the_gateways_log_in_under_their_own_names(tmp_path: Path) -> None:
    names = {f"sim-{number:04d}": "secret" for number in (1, 2, 3)}
    lines = access_lines(tmp_path / "access", names, ACL)
    with MosquittoServer(tmp_path / "broker", extra_lines=lines, anonymous=False) as broker:
        here = {"host": "127.0.0.1", "port": broker.port, "username": "{gateway}"}
        right, wrong = (BrokerAddress(**here, password=password) for password in ("secret", "guess"))  # type: ignore[arg-type]
        config = _config(broker.port, ack=AckMode.BROKER, drain_ms=200)
        accepted = _run(msgspec.structs.replace(config, broker=right))
        refused = _run(msgspec.structs.replace(config, broker=wrong))
    assert accepted.totals.unacked == accepted.totals.unsent == 0
    assert accepted.totals.refused == 0
    assert refused.totals.readings == 0
    assert refused.totals.unsent > 0
    assert refused.totals.failed_connects > 3
    assert refused.last_error == "Not authorized"


def test_old_mqtt_is_spoken_when_asked_for(mosquitto: MosquittoServer) -> None:
    report = _run(_config(mosquitto.port, ack=AckMode.BROKER, protocol=ProtocolChoice.V311))
    assert report.protocol == "3.1.1"
    assert report.totals.unacked == report.totals.unsent == 0


@pytest.fixture
def old_broker_port() -> Iterator[int]:
    """The port of a running broker that speaks only MQTT 3.1.1."""
    port = free_port()
    command = [sys.executable, str(Path(__file__).with_name("old_broker.py")), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as broker:
        try:
            assert broker.stdout is not None
            assert broker.stdout.readline() == b"ready\n"
            yield port
        finally:
            broker.kill()


def test_old_mqtt_is_found_out_where_the_broker_speaks_nothing_else(old_broker_port: int) -> None:
    report = _run(_config(old_broker_port, ack=AckMode.BROKER))
    assert report.protocol == "3.1.1"
    assert report.totals.readings == 3 * 2 * 15
    assert report.totals.unacked == report.totals.unsent == 0


def test_mqtt_5_alone_is_not_given_up(old_broker_port: int) -> None:
    report = _run(_config(old_broker_port, ack=AckMode.BROKER, protocol=ProtocolChoice.V5, drain_ms=6000))
    assert report.protocol == "5"
    assert report.totals.readings == 0
    assert report.totals.failed_connects >= 3


@pytest.mark.parametrize(
    ("changes", "option"),
    [
        ({"gateways": 0}, "--gateways"),
        ({"gateways": 10**7}, "--gateways"),
        ({"meters": 0}, "--meters"),
        ({"meters": 501}, "--meters"),
        ({"prefix": "Über"}, "--prefix"),
        ({"interval_ms": 0}, "--interval"),
        ({"flush_ms": 0}, "--flush"),
        ({"readings_file": Path("/nowhere/at/all.csv")}, "--readings-file"),
    ],
)
def test_impossible_fleets_are_refused(changes: dict[str, object], option: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _run(_config(1, **changes))
    assert caught.value.where == option
