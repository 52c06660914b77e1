"""The archive in a bucket that speaks Amazon's S3: Amazon's own, MinIO, Garage, Ceph and others."""

import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import S3Store

from cloud_stream.archive.errors import ArchiveError
from cloud_stream.archive.layout import day_number
from cloud_stream.config_sections import ArchiveConfig
from wattline.errors import ConfigError

FOLDER: Final = "date="
CONNECT_TIMEOUT: Final = "10s"
TIMEOUT: Final = "60s"
RETRY_TIMEOUT: Final = timedelta(seconds=20)
MAX_RETRIES: Final = 2
"""The writer itself tries again, with longer waits."""
_LIST_CHUNK: Final = 1000
_MOST_WORDS: Final = 200
_IN_ANSWER: Final = (
    re.compile(r"<Code>([^<]*)"),
    re.compile(r"<Message>([^<]*)"),
    re.compile(r"status code: ([0-9]{3})"),
)
_ASKED: Final = re.compile(r"Error performing [A-Z]+ ([a-z]+://[^/?# ]+)")
_CAUSE: Final = re.compile(r'(?:message|error): "([^"]+)"')
_KIND: Final = re.compile(r"HttpError \{ kind: ([A-Za-z]+)")
_ENVIRONMENT: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


class S3Target:
    """The `ArchiveTarget` port over a bucket.

    Args:
        store: The bucket's client.
        where: `s3://bucket/prefix`, for messages.
        prefix: Of all keys; "" for none.
        work_dir: Files on their way are here.
    """

    def __init__(self, store: S3Store, where: str, prefix: str, work_dir: Path) -> None:
        self.where = where
        self._store = store
        self._prefix = f"{prefix}/" if prefix else ""
        self._work_dir = work_dir
        self._swept = False

    def days(self) -> list[str]:
        """See `ArchiveTarget.days`."""
        with self._translated():
            listed = obstore.list_with_delimiter(self._store, self._prefix or None)
            folders = [path.rstrip("/").rpartition("/")[2] for path in listed["common_prefixes"]]
        found = [folder.removeprefix(FOLDER) for folder in folders if folder.startswith(FOLDER)]
        return sorted(day for day in found if day_number(day) is not None)

    def names(self, day: str) -> frozenset[str]:
        """See `ArchiveTarget.names`."""
        with self._translated():
            listed = obstore.list_with_delimiter(self._store, self._key(day, ""))
            return frozenset(item["path"].rpartition("/")[2] for item in listed["objects"])

    @contextmanager
    def reading(self, day: str, name: str) -> Iterator[Path]:
        """See `ArchiveTarget.reading`."""
        with self._work_file() as path:
            with self._translated(), path.open("wb") as file:
                for piece in obstore.get(self._store, self._key(day, name)).stream():
                    file.write(piece)
            yield path

    def put(self, day: str, name: str, write: Callable[[Path], object]) -> None:
        """See `ArchiveTarget.put`; a bucket shows an object when all of it has come."""
        with self._work_file() as path:
            write(path)
            with self._translated():
                obstore.put(self._store, self._key(day, name), path)

    def move(self, day: str, name: str, to: str) -> None:
        """See `ArchiveTarget.move`."""
        with self._translated():
            try:
                obstore.copy(self._store, self._key(day, name), self._key(day, to))
            except (NotFoundError, FileNotFoundError):
                return
            obstore.delete(self._store, self._key(day, name))

    def remove(self, day: str, names: Iterable[str]) -> None:
        """See `ArchiveTarget.remove`."""
        keys = [self._key(day, name) for name in names]
        with self._translated():
            for first in range(0, len(keys), _LIST_CHUNK):
                obstore.delete(self._store, keys[first : first + _LIST_CHUNK])

    def _key(self, day: str, name: str) -> str:
        return f"{self._prefix}{FOLDER}{day}/{name}"

    @contextmanager
    def _work_file(self) -> Iterator[Path]:
        try:
            self._sweep()
            handle, name = tempfile.mkstemp(dir=self._work_dir, prefix="s3-", suffix=".part")
        except OSError as error:
            raise ArchiveError(f"{self._work_dir}: {error.strerror or error}") from error
        os.close(handle)
        path = Path(name)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Once, remove what a killed process has left."""
        self._work_dir.mkdir(parents=True, exist_ok=True)
        if not self._swept:
            for left in self._work_dir.glob("s3-*.part"):
                left.unlink(missing_ok=True)
            self._swept = True

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (BaseError, OSError) as error:
            raise ArchiveError(f"{self.where}: {_brief(error)}") from error


def open_bucket(config: ArchiveConfig) -> S3Target:
    """The bucket of a configuration; nothing is connected to yet.

    Raises:
        ConfigError: The url or the credentials cannot be used.
    """
    bucket, prefix = _address(config.url)
    settings = {"bucket": bucket, "region": config.region, **_credentials(config.credentials_file)}
    if config.endpoint:
        settings["endpoint"] = _endpoint(config.endpoint)
    plain = config.endpoint.startswith("http://")
    store = S3Store(
        config={**settings, "virtual_hosted_style_request": "false"} if config.endpoint else settings,  # type: ignore[arg-type]  # str to str
        client_options={"timeout": TIMEOUT, "connect_timeout": CONNECT_TIMEOUT, "allow_http": plain},
        retry_config={"max_retries": MAX_RETRIES, "retry_timeout": RETRY_TIMEOUT},
    )
    return S3Target(store, f"s3://{bucket}/{prefix}".rstrip("/"), prefix, config.spool_dir / "work")


def _address(url: str) -> tuple[str, str]:
    """Bucket and prefix; never repeats the url: a secret may stand in it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ConfigError("archive.url", 'expected "s3://bucket/prefix"') from None
    if parts.scheme != "s3" or not parts.netloc or parts.query or parts.fragment:
        raise ConfigError("archive.url", 'expected "s3://bucket/prefix"')
    if "@" in parts.netloc or ":" in parts.netloc:
        raise ConfigError("archive.url", "must hold no key or secret: use credentials_file, or the environment")
    return parts.netloc, parts.path.strip("/")


