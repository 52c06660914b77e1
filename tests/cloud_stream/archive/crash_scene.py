"""A day in the life of an archive, to be ended at any moment. As a program: `crash_scene.py FOLDER STEP`.

The program kills itself with SIGKILL before the STEP-th thing that it does to a file of the folder, or prints how many
there were.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Final

from cloud_stream.archive.local_target import LocalTarget
from cloud_stream.archive.process import Archive
from cloud_stream.archive.sink import ArchiveSink
from cloud_stream.archive.spool import PARTITIONS
from cloud_stream.archive.target import ArchiveTarget
from cloud_stream.records import Columns
from tests.cloud_stream.archive.reading import Reading
from tests.cloud_stream.archive.samples import DAY_MS, HOUR_MS, MIDNIGHT_MS, power

SPOOL_BYTES: Final = 64 << 20
OLD_MS: Final = MIDNIGHT_MS - 10 * DAY_MS
NOON_MS: Final = MIDNIGHT_MS + 12 * HOUR_MS
LATER_MS: Final = MIDNIGHT_MS + 3 * DAY_MS
BEFORE: Final = (power(OLD_MS, 1.0), power(NOON_MS, 2.0), power(NOON_MS - HOUR_MS, 3.0))
"""What is in files already."""
NEW: Final = (power(NOON_MS, 2.5), power(NOON_MS + 1, 4.0), power(NOON_MS + HOUR_MS, 5.0), power(OLD_MS + 1, 6.0))
"""What waits in the spool: a revision, and rows for an old file, a known hour and a new one."""
AFTER: Final = [
    Reading("house-1", "m1", "power_w", t, value)
    for t, value in (
        (OLD_MS, 1.0),
        (OLD_MS + 1, 6.0),
        (NOON_MS - HOUR_MS, 3.0),
        (NOON_MS, 2.5),
        (NOON_MS + 1, 4.0),
        (NOON_MS + HOUR_MS, 5.0),
    )
]
_COUNTED: Final = ("open", "os.rename", "os.remove", "os.mkdir", "sqlite3.connect")


def deliver(folder: Path, batches: tuple[Columns, ...]) -> None:
    """Let batches pass the flow's sink."""
    partition = ArchiveSink(folder / "spool", SPOOL_BYTES).build_part("archive", PARTITIONS[0], None)
    partition.write_batch(list(batches))
    partition.close()


def prepare(folder: Path, target: ArchiveTarget) -> None:
    """Files, and a spool with rows."""
    deliver(folder, BEFORE)
    Archive(target, folder / "spool", SPOOL_BYTES, 0).flush_due(NOON_MS, everything=True)
    deliver(folder, NEW)


def finish(folder: Path, target: ArchiveTarget) -> None:
    """All into files, and one file a day."""
    archive = Archive(target, folder / "spool", SPOOL_BYTES, 0)
    archive.flush_due(NOON_MS, everything=True)
    archive.writer.compact(LATER_MS)


def _die_before(folder: Path, step: int) -> list[int]:
    count = [0]

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event in _COUNTED and str(folder) in str(arguments[0]):
            count[0] += 1
            if count[0] == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    return count


if __name__ == "__main__":
    scene = Path(sys.argv[1])
    steps = _die_before(scene, int(sys.argv[2]))
    finish(scene, LocalTarget(scene / "archive"))
    sys.stdout.write(f"{steps[0]}\n")
