"""The folder of the flow's snapshots: its parts appear whole, and the last one last."""

import errno
import os
import shutil
import time
from pathlib import Path
from typing import Final

from bytewax.recovery import init_db_dir

from cloud_stream.errors import CloudError
from wattline.errors import ConfigError

PARTITIONS: Final = 8
"""Fixed when the folder is first used."""
WAIT_S: Final = 30.0
_BEING_MADE: Final = "being-made"
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)


def prepare_recovery(folder: Path, process_id: int) -> None:
    """Make the recovery partitions where they are missing; only process 0 does, others wait.

    Raises:
        ConfigError: The folder cannot be used.
        CloudError: There is no room for it now.
    """
    last = part_file(folder, PARTITIONS - 1)
    if last.exists():
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if process_id == 0:
            _make(folder)
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise CloudError(f"{folder}: {error.strerror}") from None
        raise ConfigError("flow.recovery_dir", f"{folder}: {error.strerror}") from None
    deadline_s = time.monotonic() + WAIT_S
    while not last.exists():
        if time.monotonic() > deadline_s:
            raise ConfigError("flow.recovery_dir", f"{folder}: was never prepared by process 0")
        time.sleep(0.05)


def part_file(folder: Path, number: int) -> Path:
    """Where a partition is."""
    return folder / f"part-{number}.sqlite3"


def _make(folder: Path) -> None:
    """Make all parts beside their place and move them there; what an earlier attempt left was never used."""
    left = [file for file in (part_file(folder, number) for number in range(PARTITIONS)) if file.exists()]
    if left and any(folder.glob("commit-*.json")):
        raise ConfigError("flow.recovery_dir", f"{folder} was in use, and {part_file(folder, PARTITIONS - 1)} is gone")
    for file in left:
        file.unlink()
    making = folder / _BEING_MADE
    if making.exists():
        shutil.rmtree(making)
    making.mkdir()
    init_db_dir(making, PARTITIONS)  # type: ignore[no-untyped-call]  # panics on what is half made and on a full disk
    for number in range(PARTITIONS):
        if number == PARTITIONS - 1:
            _sync(folder)
        part_file(making, number).replace(part_file(folder, number))
    _sync(folder)
    making.rmdir()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
