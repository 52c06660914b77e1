"""Real places for the archive: a folder, and a bucket of a server that speaks S3."""

import logging
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from cloud_stream.archive.local_target import LocalTarget
from cloud_stream.archive.s3_target import open_bucket
from cloud_stream.archive.target import ArchiveTarget
from cloud_stream.config_sections import ArchiveConfig

KEYS = ("key-of-the-tests", "secret-of-the-tests")


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    file = tmp_path / "credentials"
    file.write_text("\n".join(KEYS) + "\n")
    return file


@pytest.fixture
def bucket_config(s3_endpoint: str, credentials: Path, tmp_path: Path) -> ArchiveConfig:
    """An archive in an empty bucket that no other test uses."""
    name = f"b-{uuid.uuid4().hex}"
    request = urllib.request.Request(f"{s3_endpoint}/{name}", method="PUT")  # noqa: S310 (the tests' own server)
    urllib.request.urlopen(request, timeout=10).close()  # noqa: S310 (as above)
    return ArchiveConfig(
        url=f"s3://{name}/meters/raw",
        endpoint=s3_endpoint,
        credentials_file=credentials,
        spool_dir=tmp_path / "spool",
    )


@pytest.fixture(params=["folder", "bucket"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> ArchiveTarget:
    """An empty archive of each kind."""
    if request.param == "folder":
        return LocalTarget(tmp_path / "archive")
    config: ArchiveConfig = request.getfixturevalue("bucket_config")
    return open_bucket(config)
