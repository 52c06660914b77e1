"""What the InfluxDB stores do when the server refuses, suffers or is away."""

from collections.abc import Callable, Iterator

import pytest

from cloud_stream.errors import StoreRejectedError, StoreUnavailableError
from cloud_stream.records import Point
from cloud_stream.stores.influx import Backend, InfluxStore, understand
from cloud_stream.stores.influx_v1 import InfluxV1, shard_duration_h
from cloud_stream.stores.influx_v2 import InfluxV2
from tests.cloud_stream.stores.columns import NOW_MS, readings
from tests.cloud_stream.stores.conftest import RETENTION_MS
from tests.cloud_stream.stores.scripted_server import ScriptedServer, scripted_server
from wattline.local_servers import InfluxServer, free_port

DAY_MS = 86_400_000
SECRET = "hunter2"


def opened(server: InfluxServer, database: str, **credentials: str) -> InfluxStore:
    return InfluxStore(InfluxV1(server.url, database, RETENTION_MS, **credentials), RETENTION_MS)


def usage(offset_ms: int, value: float | str) -> Point:
    return Point("usage", {"level": "fleet"}, NOW_MS + offset_ms, {"energy_kwh": value})


@pytest.mark.parametrize(
    "bad", [[3], [0, 1, 2], [0, 7, 19], list(range(20)), list(range(0, 20, 2))], ids=lambda bad: f"{len(bad)} of 20"
)
def test_of_a_refused_body_only_the_refused_rows_come_back(
    influx_server: InfluxServer, database: str, bad: list[int]
) -> None:
    store = opened(influx_server, database)
    store.prepare()
    store.write([], [usage(-1, 0.5)])
    points = [usage(i, "text\nwhere a number was" if i in bad else float(i)) for i in range(20)]
    rejected = store.write([], points)
    assert [found.reason for found in rejected] == ["type_conflict"] * len(bad)
    assert [int(found.row.rsplit(b" ", 1)[1]) - NOW_MS for found in rejected] == bad
    stored = store.points("usage", {}, NOW_MS, NOW_MS + 20)
    assert [point.t_ms - NOW_MS for point in stored] == [i for i in range(20) if i not in bad]
    store.close()


def test_what_the_server_finds_too_old_comes_back(influx_server: InfluxServer, database: str) -> None:
    influx_server.query(f'CREATE DATABASE "{database}" WITH DURATION 30d REPLICATION 1 NAME "autogen"')
    store = opened(influx_server, database)
    store.prepare()
    old_ms = NOW_MS - 60 * DAY_MS
    rejected = store.write([readings({"power_w": [1.0, 2.0, 3.0]}, [NOW_MS, old_ms, NOW_MS + 1])], [])
    assert [(found.reason, found.row.endswith(str(old_ms).encode())) for found in rejected] == [
        ("outside_retention", True)
    ]
    assert len(store.readings("house-1", "m1", NOW_MS, NOW_MS + 9)["power_w"].t_ms) == 2
    store.close()


def test_a_database_that_was_there_keeps_its_retention(influx_server: InfluxServer, database: str) -> None:
    influx_server.create_database(database)
    store = opened(influx_server, database)
    store.prepare()
    store.close()
    assert '["autogen","0s","168h0m0s",1,true]' in influx_server.query(f'SHOW RETENTION POLICIES ON "{database}"')


def test_a_new_database_gets_the_retention(influx_server: InfluxServer, database: str) -> None:
    store = opened(influx_server, database)
    store.prepare()
    store.close()
    policies = influx_server.query(f'SHOW RETENTION POLICIES ON "{database}"')
    assert '["autogen","9600h0m0s","168h0m0s",1,true]' in policies


@pytest.mark.parametrize(("days", "hours"), [(1, 1), (30, 24), (400, 168)])
def test_how_much_time_a_file_covers(days: int, hours: int) -> None:
    assert shard_duration_h(days * DAY_MS) == hours


def test_a_database_that_vanished_is_made_again(influx_server: InfluxServer, database: str) -> None:
    store = opened(influx_server, database)
    store.prepare()
    influx_server.query(f'DROP DATABASE "{database}"')
    assert store.write([], [usage(0, 1.0)]) == []
    assert list(store.points("usage", {"level": "fleet"}, NOW_MS, NOW_MS + 1)) != []
    store.close()


