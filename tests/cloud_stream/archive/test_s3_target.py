"""Buckets that refuse, servers that are away, and secrets that stay secret."""

import logging
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cloud_stream.archive import s3_target
from cloud_stream.archive.errors import ArchiveError
from cloud_stream.archive.process import Archive, open_target
from cloud_stream.archive.s3_target import open_bucket
from cloud_stream.config_sections import ArchiveConfig
from tests.cloud_stream.archive.conftest import KEYS
from tests.cloud_stream.archive.samples import MIDNIGHT_MS, power
from tests.cloud_stream.archive.test_process import FAR_MS, SPOOL_BYTES, deliver, waiting
from wattline.errors import ConfigError

FORBIDDEN = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


class _Forbids(BaseHTTPRequestHandler):
    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.send_response(403)
        self.send_header("Content-Length", str(len(FORBIDDEN)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(FORBIDDEN)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _answer  # noqa: N815 (the server's names)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def forbidding() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Forbids)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def away() -> str:
    """An address where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server that takes connections and never answers."""
    monkeypatch.setattr(s3_target, "TIMEOUT", "200ms")
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def config(endpoint: str, credentials: Path, folder: Path, url: str = "s3://no-such-bucket/raw") -> ArchiveConfig:
    return ArchiveConfig(url=url, endpoint=endpoint, credentials_file=credentials, spool_dir=folder / "spool")


@pytest.mark.parametrize(
    ("server", "words"),
    [
        ("forbidding", "403 AccessDenied: Access Denied"),
        ("away", ": Connection refused'"),
        ("silent", ": Timeout'"),
        ("s3_endpoint", "404 NoSuchBucket: The specified bucket does not exist"),
    ],
)
def test_a_bucket_that_refuses_is_one_readable_line_without_secrets_and_loses_nothing(
    server: str,
    words: str,
    request: pytest.FixtureRequest,
    credentials: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    target = open_bucket(config(request.getfixturevalue(server), credentials, tmp_path))
    archive = Archive(target, tmp_path / "spool", SPOOL_BYTES, 0)
    deliver(tmp_path, [power(MIDNIGHT_MS)])
    for attempt in range(2):
        archive.flush(FAR_MS + attempt * 1_000_000)
    (said,) = [record.getMessage() for record in caplog.records if record.name.startswith("cloud_stream")]
    assert said.startswith("archive_waits where=s3://no-such-bucket/raw problem=")
    assert words in said
    assert len(said) < 400
    assert "\n" not in said
    assert not [key for key in KEYS if key in caplog.text]
    assert archive.failures == 2
    assert waiting(tmp_path) == 1
    assert list((tmp_path / "spool" / "work").glob("*")) == []


def test_a_bucket_that_is_made_later_gets_what_waited(
    bucket_config: ArchiveConfig, credentials: Path, s3_endpoint: str, tmp_path: Path
) -> None:
    deliver(tmp_path, [power(MIDNIGHT_MS)])
    missing = open_bucket(config(s3_endpoint, credentials, tmp_path))
    Archive(missing, tmp_path / "spool", SPOOL_BYTES, 0).flush(FAR_MS)
    assert waiting(tmp_path) == 1
    target = open_target(bucket_config)
    Archive(target, tmp_path / "spool", SPOOL_BYTES, 0).flush(FAR_MS)
    assert waiting(tmp_path) == 0
    assert target.names("2026-11-02") == {"day.parquet"}


def test_what_a_killed_process_has_left_is_removed(bucket_config: ArchiveConfig) -> None:
    work = bucket_config.spool_dir / "work"
    work.mkdir(parents=True)
    (work / "s3-abc.part").write_bytes(b"half")
    open_target(bucket_config).put("2026-11-02", "a", lambda path: path.write_bytes(b"x"))
    assert list(work.iterdir()) == []


def test_an_error_of_a_server_is_an_error_of_the_archive(forbidding: str, credentials: Path, tmp_path: Path) -> None:
    target = open_bucket(config(forbidding, credentials, tmp_path))
    with pytest.raises(ArchiveError):
        target.days()
    with pytest.raises(ArchiveError):
        target.move("2026-11-02", "a", "b")
    with pytest.raises(ArchiveError):
        target.remove("2026-11-02", ["a"])
    with pytest.raises(ArchiveError), target.reading("2026-11-02", "a"):
        pass


@pytest.mark.parametrize(
    ("url", "endpoint", "where"),
    [
        ("https://bucket/raw", "", "archive.url"),
        ("s3://", "", "archive.url"),
        ("s3://key:secret-word@bucket/raw", "", "archive.url"),
        ("s3://bucket/raw?secret-word", "", "archive.url"),
        ("s3://[secret-word", "", "archive.url"),
        ("s3://bucket", "minio:9000", "archive.endpoint"),
        ("s3://bucket", "http://user:secret-word@minio:9000", "archive.endpoint"),
        ("s3://bucket", "http://minio:99999999", "archive.endpoint"),
    ],
)
def test_an_address_that_cannot_be_is_refused_without_repeating_it(
    url: str, endpoint: str, where: str, credentials: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        open_target(config(endpoint, credentials, tmp_path, url))
    assert caught.value.where == where
    assert "secret-word" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "No such file"),
        (b"only-one-line\n", "expected two lines"),
        (b"\xff\xfe\n\xff", "is not UTF-8"),
        (b"a\nb\nc\nsecret-word\n", "expected two lines"),
    ],
)
def test_credentials_that_cannot_be_used(content: bytes | None, problem: str, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=problem) as caught:
        open_target(config("", file, tmp_path))
    assert caught.value.where == "archive.credentials_file"
    assert "secret-word" not in str(caught.value)


def test_credentials_of_the_environment(
    bucket_config: ArchiveConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = ArchiveConfig(url=bucket_config.url, endpoint=bucket_config.endpoint, spool_dir=tmp_path)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="AWS_ACCESS_KEY_ID"):
        open_target(plain)
    for name, value in zip(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), KEYS, strict=True):
        monkeypatch.setenv(name, value)
    target = open_target(plain)
    target.put("2026-11-02", "a", lambda path: path.write_bytes(b"x"))
    assert target.names("2026-11-02") == {"a"}
