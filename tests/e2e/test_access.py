"""An installation with passwords everywhere: broker, database; and nobody ever sees one."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any, NamedTuple

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from cloud_stream.config import BrokerConfig
from cloud_stream.config_sections import CommandsConfig
from cloud_stream.dispatch.orders import open_orders, order_row
from cloud_stream.dispatch.process import Dispatcher, broker_of
from cloud_stream.records import Order
from tests.chaos.waiting import wait_for
from tests.cloud_stream.ingest_rig import GatewayClient
from tests.e2e.agent import SITE, Agent, replayed
from tests.e2e.cloud import Cloud
from tests.services.broker_access import access_lines
from wattline.local_servers import LOOPBACK, InfluxServer, MosquittoServer, ProgramMissingError
from wattline.topics import Down, Up, down, up
from wattline.wire import Ack, Batch, Frame, decode_command, encode

BASE_MS = 1_790_000_000_000 - 1_790_000_000_000 % 1_800_000
HALF_HOURS = 20
ACL = (Path(__file__).parents[2] / "deploy" / "mosquitto" / "acl").read_text().splitlines()
"""The rules that an installation begins with: the user's name is the gateway's id."""
PASSWORDS = {
    "ingest": "Secret-of-ingest",
    "dispatch": "Secret-of-dispatch",
    "gw-1": "Secret-of-gw-1",
    "gw-2": "Secret-of-gw-2",
    "influx": "Secret-of-db",
}


class Place(NamedTuple):
    """Closed broker and database, and a cloud that may use them."""

    broker: MosquittoServer
    database: InfluxServer
    cloud: Cloud
    folder: Path

    def secret_file(self, user: str) -> Path:
        return self.folder / f"password-{user}"

    def agent(self, folder: Path, gateway: str, meters: Mapping[str, str]) -> Agent:
        login = f'password_file = "{self.secret_file(gateway)}"'
        return Agent(folder / gateway, self.broker.url, meters, broker=login, gateway=gateway)

    def query(self, statement: str) -> list[dict[str, Any]]:
        """Rows of the database, asked for by its administrator."""
        asked = {"q": statement, "db": "wattline", "epoch": "ms", "u": "admin", "p": "Secret-of-admin"}
        series = json.loads(self.database.post("/query", b"", asked))["results"][0].get("series", [])
        return [dict(zip(one["columns"], row, strict=True)) for one in series for row in one["values"]]


def closed_database(folder: Path) -> InfluxServer:
    """An InfluxDB that asks for a password, with a user who may use only our database."""
    server = InfluxServer(folder, auth=True)
    try:
        server.start()
    except ProgramMissingError as error:
        pytest.skip(str(error))
    server.query("CREATE USER admin WITH PASSWORD 'Secret-of-admin' WITH ALL PRIVILEGES")
    for statement in (
        "CREATE DATABASE wattline",
        f"CREATE USER influx WITH PASSWORD '{PASSWORDS['influx']}'",
        "GRANT ALL ON wattline TO influx",
    ):
        server.post("/query", b"", {"q": statement, "u": "admin", "p": "Secret-of-admin"})
    return server


@pytest.fixture(scope="module")
def place(folder: Path, shared_broker: MosquittoServer) -> Iterator[Place]:
    shared_broker.stop()  # it has shown that there is a mosquitto
    for user, password in PASSWORDS.items():
        file = folder / f"password-{user}"
        file.touch(mode=0o600)
        file.write_text(f"{password}\n")
    lines = access_lines(
        folder / "access", {user: PASSWORDS[user] for user in ("ingest", "dispatch", "gw-1", "gw-2")}, ACL
    )
    database = closed_database(folder / "influxd")
    try:
        with MosquittoServer(folder / "closed", extra_lines=lines, anonymous=False) as broker:
            login = f'username = "ingest"\npassword_file = "{folder}/password-ingest"'
            store = (
                f'kind = "influxdb"\napi = "v1"\nurl = "{database.url}"\nbucket = "wattline"\n'
                f'username = "influx"\npassword_file = "{folder}/password-influx"'
            )
            with Cloud(folder / "cloud", broker.url, broker=login, store=store) as cloud:
                yield Place(broker, database, cloud, folder)
    finally:
        database.stop()


def half_hours(folder: Path) -> str:
    """The table of a meter that replays half hours of 0.25, 0.5, .. kWh."""
    replayed(folder, "hh", [])
    file = folder / "hh.csv"
    rows = "".join(f"{BASE_MS + n * 1_800_000},{(n + 1) / 4}\n" for n in range(HALF_HOURS))
    file.write_text("t,energy_kwh\n" + rows)
    return f"""\