def test_the_connection_outlives_a_restart_of_the_server(influxd: InfluxServer) -> None:
    store = opened(influxd, "wattline")
    store.prepare()
    store.write([], [usage(0, 1.0)])
    influxd.kill()
    with pytest.raises(StoreUnavailableError):
        store.write([], [usage(1, 2.0)])
    influxd.start()
    assert store.write([], [usage(1, 2.0)]) == []
    assert len(store.points("usage", {}, NOW_MS, NOW_MS + 9)) == 2
    store.close()


@pytest.fixture
def closed_server(tmp_path_factory: pytest.TempPathFactory, influxd: InfluxServer) -> Iterator[InfluxServer]:
    """A server that asks for a password; the fixture `influxd` is here for its skip where none is installed."""
    influxd.stop()
    with InfluxServer(tmp_path_factory.mktemp("closed"), auth=True) as server:
        server.query("CREATE USER \"admin\" WITH PASSWORD 'root' WITH ALL PRIVILEGES")
        yield server


def test_a_user_who_may_only_write_and_read_is_enough(closed_server: InfluxServer) -> None:
    admin = InfluxV1(closed_server.url, "wattline", RETENTION_MS, "admin", "root")
    admin.prepare()
    for statement in (f"CREATE USER \"gw\" WITH PASSWORD '{SECRET}'", 'GRANT ALL ON "wattline" TO "gw"'):
        list(admin.query(statement))
    store = opened(closed_server, "wattline", username="gw", password=SECRET)
    store.prepare()
    assert store.write([], [usage(0, 1.0)]) == []
    assert len(store.points("usage", {}, NOW_MS, NOW_MS + 1)) == 1
    store.close()
    admin.close()


def test_wrong_credentials_stop_the_start_but_cost_no_data(closed_server: InfluxServer) -> None:
    store = opened(closed_server, "wattline", username="admin", password=SECRET)
    with pytest.raises(StoreRejectedError) as at_start:
        store.prepare()
    with pytest.raises(StoreUnavailableError) as at_write:
        store.write([], [usage(0, 1.0)])
    assert SECRET not in f"{at_start.value} {at_write.value}"
    store.close()


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as made:
        yield made


@pytest.fixture(params=["v1", "v2"])
def backend(request: pytest.FixtureRequest) -> Callable[[str], Backend]:
    """How to make a backend for a URL."""
    if request.param == "v1":
        return lambda url: InfluxV1(url, "wattline", RETENTION_MS, "gw", SECRET)
    return lambda url: InfluxV2(url, "wattline", "wattline", SECRET, RETENTION_MS)


@pytest.mark.parametrize(
    ("status", "headers", "body", "wait_s"),
    [
        (429, {"Retry-After": "7"}, b'{"error":"slow down"}', 7.0),
        (503, {"Retry-After": "later"}, b"overloaded", 0.0),
        (500, {}, b'{"error":"engine: cache-max-memory-size exceeded"}', 0.0),
        (401, {}, b'{"error":"authorization failed"}', 0.0),
        (403, {}, b'{"code":"forbidden","message":"insufficient permissions"}', 0.0),
        (502, {}, b"<html>bad gateway</html>", 0.0),
    ],
)
def test_a_suffering_server_means_later(
    server: ScriptedServer,
    backend: Callable[[str], Backend],
    status: int,
    headers: dict[str, str],
    body: bytes,
    wait_s: float,
) -> None:
    server.status, server.headers, server.body = status, headers, body
    store = InfluxStore(backend(server.url), RETENTION_MS)
    with pytest.raises(StoreUnavailableError, match=str(status)) as caught:
        store.write([], [usage(0, 1.0)])
    assert caught.value.retry_after_s == wait_s
    assert SECRET not in str(caught.value)
    assert len(server.seen) == 1
    store.close()


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (413, b"Request Entity Too Large", "too_large"),
        (
            422,
            b'{"code":"unprocessable entity","message":"partial write: points beyond retention policy"}',
            "outside_retention",
        ),
    ],
)
def test_what_is_refused_line_by_line_comes_back(
    server: ScriptedServer, backend: Callable[[str], Backend], status: int, body: bytes, reason: str
) -> None:
    server.status, server.body = status, body
    store = InfluxStore(backend(server.url), RETENTION_MS)
    rejected = store.write([], [usage(i, float(i)) for i in range(3)])
    assert [found.reason for found in rejected] == [reason] * 3
    assert [found.row.rsplit(b" ", 1)[1] for found in rejected] == [str(NOW_MS + i).encode() for i in range(3)]
    store.close()


