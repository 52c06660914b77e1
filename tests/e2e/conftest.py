"""Servers that live as long as a module's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from wattline.local_servers import MosquittoServer, ProgramMissingError


@pytest.fixture(scope="module")
def shared_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MosquittoServer]:
    """One broker, open to everybody, for all tests of a module."""
    server = MosquittoServer(tmp_path_factory.mktemp("broker"))
    try:
        server.start()
    except ProgramMissingError as error:
        pytest.skip(str(error))
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for all tests of a module."""
    return tmp_path_factory.mktemp("e2e")
