"""Which store a configuration names."""

from pathlib import Path

import msgspec
import pytest

from cloud_stream.config import StoreConfig
from cloud_stream.errors import StoreRejectedError
from cloud_stream.stores import open_store
from cloud_stream.stores.influx import InfluxStore
from cloud_stream.stores.influx_v1 import InfluxV1
from cloud_stream.stores.influx_v2 import InfluxV2
from cloud_stream.stores.sqlite import SqliteStore


def config(**settings: str | Path) -> StoreConfig:
    return msgspec.structs.replace(StoreConfig(), **settings)


def test_a_file(tmp_path: Path) -> None:
    store = open_store(config(kind="sqlite", path=tmp_path / "folder" / "wattline.db"))
    assert isinstance(store, SqliteStore)
    store.prepare()
    store.close()
    assert (tmp_path / "folder" / "wattline.db").is_file()


@pytest.mark.parametrize(("api", "backend"), [("v1", InfluxV1), ("v2", InfluxV2)])
def test_a_server_with_its_secrets(tmp_path: Path, api: str, backend: type[InfluxV1 | InfluxV2]) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2\n")
    store = open_store(config(kind="influxdb", api=api, username="gw", password_file=secret))
    assert isinstance(store, InfluxStore)
    assert isinstance(store._backend, backend)
    expected = {"v1": "Basic Z3c6aHVudGVyMg==", "v2": "Token gw:hunter2"}[api]
    assert store._backend._http._headers == {"Authorization": expected}
    store.close()


def test_a_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc==\n")
    store = open_store(config(kind="influxdb", api="v2", token_file=tmp_path / "token"))
    assert isinstance(store, InfluxStore)
    assert isinstance(store._backend, InfluxV2)
    assert store._backend._http._headers == {"Authorization": "Token abc=="}
    store.close()


@pytest.mark.parametrize("content", [None, b"\xff\xfe"], ids=["missing", "not text"])
def test_a_secret_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    with pytest.raises(StoreRejectedError, match="cannot be read"):
        open_store(config(kind="influxdb", api="v1", password_file=tmp_path / "secret"))
