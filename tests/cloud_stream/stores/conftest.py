"""Real databases for the tests of the stores, one server for all tests of a module."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud_stream.stores import ReadableStore
from cloud_stream.stores.influx import InfluxStore
from cloud_stream.stores.influx_v1 import InfluxV1
from cloud_stream.stores.sqlite import SqliteStore
from wattline.local_servers import InfluxServer, ProgramMissingError

RETENTION_MS = 400 * 86_400_000


@pytest.fixture(scope="module")
def influx_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxServer]:
    server = InfluxServer(tmp_path_factory.mktemp("influxd"))
    try:
        server.start()
    except ProgramMissingError as error:
        pytest.skip(str(error))
    yield server
    server.stop()


@pytest.fixture
def database() -> str:
    """A name that no other test uses."""
    return f"db {uuid.uuid4().hex}"


@pytest.fixture(params=["sqlite", "influx_v1"])
def store(request: pytest.FixtureRequest, tmp_path: Path, database: str) -> Iterator[ReadableStore]:
    """A prepared, empty store of each kind."""
    made: ReadableStore
    if request.param == "sqlite":
        made = SqliteStore(tmp_path / "wattline.db", RETENTION_MS)
    else:
        server: InfluxServer = request.getfixturevalue("influx_server")
        made = InfluxStore(InfluxV1(server.url, database, RETENTION_MS), RETENTION_MS)
    made.prepare()
    yield made
    made.close()