sensor = "replay"
[meter.options]
file = "{file}"
speed = "max"
time_column = "t"
time_format = "epoch_ms"
value_column = "energy_kwh"
quantity = "energy_kwh"
interval = "30m"
"""


def test_readings_and_usage_in_the_database_are_what_the_agent_sent(tmp_path: Path, place: Place) -> None:
    agent = place.agent(tmp_path, "gw-1", {"hh": half_hours(tmp_path)})
    agent.start("--until-sent")
    assert agent.wait(60) == 0
    wanted = [(BASE_MS + n * 1_800_000, (n + 1) / 4) for n in range(HALF_HOURS)]

    def stored(measurement: str, where: str) -> list[tuple[int, float]]:
        rows = place.query(f"SELECT energy_kwh FROM {measurement} WHERE {where} ORDER BY time")  # noqa: S608 (constants of the test)
        return [(row["time"], round(row["energy_kwh"], 9)) for row in rows]

    for measurement, where in (
        ("reading", f"meter = 'hh' AND site = '{SITE}' AND gateway = 'gw-1'"),
        ("usage", "meter = 'hh' AND \"level\" = 'meter' AND \"window\" = '30m'"),
        ("usage", f"site = '{SITE}' AND \"level\" = 'site' AND \"window\" = '30m'"),
    ):
        place.cloud.wait_for(lambda m=measurement, w=where: stored(m, w) == wanted, f"{measurement} where {where}")  # type: ignore[misc]


def payload(gateway: str, seq: int) -> bytes:
    frame = Frame(meter="m1", t=[BASE_MS + seq * 1000], q={"power_w": [float(seq)]})
    return encode(Batch(v=1, gateway=gateway, site=f"site-{gateway}", log="log", seq=seq, oldest=1, frames=[frame]))


def test_a_gateway_can_not_publish_for_another_one(place: Place) -> None:
    port = place.broker.port
    with GatewayClient(port, "gw-2", password=PASSWORDS["gw-2"]) as liar:
        liar.send_to(up("gw-3", Up.READINGS), payload("gw-3", 1))
        liar.send_to(down("gw-3", Down.ACK), encode(Ack(log="log", seqs=[(1, 1)])))
        liar.send(payload("gw-2", 2))
        place.cloud.wait_for(lambda: liar.acked["log"] == {2}, "its own batch is taken")
    place.cloud.wait_for(lambda: bool(place.query("SELECT power_w FROM reading WHERE gateway = 'gw-2'")), "and stored")
    assert place.query("SELECT power_w FROM reading WHERE gateway = 'gw-3'") == []
    assert all("gw-3" not in letter.topic for letter in place.cloud.letters())


def test_commands_are_the_cloud_s_alone_and_reach_only_their_gateway(tmp_path: Path, place: Place) -> None:
    password = place.secret_file("dispatch")
    commands = CommandsConfig(dir=tmp_path / "commands", username="dispatch", password_file=password)
    with closing(open_orders(commands)) as orders, listening(place, "gw-1") as heard, listening(place, "gw-2") as other:
        with GatewayClient(place.broker.port, "gw-2", password=PASSWORDS["gw-2"]) as liar:
            liar.send_to(down("gw-1", Down.COMMAND), b"switch it off")
        with GatewayClient(place.broker.port, "ingest", password=PASSWORDS["ingest"]) as reader:
            reader.send_to(down("gw-1", Down.COMMAND), b"switch it off")
        now_ms = time.time_ns() // 10**6
        asked = {"gateway": "gw-1", "site": "s", "load": "boiler", "action": "off", "reason": ""}
        orders.put([order_row(Order(id="o1", decided_ms=now_ms, expires_ms=now_ms + 60_000, **asked))])
        broker = BrokerConfig(url=place.broker.url, username="ingest", password_file=place.secret_file("ingest"))
        dispatcher = Dispatcher(orders, broker_of(broker, commands), commands.client_id)
        thread = Thread(target=dispatcher.run)
        thread.start()
        try:
            wait_for(lambda: bool(heard), "the command arrives")
        finally:
            dispatcher.stop()
            thread.join(30)
        # Overlapping subscriptions: the broker may hand it over for each.
        assert {(topic, decode_command(text, "gw-1").id) for topic, text in heard} == {
            (down("gw-1", Down.COMMAND), "o1")
        }
        assert other == []


@contextmanager
def listening(place: Place, gateway: str) -> Iterator[list[tuple[str, bytes]]]:
    """Everything that a gateway may hear, whatever it asks for."""
    heard: list[tuple[str, bytes]] = []
    subscribed = Event()
    client = Client(CallbackAPIVersion.VERSION2, client_id=f"{gateway}-ear", protocol=MQTTProtocolVersion.MQTTv5)
    client.username_pw_set(gateway, PASSWORDS[gateway])
    client.on_connect = lambda *_: listen(client)
    client.on_subscribe = lambda *_: subscribed.set()
    client.on_message = lambda _, __, message: heard.append((message.topic, bytes(message.payload)))
    client.connect(LOOPBACK, place.broker.port)
    client.loop_start()
    try:
        assert subscribed.wait(20)
        yield heard
    finally:
        client.disconnect()
        client.loop_stop()


def test_a_gateway_can_not_read_what_is_told_to_another_one(place: Place) -> None:
    heard: set[str] = set()
    client = Client(CallbackAPIVersion.VERSION2, client_id="gw-2", protocol=MQTTProtocolVersion.MQTTv5)
    client.username_pw_set("gw-2", PASSWORDS["gw-2"])
    client.on_connect = lambda *_: listen(client)
    client.on_message = lambda _, __, message: heard.add(message.topic)
    client.connect(LOOPBACK, place.broker.port)
    client.loop_start()
    try:
        wait_for(client.is_connected, "it connects")
        with GatewayClient(place.broker.port, "gw-1", password=PASSWORDS["gw-1"]) as other:
            other.send_until_acked("log", {7: payload("gw-1", 7)})
        # Its own acknowledgement comes after the other's: what is not here now never comes.
        client.publish(up("gw-2", Up.READINGS), payload("gw-2", 8), qos=1)
        wait_for(lambda: down("gw-2", Down.ACK) in heard, "it hears its own")
    finally:
        client.disconnect()
        client.loop_stop()
    assert heard == {down("gw-2", Down.ACK)}


def listen(client: Client) -> None:
    client.subscribe([("wattline/v1/+/down/#", 1), ("wattline/v1/+/up/#", 1), ("#", 1)])


def test_an_agent_with_a_wrong_password_says_so_and_keeps_its_readings(tmp_path: Path, place: Place) -> None:
    place.secret_file("gw-2").write_text("Secret-that-is-wrong\n")
    agent = place.agent(tmp_path, "gw-2", {"m2": replayed(tmp_path, "m2", [BASE_MS])})
    try:
        agent.start()
        wait_for(lambda: re.search(r"[Nn]ot authori[sz]ed|Bad user name", agent.log_text()) is not None, "it says so")
        assert agent.stop() == 0
        assert "unsent=1" in agent.log_text()
    finally:
        agent.end()
        place.secret_file("gw-2").write_text(PASSWORDS["gw-2"] + "\n")
    agent.start("--until-sent")
    assert agent.wait(60) == 0
    assert "Secret" not in agent.log_text()


def test_a_database_that_refuses_the_password_is_waited_for(tmp_path: Path, place: Place) -> None:
    secret = place.secret_file("influx")
    assert place.cloud.flow.stop() == 0
    secret.write_text("Secret-that-is-wrong\n")
    place.cloud.flow.start()
    agent = place.agent(tmp_path, "gw-1", {"late": replayed(tmp_path, "late", [BASE_MS])})
    agent.start("--until-sent")
    assert agent.wait(60) == 0
    wait_for(lambda: "store_away" in place.cloud.flow.log_text(), "the flow says so")
    assert place.cloud.flow.stop() == 0
    secret.write_text(PASSWORDS["influx"] + "\n")
    place.cloud.flow.start()
    place.cloud.wait_for(lambda: bool(place.query("SELECT power_w FROM reading WHERE meter = 'late'")), "it is stored")


def test_no_secret_is_in_a_log_or_a_command_line(tmp_path: Path, place: Place) -> None:
    agent = place.agent(tmp_path, "gw-1", {"m1": replayed(tmp_path, "m1", [BASE_MS])})
    agent.start()
    try:
        pids = (agent.pid, place.cloud.ingest._process, place.cloud.flow._process)
        for one in pids:
            pid = one if isinstance(one, int) else getattr(one, "pid", 0)
            assert b"Secret" not in Path(f"/proc/{pid}/cmdline").read_bytes()
            assert b"Secret" not in Path(f"/proc/{pid}/environ").read_bytes()
        wait_for(lambda: " connected url=" in agent.log_text(), "it connects")
        assert agent.stop() == 0
    finally:
        agent.end()
    for file in [*tmp_path.rglob("*.log"), *place.folder.rglob("*.log")]:
        assert "Secret" not in file.read_text(errors="replace"), file


def test_edge_check_names_the_broker_and_not_the_password(tmp_path: Path, place: Place) -> None:
    agent = place.agent(tmp_path, "gw-1", {"m1": replayed(tmp_path, "m1", [BASE_MS])})
    command = [sys.executable, "-m", "wattline", "edge", "check", "-c", str(agent.config), "--json"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (found.returncode, "Secret" in found.stdout + found.stderr) == (0, False), found.stdout
