"""The real process, killed at the worst moments: nothing is lost, and what may be repeated has the same Message-ID."""

import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cloud_stream.keyed_queue import KeyedQueue
from cloud_stream.notify.ledger import Ledger
from cloud_stream.notify.notice_rows import notice_row
from cloud_stream.notify.silences import FOR_EVER_MS
from cloud_stream.records import Notice
from cloud_stream.stores.sqlite import SqliteStore
from tests.cloud_stream.notify.desk_rig import RETENTION_MS
from tests.cloud_stream.notify.mail_server import MailServer
from tests.cloud_stream.notify.notices import NOW_MS, POWER, power, silent
from tests.cloud_stream.notify.web_server import WebServer
from tests.cloud_stream.waiting import wait_until
from wattline.local_servers import free_port


class Notifier:
    """`wattline cloud notify` and its files."""

    def __init__(self, folder: Path, urls: list[str], more: str = "") -> None:
        self.folder = folder
        self.config = folder / "cloud.toml"
        self.log = folder / "log"
        self.config.write_text(
            f"""
            [store]
            path = "{folder}/wattline.db"
            [notify]
            urls = {json.dumps(urls)}
            dir = "{folder}/notify"
            group_wait = "1s"
            group_interval = "2s"
            timeout = "3s"
            {more}
            """
        )
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "wattline", "cloud", "notify", "-c", str(self.config)]
            self._running = subprocess.Popen(command, stdout=log, stderr=log)

    def kill(self) -> None:
        """As a power cut would end it."""
        assert self._running is not None
        os.kill(self._running.pid, signal.SIGKILL)

    def wait(self) -> int:
        assert self._running is not None
        return self._running.wait(30)

    def stop(self) -> int:
        assert self._running is not None
        self._running.terminate()
        return self.wait()

    def tell(self, notice: Notice = POWER) -> None:
        with closing(KeyedQueue(self.folder / "notify" / "notices.db", 1 << 20)) as queue:
            queue.put([notice_row(notice)])

    def kept_message(self) -> str:
        """The id of the message that is not delivered yet; "" without one."""
        with closing(Ledger(self.folder / "notify")) as ledger:
            message = ledger.next_message("mailto:1", NOW_MS * 2, FOR_EVER_MS)
        return message.id if message else ""

    def states(self) -> list[str]:
        """What the store was told of messages."""
        with closing(SqliteStore(self.folder / "wattline.db", RETENTION_MS)) as store:
            store.prepare()
            return [str(point.fields["state"]) for point in store.points("notification", {}, 0, NOW_MS * 2)]

    def end(self) -> None:
        if self._running is not None and self._running.poll() is None:
            self._running.kill()
            self._running.wait()


Make = Callable[..., Notifier]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[Notifier] = []

    def build(*urls: str, more: str = "") -> Notifier:
        made.append(Notifier(tmp_path, list(urls), more))
        return made[-1]

    yield build
    for notifier in made:
        notifier.end()


def mail_to(port: int) -> str:
    return f"mailto://127.0.0.1:{port}?from=wattline@example.org&to=you@example.org&mode=insecure"


def test_a_kill_before_the_message_was_made_sends_it_once(make: Make) -> None:
    with MailServer() as server:
        notifier = make(mail_to(server.port))
        notifier.tell()
        notifier.start()
        wait_until(lambda: _open_alerts(notifier) == 1, "the notice was taken")
        notifier.kill()
        notifier.wait()
        assert server.mails == []
        notifier.start()
        wait_until(lambda: notifier.states() == ["sent"], "sent")
        assert notifier.stop() == 0
        assert server.subjects == ["[critical] house-1: power above 9000 W"]


def test_a_kill_before_the_message_was_sent_sends_it_once(make: Make) -> None:
    port = free_port()
    notifier = make(mail_to(port))
    notifier.tell()
    notifier.start()
    wait_until(lambda: notifier.kept_message() != "", "a message is kept")
    notifier.kill()
    notifier.wait()
    kept = notifier.kept_message()
    with MailServer(port=port) as server:
        notifier.start()
        wait_until(lambda: notifier.states() == ["sent"], "sent")
        assert notifier.stop() == 0
        assert server.message_ids == [f"<{kept}@example.org>"]


