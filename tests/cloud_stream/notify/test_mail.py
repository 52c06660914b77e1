"""Mail by SMTP to a real server: the same Message-ID at every attempt, and readable reasons when it does not arrive."""

import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from cloud_stream.config_sections import NotifyConfig
from cloud_stream.notify.channels import open_channels
from cloud_stream.notify.delivery import Channel, DeliveryError
from cloud_stream.notify.ledger_rows import WAITING, Letter, Message
from tests.cloud_stream.notify.mail_server import PASSWORD, USER, MailServer, SilentServer
from tests.cloud_stream.notify.notices import NOW_MS
from wattline.config import DurationMs
from wattline.local_servers import free_port

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
LETTER = Letter(
    subject="[critical] house-1: Strom über 9000 W", text="plain\n", html="<p>rich</p>", severity="critical"
)
MESSAGE = Message("wattline-0123", "mailto:1", NOW_MS, WAITING, 1, "", 1, LETTER)


@pytest.fixture
def server() -> Iterator[MailServer]:
    with MailServer() as running:
        yield running


def address(port: int, more: str = "mode=insecure", *, login: str = "", to: str = "you@example.org") -> str:
    return f"mailto://{login}127.0.0.1:{port}?from=wattline@example.org&to={to}&{more}"


def channels(url: str, timeout_ms: int = 5000) -> list[Channel]:
    return open_channels(NotifyConfig(urls=[url], timeout=DurationMs(timeout_ms)))


def test_a_mail_has_text_html_and_the_chart(server: MailServer) -> None:
    letter = Letter(subject=LETTER.subject, text="plain\n", html="<p>rich</p>", severity="critical", chart=PNG)
    channels(address(server.port))[0].send(MESSAGE._replace(letter=letter))
    mail = server.mails[0]
    plain, rich = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert rich is not None
    assert (plain.get_content().strip(), rich.get_content().strip()) == ("plain", "<p>rich</p>")
    pictures = [part for part in mail.walk() if part.get_content_type() == "image/png"]
    assert [(part["Content-ID"], part.get_content()) for part in pictures] == [("<last-24-hours.png>", PNG)]
    assert (mail["Subject"], mail["From"], mail["To"]) == (LETTER.subject, "wattline@example.org", "you@example.org")
    assert (mail["Auto-Submitted"], mail["X-Rcpt"]) == ("auto-generated", "you@example.org")


def test_every_attempt_has_the_same_message_id_and_date(server: MailServer) -> None:
    for _ in range(2):
        channels(address(server.port))[0].send(MESSAGE)
    assert server.message_ids == ["<wattline-0123@example.org>"] * 2
    assert {mail["Date"] for mail in server.mails} == {"Fri, 21 Nov 2025 14:00:00 +0000"}


def test_an_end_answers_its_beginning(server: MailServer) -> None:
    letter = Letter(subject="s", text="t", html="h", severity="info", answers="wattline-first")
    channels(address(server.port))[0].send(MESSAGE._replace(letter=letter))
    assert server.mails[0]["In-Reply-To"] == server.mails[0]["References"] == "<wattline-first@example.org>"


def test_every_recipient_is_a_channel_of_its_own(server: MailServer) -> None:
    server.refuse = {"b@example.org": "550 unknown"}
    url = address(server.port, "mode=insecure&cc=c@example.org&bcc=d@example.org", to="a@example.org,b@example.org")
    opened = channels(url)
    assert [channel.name for channel in opened] == ["mailto:1", "mailto:1.2", "mailto:1.3", "mailto:1.4"]
    for channel, refused in zip(opened, (False, True, False, False), strict=True):
        if refused:
            with pytest.raises(DeliveryError, match=r"refuses the recipient \(550\)") as failure:
                channel.send(MESSAGE)
            assert failure.value.permanent
        else:
            channel.send(MESSAGE)
    assert [(mail["To"], mail["Cc"], mail["X-Rcpt"]) for mail in server.mails] == [
        ("a@example.org", "c@example.org", "a@example.org"),
        ("a@example.org", "c@example.org", "c@example.org"),
        ("a@example.org", "c@example.org", "d@example.org"),
    ]


@pytest.mark.parametrize(
    ("answer", "drop", "reason", "permanent"),
    [
        ("451 later", False, r"refuses the message \(451\)", False),
        ("554 no", False, r"refuses the message \(554\)", True),
        ("250 kept", True, "ended the connection", False),
    ],
)
def test_a_failure_has_a_reason(server: MailServer, answer: str, *, drop: bool, reason: str, permanent: bool) -> None:
    server.answer, server.drop = answer, drop
    with pytest.raises(DeliveryError, match=reason) as failure:
        channels(address(server.port))[0].send(MESSAGE)
    assert failure.value.permanent is permanent


def test_a_server_that_is_away() -> None:
    with pytest.raises(DeliveryError, match="refuses connections"):
        channels(address(free_port()))[0].send(MESSAGE)


def test_a_server_that_says_nothing() -> None:
    with SilentServer() as silent, pytest.raises(DeliveryError, match="does not answer"):
        channels(address(silent.port), 200)[0].send(MESSAGE)


def test_a_server_that_only_ever_trickles_is_cut_off(server: MailServer) -> None:
    going = threading.Event()

    def trickle() -> None:
        while not going.wait(0.05):
            server.say("250-still busy\r\n")

    server.at_data = lambda: threading.Thread(target=trickle).start()
    server.hold = going
    try:
        with pytest.raises(DeliveryError, match="ended the connection"):
            channels(address(server.port), 200)[0].send(MESSAGE)
    finally:
        going.set()


@pytest.mark.parametrize(("password", "arrives"), [(PASSWORD, True), ("wr0ng-word", False)])
def test_a_login(tmp_path: Path, password: str, *, arrives: bool) -> None:
    url_login = f"{quote(USER, safe='')}:{password}@"
    with MailServer(tls=tmp_path, login=True) as server:
        channel = channels(address(server.port, "mode=starttls&verify=no", login=url_login))[0]
        if arrives:
            channel.send(MESSAGE)
        else:
            with pytest.raises(DeliveryError, match=r"refuses the user or password \(535\)") as failure:
                channel.send(MESSAGE)
            assert not failure.value.permanent
            assert password not in str(failure.value)
    assert len(server.mails) == arrives


@pytest.mark.parametrize(
    ("more", "reason"),
    [("mode=starttls&verify=no", ""), ("mode=starttls", "TLS is not trusted"), ("mode=insecure", "refuses|TLS|530")],
    ids=["encrypted", "encrypted, by a stranger", "plain, where the server wants TLS"],
)
def test_starttls(tmp_path: Path, more: str, reason: str) -> None:
    with MailServer(tls=tmp_path) as server:
        channel = channels(address(server.port, more))[0]
        if not reason:
            channel.send(MESSAGE)
        else:
            with pytest.raises(DeliveryError, match=reason):
                channel.send(MESSAGE)
    assert len(server.mails) == (not reason)


def test_never_a_downgrade(server: MailServer) -> None:
    with pytest.raises(DeliveryError, match="does not offer"):
        channels(address(server.port, "mode=starttls"))[0].send(MESSAGE)
    assert server.mails == []
