"""`wattline alerts`: what fires, what is acknowledged and silenced, and whether messages arrive."""

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cloud_stream.engine import now_ms
from cloud_stream.notify.alert_names import name_of
from cloud_stream.notify.commands import app
from cloud_stream.notify.ledger import Ledger
from cloud_stream.records import Point
from cloud_stream.stores.sqlite import SqliteStore
from tests.cloud_stream.notify.desk_rig import RETENTION_MS
from tests.cloud_stream.notify.mail_server import MailServer
from tests.cloud_stream.notify.notices import POWER, power, silent
from tests.cloud_stream.notify.web_server import WebServer
from wattline.errors import ConfigError, WattlineError
from wattline.local_servers import free_port

Command = Callable[..., str]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "cloud.toml"
    file.write_text(f'[store]\npath = "{tmp_path}/wattline.db"\n[notify]\ndir = "{tmp_path}/notify"\n')
    return file


@pytest.fixture
def command(config: Path) -> Command:
    def run(*words: str, status: int = 0) -> str:
        result = CliRunner().invoke(app, [*words, "-c", str(config)])
        if isinstance(result.exception, WattlineError):
            raise result.exception
        assert result.exit_code == status, result.output
        return result.stdout

    return run


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "notify")


def listed(command: Command, what: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(command(what, "--json"))[what if what != "list" else "alerts"]
    return found


def test_what_fires_is_listed(command: Command, ledger: Ledger) -> None:
    ledger.take([POWER, silent(1), silent(2), silent(2, "resolved")], [], "info", now_ms())
    rows = listed(command, "list")
    assert [(row["rule"], row["site"], row["state"]) for row in rows] == [
        ("connection limit", "house-1", "firing"),
        ("meter silent", "house-1", "firing"),
    ]
    assert (rows[0]["value"], rows[0]["limit"], rows[0]["since_ms"]) == (9420.0, 9000.0, POWER.since_ms)
    assert "house-1: power above 9000 W" in command("list")


def test_an_acknowledged_alert_says_so_until_it_is_taken_back(command: Command, ledger: Ledger) -> None:
    ledger.take([POWER], [], "info", now_ms())
    short = command("list").split()[0]
    assert name_of(POWER).id.startswith(short)
    silence = command("ack", short, "--comment", "on it").strip()
    assert [row["state"] for row in listed(command, "list")] == ["acknowledged"]
    assert "until it ends" in command("silences")
    command("unsilence", silence)
    assert [row["state"] for row in listed(command, "list")] == ["firing"]


def test_only_what_fires_can_be_acknowledged(command: Command, ledger: Ledger) -> None:
    ledger.take([POWER, power("off", state="resolved")], [], "info", now_ms())
    with pytest.raises(WattlineError, match="no alerts that begin"):
        command("ack", name_of(POWER).id)


def test_several_cannot_be_acknowledged_at_once(command: Command, ledger: Ledger) -> None:
    ledger.take([silent(number) for number in range(17)], [], "info", now_ms())
    letters = [row["id"][0] for row in listed(command, "list")]
    shared = next(letter for letter in letters if letters.count(letter) > 1)
    with pytest.raises(WattlineError, match="alerts that begin with"):
        command("ack", shared)


def test_a_silence_is_made_listed_and_ended(command: Command, ledger: Ledger) -> None:
    ledger.take([POWER], [], "info", now_ms())
    made = command("silence", "--site", "house-*", "--for", "2h", "--comment", "new meter", "--author", "me").strip()
    found = listed(command, "silences")[0]
    assert (found["id"], found["site"], found["comment"], found["author"]) == (made, "house-*", "new meter", "me")
    assert found["until_ms"] - found["from_ms"] == 7_200_000
    assert [row["state"] for row in listed(command, "list")] == ["silenced"]
    command("unsilence", made)
    assert listed(command, "silences")[0]["state"] == "over"
    with pytest.raises(WattlineError, match="no silence"):
        command("unsilence", made)


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (["--for", "2h"], "--rule"),
        (["--all"], "--for"),
        (["--all", "--for", "2h", "--until", "2999-01-01"], "--for"),
        (["--all", "--for", "soon"], "--for"),
        (["--all", "--until", "soon"], "--until"),
        (["--all", "--until", "2020-01-01"], "--until"),
        (["--all", "--from", "x", "--for", "2h"], "--from"),
        (["--all", "--for", "0s"], "--until"),
        (["--severity", "urgent", "--for", "2h"], "--severity"),
    ],
)
def test_a_silence_that_makes_no_sense(command: Command, words: list[str], where: str) -> None:
    with pytest.raises(ConfigError) as failure:
        command("silence", *words)
    assert failure.value.where == where


def test_times_have_offsets(command: Command) -> None:
    command("silence", "--all", "--from", "2999-01-01T01:00+01:00", "--until", "2999-01-01T01:00")
    found = listed(command, "silences")[0]
    assert (found["state"], found["until_ms"] - found["from_ms"]) == ("to come", 3_600_000)


def test_without_a_notifier_the_store_is_asked(config: Path, command: Command, tmp_path: Path) -> None:
    config.write_text(f'[store]\npath = "{tmp_path}/wattline.db"\n')
    tags = {"rule": "limit", "severity": "critical", "level": "site", "meter": ""}
    now = now_ms()
    with closing(SqliteStore(tmp_path / "wattline.db", RETENTION_MS)) as store:
        store.prepare()
        history = [("a", 3, "firing"), ("b", 3, "firing"), ("b", 2, "resolved"), ("c", 3, "pending")]
        points = [
            Point(
                "alert", tags | {"site": site}, now - 1000 * ago, {"state": state, "value": 7.0, "message": "above 5"}
            )
            for site, ago, state in history
        ]
        store.write([], points)
    rows = listed(command, "list")
    assert [(row["site"], row["title"], row["value"]) for row in rows] == [("a", "a: above 5", 7.0)]
    with pytest.raises(ConfigError, match="section is missing"):
        command("silences")


def test_nothing_is_said_kindly(command: Command) -> None:
    assert (listed(command, "list"), listed(command, "silences"), command("list")) == ([], [], "")


def test_a_test_message_goes_to_every_channel(config: Path, command: Command) -> None:
    with MailServer() as mail, WebServer() as web:
        addresses = [
            f"mailto://127.0.0.1:{mail.port}?from=a@example.org&to=b@example.org&mode=insecure",
            f"json://127.0.0.1:{web.port}/s3cret",
            f"json://127.0.0.1:{free_port()}/s3cret",
        ]
        with config.open("a") as file:
            file.write(f"urls = {json.dumps(addresses)}\n")
        told = command("test-message", status=1)
        rows = json.loads(command("test-message", "--json", status=1))["channels"]
    assert [(row["channel"], row["ok"]) for row in rows] == [("mailto:1", True), ("json:2", True), ("json:3", False)]
    assert "could not be reached" in told
    assert "s3cret" not in told
    assert mail.subjects == ["[info] test message from Wattline"] * 2
    assert len(web.posts) == 2


def test_no_channel_is_no_success(command: Command) -> None:
    assert command("test-message", status=1) == ""