def test_credentials_go_into_a_header_and_nowhere_else(
    server: ScriptedServer, backend: Callable[[str], Backend]
) -> None:
    store = InfluxStore(backend(server.url), RETENTION_MS)
    store.write([], [usage(0, 1.0)])
    path, scheme, credentials = server.seen[0].split(" ")
    assert (SECRET in path, scheme, credentials) in [(False, "Basic", "Z3c6aHVudGVyMg=="), (False, "Token", SECRET)]
    store.close()


def test_a_database_that_cannot_be_made_means_later_or_never(
    server: ScriptedServer, backend: Callable[[str], Backend]
) -> None:
    server.status, server.body = 404, b'{"error":"database not found: \\"wattline\\""}'
    store = InfluxStore(backend(server.url), RETENTION_MS)
    with pytest.raises(StoreUnavailableError):
        store.write([], [usage(0, 1.0)])
    assert len(server.seen) > 1
    store.close()


def test_nobody_listens(backend: Callable[[str], Backend]) -> None:
    store = InfluxStore(backend(f"http://127.0.0.1:{free_port()}"), RETENTION_MS)
    for call in (
        store.prepare,
        lambda: store.write([], [usage(0, 1.0)]),
        lambda: store.mark("shard-01"),
        lambda: store.readings("s", "m", 0, 1),
        lambda: store.points("usage", {}, 0, 1),
    ):
        with pytest.raises(StoreUnavailableError) as caught:
            call()
        assert SECRET not in str(caught.value)
    store.close()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"not json"),
        (200, b'{"results":[{"error":"timeout"}]}'),
        (200, b'{"error":"shutting down"}'),
        (200, b'{"results":[{"ser'),
        (503, b""),
        (503, b"busy"),
        (400, b'{"error":"error parsing query"}'),
        (401, b'{"error":"unable to parse authentication credentials"}'),
    ],
)
def test_answers_to_questions_that_are_none(
    server: ScriptedServer, backend: Callable[[str], Backend], status: int, body: bytes
) -> None:
    server.status, server.body = status, body
    store = InfluxStore(backend(server.url), RETENTION_MS)
    with pytest.raises(StoreUnavailableError):
        store.mark("shard-01")
    store.close()


@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "whole"])
def test_an_answer_that_breaks_off_is_none(
    server: ScriptedServer,
    backend: Callable[[str], Backend],
    chunked: bool,  # noqa: FBT001 - a parameter of the table
) -> None:
    server.status, server.chunked = 200, chunked
    server.body = b'{"results":[{"statement_id":0,"series":[]}]}\n'
    store = InfluxStore(backend(server.url), RETENTION_MS)
    assert store.mark("shard-01") == ("", 0)
    server.breaks_off = True
    with pytest.raises(StoreUnavailableError):
        store.mark("shard-01")
    store.close()


@pytest.mark.parametrize(
    ("problem", "reason", "dropped"),
    [
        ("partial write: points beyond retention policy dropped=3", "outside_retention", 3),
        ('partial write: field type conflict: input field "x" on m is type float dropped=1', "type_conflict", 1),
        ("partial write: max-values-per-tag limit exceeded (100000/100000) dropped=2", "tag_limit", 2),
        ("unable to parse 'x': missing fields", "unparsable", 0),
        ("Request Entity Too Large", "too_large", 0),
        ("something new", "refused", 0),
        ("", "refused", 0),
    ],
)
def test_why_lines_were_refused(problem: str, reason: str, dropped: int) -> None:
    assert understand(problem) == (reason, dropped)
