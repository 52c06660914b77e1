"""Addresses become channels; nothing of an address is ever shown."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud_stream.config_sections import NotifyConfig
from cloud_stream.notify.channels import MOST_CHANNELS, open_channels
from cloud_stream.notify.delivery import DeliveryError
from cloud_stream.notify.ledger_rows import WAITING, Letter, Message
from cloud_stream.notify.mail import MailChannel
from tests.cloud_stream.notify.mail_server import SilentServer
from tests.cloud_stream.notify.notices import NOW_MS
from tests.cloud_stream.notify.web_server import WebServer
from wattline.config import DurationMs
from wattline.errors import ConfigError
from wattline.local_servers import free_port

SECRET = "tok3n-nobody-sees"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
LETTER = Letter(
    subject="[warning] house-1: hot & <cold>", text="line 1\nline 2 <b>\n", html="", severity="warning", chart=PNG
)
MESSAGE = Message("wattline-0123", "json:1", NOW_MS, WAITING, 1, "", 1, LETTER)


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer() as running:
        yield running


def test_a_webhook_gets_the_message_and_the_chart(web: WebServer) -> None:
    channel = open_channels(NotifyConfig(urls=[f"json://127.0.0.1:{web.port}/{SECRET}"]))[0]
    channel.send(MESSAGE)
    post = web.posts[0]
    assert (channel.name, channel.takes_charts) == ("json:1", True)
    assert (post["title"], post["message"].strip(), post["type"]) == (LETTER.subject, LETTER.text.strip(), "warning")
    assert [found["filename"] for found in post["attachments"]] == ["last-24-hours.png"]


@pytest.mark.parametrize(
    ("status", "port", "reason"),
    [(404, 0, "the service answered 404"), (500, 0, "the service answered 500"), (0, 1, "could not be reached")],
)
def test_a_failure_has_a_reason_and_no_secret(
    web: WebServer, caplog: pytest.LogCaptureFixture, status: int, port: int, reason: str
) -> None:
    web.status = status or 200
    address = f"json://user:{SECRET}@127.0.0.1:{free_port() if port else web.port}/{SECRET}"
    caplog.set_level(logging.DEBUG)
    with pytest.raises(DeliveryError, match=reason) as failure:
        open_channels(NotifyConfig(urls=[address]))[0].send(MESSAGE)
    assert SECRET not in str(failure.value)
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        (f"nonsense://{SECRET}", "its scheme is wrong"),
        (f"{SECRET}", "its scheme is wrong"),
        (f"mailto://{SECRET}", "no complete address"),
        (f"tgram://{SECRET}", "no complete address"),
        (f"json://:{SECRET}@", "no complete address"),
        ("", "its scheme is wrong"),
    ],
)
def test_a_wrong_address_is_named_by_its_place(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, address: str, problem: str
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ConfigError, match=problem) as failure:
        open_channels(NotifyConfig(urls=["json://127.0.0.1", address]))
    assert failure.value.where == "notify.urls[1]"
    file = tmp_path / "urls"
    file.write_text(f"# mine\n\njson://127.0.0.1\n  {address}x://y\n")
    with pytest.raises(ConfigError, match="line 4") as in_file:
        open_channels(NotifyConfig(urls_file=file))
    assert SECRET not in f"{failure.value}{in_file.value}{caplog.text}"


def test_urls_and_file_are_numbered_together(tmp_path: Path) -> None:
    file = tmp_path / "urls"
    file.write_text("# comment\njsons://127.0.0.1\n\nmailtos://u:p@example.org\n")
    channels = open_channels(NotifyConfig(urls=["json://127.0.0.1"], urls_file=file))
    assert [channel.name for channel in channels] == ["json:1", "json:2", "mailto:3"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "No such file"), (b"\xff\xfe\x00", "not UTF-8"), (b"#" * (1 << 20) + b"\n#", "larger than 1 MiB")],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, content: bytes | None, problem: str) -> None:
    file = tmp_path / "urls"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=problem) as failure:
        open_channels(NotifyConfig(urls_file=file))
    assert failure.value.where == "notify.urls_file"


def test_there_is_a_bound(tmp_path: Path) -> None:
    file = tmp_path / "urls"
    file.write_text("json://127.0.0.1\n" * (MOST_CHANNELS + 1))
    with pytest.raises(ConfigError, match="more than 64"):
        open_channels(NotifyConfig(urls_file=file))


def test_nobody_may_be_told() -> None:
    assert open_channels(NotifyConfig()) == []


def test_mail_to_be_encrypted_is_left_to_apprise() -> None:
    plain, sealed = open_channels(
        NotifyConfig(urls=["mailto://u:p@example.org", "mailto://u:p@example.org?pgp=encrypt"])
    )
    assert isinstance(plain, MailChannel)
    assert not isinstance(sealed, MailChannel)


def test_a_service_that_hangs_is_given_its_time() -> None:
    with SilentServer() as silent:
        address = f"json://127.0.0.1:{silent.port}"
        with pytest.raises(DeliveryError, match="could not be reached"):
            open_channels(NotifyConfig(urls=[address], timeout=DurationMs(200)))[0].send(MESSAGE)
