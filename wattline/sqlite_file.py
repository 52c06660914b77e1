"""What SQLite leaves to its user: corrupt files, full disks, files that another process has replaced."""

import fcntl
import os
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

KEPT: Final = 3
"""So many corrupt files are kept beside the good one."""
_BESIDE: Final = ("-wal", "-shm")
_SWITCH_TIMEOUT_S: Final = 10.0
_CORRUPT: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

FileKey = tuple[int, int] | None
"""What tells a file from another one of the same name; None when there is none."""


def file_key(path: Path) -> FileKey:
    """The key of the file that is at `path` now."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def set_aside(path: Path, corrupt: FileKey) -> Path | None:
    """Rename a corrupt file, and what SQLite keeps beside it.

    Args:
        path: Where it is.
        corrupt: The key of the file that is corrupt.

    Returns:
        Its new name; None when another process was first, and what is at `path` now is another file.

    Raises:
        OSError: It cannot be renamed.
    """
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if file_key(path) != corrupt:
            return None
        aside = _free_name(path)
        path.replace(aside)
        for suffix in _BESIDE:
            with suppress(FileNotFoundError):
                Path(f"{path}{suffix}").replace(f"{aside}{suffix}")
        return aside


def free_bytes(path: Path) -> int:
    """What may still be written beside a database once its write-ahead log is merged into it.

    Raises:
        OSError: The folder cannot be asked.
    """
    status = os.statvfs(path.parent)
    free = status.f_bavail * status.f_frsize
    try:
        return free - Path(f"{path}-wal").stat().st_size
    except FileNotFoundError:
        return free


def use_write_ahead_log(db: sqlite3.Connection) -> None:
    """Switch a new file to write-ahead logging, and wait for others who do: SQLite's own waiting leaves this out.

    Raises:
        sqlite3.Error: It cannot be switched, or others hold it for too long.
    """
    give_up_at_s = time.monotonic() + _SWITCH_TIMEOUT_S
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.Error as error:
            if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > give_up_at_s:
                raise
            time.sleep(random.uniform(0.001, 0.02))
        else:
            return


def is_corrupt(error: sqlite3.Error) -> bool:
    """Whether the file is at fault, and will be tomorrow."""
    return _code(error) in _CORRUPT


def is_full(error: sqlite3.Error) -> bool:
    """Whether there is no room, on the disk or in the file."""
    return _code(error) == sqlite3.SQLITE_FULL


def is_failed_io(error: sqlite3.Error) -> bool:
    """Whether the disk did not do what it was told."""
    return _code(error) == sqlite3.SQLITE_IOERR


def _code(error: sqlite3.Error) -> int:
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF


def _free_name(path: Path) -> Path:
    kept = sorted(path.parent.glob(f"{path.name}.corrupt-*[0-9]"))
    for old in kept[: max(0, len(kept) - KEPT + 1)]:
        for suffix in ("", *_BESIDE):
            Path(f"{old}{suffix}").unlink(missing_ok=True)
    number = int(kept[-1].name.rsplit("-", 1)[1]) + 1 if kept else 1
    return path.with_name(f"{path.name}.corrupt-{number:04d}")


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """One transaction that writes: committed at the end of the block, or rolled back by whatever ends it."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