def _endpoint(text: str) -> str:
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or "@" in parts.netloc or parts.query or parts.fragment:
        raise ConfigError("archive.endpoint", 'expected "https://host:port" without user or password')
    return text.rstrip("/")


def _credentials(file: Path | None) -> Mapping[str, str]:
    if file is None:
        missing = [name for name in _ENVIRONMENT if not os.environ.get(name)]
        if missing:
            raise ConfigError("archive.credentials_file", f"is not set, and neither is {missing[0]}")
        key, secret = (os.environ[name] for name in _ENVIRONMENT)
        token = os.environ.get("AWS_SESSION_TOKEN", "")
    else:
        key, secret, token = _from_file(file)
    found = {"access_key_id": key, "secret_access_key": secret}
    return {**found, "session_token": token} if token else found


def _from_file(file: Path) -> tuple[str, str, str]:
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        told = (error.strerror if isinstance(error, OSError) else None) or "is not UTF-8"
        raise ConfigError("archive.credentials_file", f"cannot be read: {file}: {told}") from None
    words = [line.strip() for line in lines if line.strip()]
    if len(words) not in (2, 3):
        raise ConfigError("archive.credentials_file", f"{file}: expected two lines, the access key and its secret")
    return words[0], words[1], words[2] if len(words) > 2 else ""  # noqa: PLR2004 (a session token is the third)


def _brief(error: Exception) -> str:
    """What the server said, or why it could not be asked: the client's words without those about itself."""
    words = " ".join(str(error).split())
    code, message, status = (_found(pattern, words) for pattern in _IN_ANSWER)
    if code:
        return f"{status} {code}: {message}".strip(": ")[:_MOST_WORDS]
    asked, cause = _found(_ASKED, words), _found(_CAUSE, words) or _found(_KIND, words)
    if asked and cause:
        return f"{asked}: {cause}"[:_MOST_WORDS]
    return words.partition(" Debug source:")[0][:_MOST_WORDS]


def _found(pattern: re.Pattern[str], words: str) -> str:
    found = pattern.search(words)
    return found[1] if found else ""
