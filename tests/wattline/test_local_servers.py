"""Servers on this machine start, die, come back with their data, and fail readably."""

import socket
from pathlib import Path

import pytest

from wattline.local_servers import (
    LOOPBACK,
    InfluxServer,
    LocalServer,
    LocalServerError,
    MosquittoServer,
    ProgramMissingError,
    find_program,
    free_port,
)


def _listens(port: int) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1.0):
            return True
    except OSError:
        return False


def test_a_free_port_can_be_listened_on() -> None:
    port = free_port()
    with socket.socket() as listener:
        listener.bind((LOOPBACK, port))
        listener.listen()
        assert _listens(port)


def test_a_missing_program_names_its_package() -> None:
    with pytest.raises(ProgramMissingError, match=r"no-such-server is not installed .*: some-package"):
        find_program("no-such-server", "some-package")


def test_a_server_listens_until_it_is_stopped(mosquitto: MosquittoServer) -> None:
    assert _listens(mosquitto.port)
    mosquitto.stop()
    assert not _listens(mosquitto.port)
    mosquitto.stop()


def test_a_running_server_is_not_started_again(mosquitto: MosquittoServer) -> None:
    with pytest.raises(LocalServerError, match="running already"):
        mosquitto.start()


def test_a_server_comes_back_on_its_port(mosquitto: MosquittoServer) -> None:
    first_pid = mosquitto.pid
    mosquitto.kill()
    assert not _listens(mosquitto.port)
    with pytest.raises(LocalServerError, match="not running"):
        _ = mosquitto.pid
    mosquitto.restart()
    assert _listens(mosquitto.port)
    assert mosquitto.pid != first_pid


def test_a_refused_configuration_is_quoted(tmp_path: Path, mosquitto: MosquittoServer) -> None:
    wrong = MosquittoServer(tmp_path / "wrong", extra_lines=["no_such_option 1"])
    with pytest.raises(LocalServerError, match="no_such_option"):
        wrong.start()
    assert _listens(mosquitto.port)


def test_with_stops_the_server(tmp_path: Path, mosquitto: MosquittoServer) -> None:
    assert mosquitto.pid
    with MosquittoServer(tmp_path / "second") as server:
        assert _listens(server.port)
    assert not _listens(server.port)


def test_influxd_keeps_its_databases_when_killed(influxd: InfluxServer) -> None:
    influxd.create_database("wattline")
    influxd.post("/write", b"usage energy_kwh=1.5 1700000000000000000", {"db": "wattline"})
    influxd.kill()
    influxd.start()
    assert "1.5" in influxd.query("SELECT energy_kwh FROM usage", "wattline")


@pytest.mark.parametrize("statement", ["bogus", "SELECT x FROM y"])
def test_influxd_refusals_are_errors(influxd: InfluxServer, statement: str) -> None:
    with pytest.raises(LocalServerError, match=r"influxd (answered 400|refuses)"):
        influxd.query(statement)


def test_a_server_that_is_away_is_an_error(influxd: InfluxServer) -> None:
    influxd.kill()
    with pytest.raises(LocalServerError, match="does not answer"):
        influxd.get("/ping")


def test_a_server_keeps_its_folder_to_itself(tmp_path: Path, influxd: InfluxServer) -> None:
    influxd.create_database("wattline")
    assert [entry.name for entry in tmp_path.iterdir()] == [influxd.directory.name]
    assert isinstance(influxd, LocalServer)
