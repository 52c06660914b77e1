"""Where results live: one port, a few databases behind it."""

from pathlib import Path
from typing import Protocol

from cloud_stream.config import StoreConfig
from cloud_stream.errors import StoreRejectedError
from cloud_stream.ports import Store, Tables
from cloud_stream.stores.influx import Backend, InfluxStore
from wattline.errors import ConfigError
from wattline.secret_file import read_secret


class ReadableStore(Store, Tables, Protocol):
    """A store of which every measurement can be read as it is."""


def open_store(config: StoreConfig) -> ReadableStore:
    """Make the store that a configuration names; nothing is connected to yet.

    Raises:
        StoreRejectedError: A file with a secret cannot be read.
    """
    if config.kind == "sqlite":
        from cloud_stream.stores.sqlite import SqliteStore

        return SqliteStore(config.path, config.retention)
    return InfluxStore(_backend(config), config.retention)


def _backend(config: StoreConfig) -> Backend:
    if config.api == "v1":
        from cloud_stream.stores.influx_v1 import InfluxV1

        return InfluxV1(config.url, config.bucket, config.retention, config.username, _secret(config.password_file))
    # The client brings 0.3 s of imports, so only who uses it pays.
    from cloud_stream.stores.influx_v2 import InfluxV2

    token = _secret(config.token_file) or f"{config.username}:{_secret(config.password_file)}".strip(":")
    return InfluxV2(config.url, config.org, config.bucket, token, config.retention)


def _secret(file: Path | None) -> str:
    try:
        return "" if file is None else read_secret(file)
    except ConfigError as error:
        raise StoreRejectedError(error.problem) from None
