"""Alerts reach people: a real broker, the whole cloud, a real mail server; outages, flapping, kills and backlogs."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud_stream.sharding import shard_of
from tests.cloud_stream.ingest_rig import GatewayClient
from tests.cloud_stream.notify.mail_server import MailServer
from tests.e2e.whole_cloud import WholeCloud
from wattline.local_servers import MosquittoServer
from wattline.wire import Batch, Frame, encode

pytestmark = pytest.mark.timeout(300)

HOUSE = "house"
NEIGHBOUR = next(name for n in range(1000) if shard_of(name := f"site-{n}") == shard_of(HOUSE))
"""What it says moves the time on for its shard, whatever the house does."""
SILENT = """\
[[rule]]
kind = "silent"
name = "meter silent"
after = "30s"
window = "5s"
sites = ["house"]
"""
OVERLOAD = """\
[[rule]]
name = "overload"
quantity = "power_w"
statistic = "peak"
window = "5s"
above = 5000
clear = 4000
severity = "critical"
meters = ["watched"]
"""


class Gateway:
    """Sends readings of many meters, one batch at a call."""

    def __init__(self, broker: MosquittoServer, name: str, site: str) -> None:
        self.client = GatewayClient(broker.port, name)
        self._name, self._site = name, site
        self._log = f"log-{time.time_ns()}"
        self._seq = 0

    def say(self, power_w: dict[str, float], t_ms: int | None = None) -> None:
        """One reading of each meter, now or at another time."""
        at_ms = time.time_ns() // 1_000_000 if t_ms is None else t_ms
        self._seq += 1
        frames = [Frame(meter=meter, t=[at_ms], q={"power_w": [value]}) for meter, value in power_w.items()]
        batch = Batch(v=1, gateway=self._name, site=self._site, log=self._log, seq=self._seq, frames=frames)
        self.client.send(encode(batch))


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


@pytest.fixture
def neighbour(mosquitto: MosquittoServer) -> Iterator[Gateway]:
    """Somebody else, who says something every half second as long as the test runs."""
    gateway = Gateway(mosquitto, "gw-n", NEIGHBOUR)
    ended = threading.Event()

    def talk() -> None:
        while not ended.wait(0.5):
            gateway.say({"n-1": 100.0})

    with gateway.client:
        thread = threading.Thread(target=talk)
        thread.start()
        yield gateway
        ended.set()
        thread.join()


@pytest.fixture
def house(mosquitto: MosquittoServer) -> Iterator[Gateway]:
    gateway = Gateway(mosquitto, "gw-h", HOUSE)
    with gateway.client:
        yield gateway


def cloud_of(
    tmp_path: Path, broker: MosquittoServer, mail: MailServer, rules: str = OVERLOAD, *, group_wait: str = "1s"
) -> WholeCloud:
    url = f"mailto://127.0.0.1:{mail.port}?from=cloud@example.org&to=me@example.org&mode=insecure"
    sections = f"""\
