"""Which broker the demo runs."""

from pathlib import Path

import pytest

from wattline import local_servers
from wattline.demo import broker
from wattline.demo.broker import AmqttServer, BrokerChoice, choose_broker
from wattline.errors import MissingExtraError
from wattline.local_servers import LocalServer, MosquittoServer, ProgramMissingError


@pytest.fixture
def no_mosquitto(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(local_servers, "_DAEMON_FOLDERS", ())


@pytest.mark.usefixtures("mosquitto")
@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (BrokerChoice.AUTO, MosquittoServer),
        (BrokerChoice.MOSQUITTO, MosquittoServer),
        (BrokerChoice.AMQTT, AmqttServer),
    ],
)
def test_mosquitto_is_preferred(tmp_path: Path, choice: BrokerChoice, expected: type[LocalServer]) -> None:
    assert type(choose_broker(tmp_path, choice)) is expected


@pytest.mark.usefixtures("no_mosquitto")
def test_without_mosquitto_it_is_amqtt(tmp_path: Path) -> None:
    assert isinstance(choose_broker(tmp_path), AmqttServer)


@pytest.mark.usefixtures("no_mosquitto")
def test_mosquitto_that_was_asked_for_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(ProgramMissingError, match="Debian package: mosquitto"):
        choose_broker(tmp_path, BrokerChoice.MOSQUITTO)


@pytest.mark.usefixtures("no_mosquitto")
def test_without_any_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"wattline\[demo\]"):
        choose_broker(tmp_path)


def test_amqtt_comes_back_on_its_port(tmp_path: Path) -> None:
    with AmqttServer(tmp_path) as server:
        port = server.port
        server.restart()
        assert server.port == port
        assert server.url == f"mqtt://127.0.0.1:{port}"
