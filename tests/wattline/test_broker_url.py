"""A broker's URL: what it may say, and that a wrong one is not repeated."""

import pytest

from wattline.broker_url import BrokerUrl, parse_broker_url
from wattline.errors import ConfigError


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://broker", BrokerUrl("broker", 1883, tls=False)),
        ("mqtts://broker", BrokerUrl("broker", 8883, tls=True)),
        ("mqtt://127.0.0.1:2883", BrokerUrl("127.0.0.1", 2883, tls=False)),
        ("mqtts://[::1]:99/", BrokerUrl("::1", 99, tls=True)),
    ],
)
def test_an_url_without_a_port_has_the_one_of_its_scheme(url: str, expected: BrokerUrl) -> None:
    assert parse_broker_url(url) == expected


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "expected mqtt:// or mqtts://, got ''"),
        ("broker", "expected mqtt:// or mqtts://, got ''"),
        ("http://broker", "expected mqtt:// or mqtts://, got 'http'"),
        ("mqtt://", "expected mqtt://host:port"),
        ("mqtt://broker:0", "expected mqtt://host:port"),
        ("mqtt://broker:1#2", "expected mqtt://host:port"),
        ("mqtt://broker/secret", "expected mqtt://host:port"),
        ("mqtt://broker?secret", "expected mqtt://host:port"),
        ("mqtt://broker:99999", "has a bad host or port"),
        ("mqtt://broker:port", "has a bad host or port"),
        ("mqtt://[::1", "has a bad host or port"),
        ("mqtt://user@broker", "must hold no user name or password: use username and password_file"),
        ("mqtt://user:secret@broker", "must hold no user name or password"),
        ("mqtt://:secret@broker", "must hold no user name or password"),
        ("mqtt://user:secret/1@broker", "has a bad host or port"),
        ("mqtt://user:secret#1@broker", "has a bad host or port"),
        ("mqtt://user:1/secret@broker", "expected mqtt://host:port"),
        ("mqtt://user:[secret@broker", "has a bad host or port"),
        ("mqtt://user:secret\N{ACCOUNT OF}@broker", "has a bad host or port"),
    ],
)
def test_what_is_wrong_is_named_and_no_password_repeated(url: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_broker_url(url, "here")
    assert caught.value.where == "here"
    assert problem in caught.value.problem
    assert "secret" not in str(caught.value)


def test_a_user_may_be_named_where_that_is_said_but_no_password() -> None:
    named = parse_broker_url("mqtt://me@broker", may_name_user=True)
    assert named == BrokerUrl("broker", 1883, tls=False, username="me")
    with pytest.raises(ConfigError, match="no password: use --password-file"):
        parse_broker_url("mqtt://me:secret@broker", may_name_user=True)