[alerts]
rules = "{{folder}}/alerts.toml"
max_age = "10m"
[notify]
urls = ["{url}"]
dir = "{{folder}}/notify"
group_wait = "{group_wait}"
group_interval = "5s"
"""
    flow = 'window = "5s"\nutility_interval = "10m"'
    return WholeCloud(tmp_path / "cloud", broker.url, sections, {"alerts.toml": rules}, flow=flow)


def states(cloud: WholeCloud, rule: str, state: str) -> int:
    query = f"SELECT count(DISTINCT meter) FROM alert WHERE rule = '{rule}' AND state = '{state}'"  # noqa: S608 (constants)
    rows = cloud.rows(query)
    return int(rows[0][0]) if rows else 0


def test_a_thousand_silent_meters_are_one_message_and_one_more_when_they_are_back(
    tmp_path: Path, mosquitto: MosquittoServer, mail: MailServer, house: Gateway, neighbour: Gateway
) -> None:
    del neighbour
    meters = dict.fromkeys((f"m-{n:04d}" for n in range(1000)), 250.0)
    with cloud_of(tmp_path, mosquitto, mail, SILENT, group_wait="5s") as cloud:
        house.say(meters)
        known = "SELECT count(DISTINCT meter) FROM usage WHERE level = 'meter' AND site = 'house'"
        cloud.wait_for(lambda: cloud.rows(known) == [(1000,)], "all are known")
        cloud.wait_for(lambda: states(cloud, "meter silent", "firing") == 1000, "all are silent")
        cloud.wait_for(lambda: len(mail.mails) == 1, "one mail")
        house.say(meters)
        cloud.wait_for(lambda: states(cloud, "meter silent", "resolved") == 1000, "all are back")
        cloud.wait_for(lambda: len(mail.mails) == 2, "another mail")
        sent = "SELECT sum(notices) FROM notification WHERE state = 'sent'"
        cloud.wait_for(lambda: cloud.rows(sent) == [(2000,)], "both are in the record")
    assert len(mail.mails) == 2
    assert all("meter silent" in subject for subject in mail.subjects)
    assert "990 more" in mail.mails[0].get_body(("plain",)).get_content()  # type: ignore[union-attr]  # it has one


def test_flapping_around_the_limit_is_one_alert(
    tmp_path: Path, mosquitto: MosquittoServer, mail: MailServer, house: Gateway, neighbour: Gateway
) -> None:
    del neighbour
    with cloud_of(tmp_path, mosquitto, mail) as cloud:
        for turn in range(10):
            house.say({"watched": 5100.0 if turn % 2 == 0 else 4900.0})
            threading.Event().wait(2.5)
        cloud.wait_for(lambda: bool(mail.mails), "it is told")
        for _ in range(8):  # the first may share a window with a high one
            house.say({"watched": 3000.0})
            threading.Event().wait(1.0)
        cloud.wait_for(lambda: len(mail.mails) == 2, "its end is told")
    assert ["resolved" in subject.lower() for subject in mail.subjects] == [False, True], mail.subjects
    assert len(cloud.rows("SELECT DISTINCT since_ms FROM alert WHERE rule = 'overload'")) == 1


def test_a_kill_before_sending_is_one_message(
    tmp_path: Path, mosquitto: MosquittoServer, mail: MailServer, house: Gateway, neighbour: Gateway
) -> None:
    del neighbour
    with cloud_of(tmp_path, mosquitto, mail, group_wait="4s") as cloud:
        house.say({"watched": 9000.0})
        cloud.wait_for(lambda: states(cloud, "overload", "firing") == 1, "it fires")
        assert mail.mails == []
        cloud.kill9()
        cloud.restart()
        cloud.wait_for(lambda: len(mail.mails) >= 1, "it is told")
        house.say({"watched": 100.0})
        cloud.wait_for(lambda: any("resolved" in subject.lower() for subject in mail.subjects), "its end is told")
    assert len(mail.mails) == 2
    assert len(set(mail.message_ids)) == 2


def test_a_kill_while_the_server_has_the_mail_repeats_its_message_id(
    tmp_path: Path, mosquitto: MosquittoServer, mail: MailServer, house: Gateway, neighbour: Gateway
) -> None:
    del neighbour
    with cloud_of(tmp_path, mosquitto, mail) as cloud:
        mail.hold = threading.Event()
        house.say({"watched": 9000.0})
        cloud.wait_for(lambda: len(mail.mails) == 1, "the server has it, the notifier does not know")
        os.kill(cloud.child_pid("notify"), signal.SIGKILL)
        mail.hold.set()
        cloud.await_log("group_started name=notify", 2)
        sent = "SELECT count(*) FROM notification WHERE state = 'sent'"
        cloud.wait_for(lambda: cloud.rows(sent) == [(1,)], "it is settled")
    assert set(mail.message_ids) == {mail.message_ids[0]}


def test_a_backlog_pages_nobody(
    tmp_path: Path, mosquitto: MosquittoServer, mail: MailServer, house: Gateway, neighbour: Gateway
) -> None:
    del neighbour
    hours_ago_ms = time.time_ns() // 1_000_000 - 3 * 3_600_000
    with cloud_of(tmp_path, mosquitto, mail) as cloud:
        house.say({"watched": 9000.0}, hours_ago_ms)
        cloud.wait_for(lambda: states(cloud, "overload", "firing") == 1, "it is recorded")
        house.say({"watched": 100.0}, hours_ago_ms + 20_000)
        cloud.wait_for(lambda: states(cloud, "overload", "resolved") == 1, "its end is recorded")
        house.say({"watched": 9500.0})
        cloud.wait_for(lambda: len(mail.mails) >= 1, "what is so now is told")
    assert len(mail.mails) == 1
    assert "9500" in mail.mails[0].get_body(("plain",)).get_content()  # type: ignore[union-attr]  # it has one
