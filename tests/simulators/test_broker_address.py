"""Where the broker is, without a secret on the command line."""

from pathlib import Path

import pytest

from simulators.broker_address import BrokerAddress, parse_broker
from wattline.errors import ConfigError


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://broker", BrokerAddress(host="broker", port=1883)),
        ("mqtt://127.0.0.1:2883", BrokerAddress(host="127.0.0.1", port=2883)),
        ("mqtts://broker.example", BrokerAddress(host="broker.example", port=8883, tls=True)),
        ("mqtt://[::1]:1", BrokerAddress(host="::1", port=1)),
        ("mqtt://me@broker", BrokerAddress(host="broker", port=1883, username="me")),
    ],
)
def test_urls(url: str, expected: BrokerAddress) -> None:
    assert parse_broker(url) == expected


@pytest.mark.parametrize(
    "url", ["", "broker", "http://broker", "mqtt://", "mqtt://b:99999", "mqtt://b:x", "mqtt://b/x"]
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="--broker"):
        parse_broker(url)


def test_a_password_comes_from_a_file_and_is_shown_nowhere(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("hunter2\nsecond line\n")
    address = parse_broker("mqtt://broker", password_file=file)
    assert (address.username, address.password) == ("{gateway}", "hunter2")
    assert "hunter2" not in repr(address) + str(address)


@pytest.mark.parametrize("url", ["mqtt://me:hunter2@broker", "mqtt://:hunter2@broker", "mqtt://me:hunter2/1@broker"])
def test_a_password_in_the_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigError, match=r"--password-file|bad host or port") as caught:
        parse_broker(url)
    assert "hunter2" not in str(caught.value)


def test_a_missing_password_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        parse_broker("mqtt://broker", password_file=tmp_path / "nowhere")