def test_a_second_notifier_sends_nothing_and_says_why(make: Make) -> None:
    with MailServer() as server:
        first, second = make(mail_to(server.port)), make(mail_to(server.port))
        first.tell()
        first.start()
        wait_until(lambda: first.states() == ["sent"], "sent")
        second.start()
        assert second.wait() == 1
        assert "another notifier uses this folder" in second.log.read_text()
        assert first.stop() == 0


@pytest.mark.parametrize("moment", ["at_data", "at_quit"])
def test_a_kill_between_delivery_and_settling_repeats_the_same_message(make: Make, moment: str) -> None:
    with MailServer() as server:
        notifier = make(mail_to(server.port))
        setattr(server, moment, notifier.kill)
        notifier.tell()
        notifier.start()
        notifier.wait()
        assert len(server.mails) == 1
        setattr(server, moment, lambda: None)
        notifier.start()
        wait_until(lambda: notifier.states() == ["sent"], "sent again")
        assert notifier.stop() == 0
        assert len(server.mails) == 2
        assert len(set(server.message_ids)) == 1
        assert server.mails[0]["Date"] == server.mails[1]["Date"]


@pytest.mark.chaos
@pytest.mark.timeout(300)
def test_kills_at_random_moments_lose_nothing(make: Make) -> None:
    chance = random.Random(20261121)
    rounds = 12
    with MailServer() as server:
        notifier = make(mail_to(server.port), more="max_per_hour = 1000")
        for number in range(rounds):
            notifier.start()
            for part in range(3):
                key = f"rule-{number}-{part}"
                notifier.tell(power(key, group=key, title=key))
            time.sleep(chance.uniform(0.5, 3.5))  # nothing is waited for: the moment is to be any
            notifier.kill()
            notifier.wait()
        lives = notifier.log.read_text().count("notify_started")
        notifier.start()
        wait_until(lambda: notifier.log.read_text().count("notify_started") > lives, "it listens to signals")
        wait_until(lambda: len(set(server.subjects)) == 3 * rounds and not notifier.kept_message(), "all told")
        assert notifier.stop() == 0
    ids: dict[str, set[str]] = {}
    for subject, message_id in zip(server.subjects, server.message_ids, strict=True):
        ids.setdefault(subject, set()).add(message_id)
    assert {len(found) for found in ids.values()} == {1}
    assert len(server.mails) <= 3 * rounds + rounds


def test_one_dead_channel_does_not_delay_the_others(make: Make) -> None:
    with WebServer() as web:
        notifier = make(mail_to(free_port()), f"json://127.0.0.1:{web.port}/hook-s3cret")
        notifier.tell()
        notifier.start()
        wait_until(lambda: "sent" in notifier.states() and "waiting" in notifier.states(), "told of both")
        notifier.stop()
        assert [post["title"] for post in web.posts] == ["[critical] house-1: power above 9000 W"]
        assert "s3cret" not in notifier.log.read_text()


def test_a_wrong_address_ends_it_with_status_2(make: Make) -> None:
    notifier = make("nonsense://s3cret")
    notifier.start()
    assert notifier.wait() == 2
    assert "notify.urls[0]: is no address" in notifier.log.read_text()
    assert "s3cret" not in notifier.log.read_text()


def test_without_a_section_there_is_nobody_to_tell(tmp_path: Path) -> None:
    (tmp_path / "cloud.toml").write_text("")
    command = [sys.executable, "-m", "wattline", "cloud", "notify", "-c", str(tmp_path / "cloud.toml")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, "notify: the section is missing" in ended.stderr) == (2, True)


def test_metrics_are_shown(make: Make) -> None:
    port = free_port()
    notifier = make(more=f"[metrics]\nnotify_port = {port}")
    notifier.start()

    def shown() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as page:
                return b"wattline_notify_sent_total 0.0" in page.read()
        except OSError:
            return False

    wait_until(shown, "metrics")
    assert notifier.stop() == 0


def _open_alerts(notifier: Notifier) -> int:
    with closing(Ledger(notifier.folder / "notify")) as ledger:
        return len(ledger.open_alerts())


def test_the_owner_alone_may_read_what_is_kept(make: Make) -> None:
    notifier = make()
    with closing(Ledger(notifier.folder / "notify")) as ledger:
        ledger.take([silent(1)], ["json:1"], "info", NOW_MS)
    assert (notifier.folder / "notify" / "notifier.db").stat().st_mode & 0o077 == 0
