"""A file that may change while the flow runs: a wrong one leaves what was read before in force."""

import hashlib
import logging
import os
import stat
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Generic, TypeVar

from wattline.errors import ConfigError

T = TypeVar("T")
LOOK_EVERY_S: Final = 1.0
WET_NS: Final = 1_000_000_000
RETRY_EVERY_S: Final = 10.0
"""A wrong file is read again so often: what it lacks may be another file, which is there meanwhile."""
MOST_BYTES: Final = 4 << 20
"""Reading a larger file would keep the flow from its work; thousands of rules are smaller."""
_log: Final = logging.getLogger("cloud_stream.files")

Read = Callable[[Path], tuple[T, Sequence[Path]]]
"""Reads a file; gives what it means and every file that was read for it. Raises ConfigError."""
_Stamp = tuple[tuple[int, int, int], ...]
"""Of each file: when it was changed, its size, its place on the disk."""


class WatchedFile(Generic[T]):
    """What a file means now; the disk is asked at most once a second.

    A file that was written within the last second is left for the next look: half of one may be a good file with
    fewer rules.

    Args:
        path: The file.
        read: See `Read`.
        good_copy: Where the last file that could be used is kept: what a start goes on with while the file is wrong.
        clock_s: Seconds that only grow.
        wall_ns: The clock that dates files.

    Attributes:
        value: The newest that could be read.
        problem: What is wrong with a newer file that could not be; "" when nothing is.
        loaded: How often a newer file was read. refused: how often it was wrong.

    Raises:
        ConfigError: The file cannot be used, and there is no good copy to go on with.
    """

    def __init__(
        self,
        path: Path,
        read: Read[T],
        *,
        good_copy: Path | None = None,
        clock_s: Callable[[], float] = time.monotonic,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.problem = ""
        self.loaded = 0
        self.refused = 0
        self._path = path
        self._reader = read
        self._good_copy = good_copy
        self._clock_s = clock_s
        self._wall_ns = wall_ns
        self._files: tuple[Path, ...] = (path,)
        self._stamp = _stamp(self._files)
        self.value = self._first()
        self._look_at_s = clock_s() + LOOK_EVERY_S
        self._retry_at_s = clock_s() + RETRY_EVERY_S

    def look(self) -> bool:
        """Read the file again when it has changed; says whether `value` or `problem` has."""
        now_s = self._clock_s()
        if now_s < self._look_at_s:
            return False
        self._look_at_s = now_s + LOOK_EVERY_S
        stamp = _stamp(self._files)
        is_same = stamp == self._stamp
        if (is_same and not (self.problem and now_s >= self._retry_at_s)) or self._is_wet(stamp):
            return False
        self._stamp = stamp
        self._retry_at_s = now_s + RETRY_EVERY_S
        try:
            self.value = self._read()
        except ConfigError as error:
            if is_same and str(error) == self.problem:
                return False
            self._refuse(error)
        else:
            self.problem = ""
            self.loaded += 1
            _log.info("file_taken path=%s", self._path)
        return True

    def digest(self) -> str:
        """The same for the same content of all its files, whichever process asks."""
        content = hashlib.sha256()
        for file in self._files:
            content.update(_bytes_of(file))
        return content.hexdigest()[:16]

    def _is_wet(self, stamp: _Stamp) -> bool:
        """Whether somebody may still be writing."""
        now_ns = self._wall_ns()
        return any(0 <= now_ns - changed_ns < WET_NS for changed_ns, _, _ in stamp)

    def _first(self) -> T:
        try:
            return self._read()
        except ConfigError as error:
            if self._good_copy is None or not self._good_copy.exists():
                raise
            try:
                _check(self._good_copy)
                value, _ = self._reader(self._good_copy)
            except ConfigError:
                raise error from None
            self._refuse(error)
            return value

    def _read(self) -> T:
        _check(self._path)
        value, files = self._reader(self._path)
        if tuple(files) != self._files:
            self._files = tuple(files)
            self._stamp = _stamp(self._files)
        if self._good_copy is not None:
            _keep(self._path, self._good_copy)
        return value

    def _refuse(self, error: ConfigError) -> None:
        self.refused += 1
        self.problem = str(error)
        _log.warning('file_refused path=%s problem="%s"', self._path, error)


def _check(path: Path) -> None:
    """Refuse what would be read for ever, such as a pipe; what is not there or a folder is told by reading it.

    Raises:
        ConfigError: It is no regular file, or too large.
    """
    try:
        found = path.stat()
    except OSError:
        return
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
        raise ConfigError(str(path), "is not a regular file")
    if found.st_size > MOST_BYTES:
        raise ConfigError(str(path), f"is larger than {MOST_BYTES >> 20} MiB")


def _keep(path: Path, copy: Path) -> None:
    """Keep a copy, whole or not at all; without one a start needs a file that is right, no more."""
    beside = copy.with_name(f"{copy.name}.{os.getpid()}")
    try:
        beside.write_bytes(path.read_bytes())
        beside.replace(copy)
    except OSError as error:
        _log.warning("file_copy_failed path=%s problem=%s", copy, error.strerror)


def _stamp(files: Sequence[Path]) -> _Stamp:
    return tuple(map(_stamp_of, files))


def _stamp_of(file: Path) -> tuple[int, int, int]:
    try:
        found = file.stat()
    except OSError:
        return (0, 0, 0)
    return found.st_mtime_ns, found.st_size, found.st_ino


def _bytes_of(file: Path) -> bytes:
    try:
        if not file.is_file():
            return b""
        with file.open("rb") as opened:
            return opened.read(MOST_BYTES)
    except OSError:
        return b""
