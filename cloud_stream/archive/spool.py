"""Where readings wait until they are in a file: one bounded durable log for each partition of the sink."""

from pathlib import Path
from typing import Final

from wattline.durable_log import DurableLog, WhenFull

PARTITIONS: Final = ("archive-0", "archive-1", "archive-2", "archive-3")
"""For ever: recovery state and spools go by these names."""


def open_spool(folder: Path, partition: str, max_bytes: int) -> DurableLog:
    """Open or make the spool of a partition; the flow appends, the archive's job reads and truncates.

    Args:
        folder: Of all spools.
        partition: Its name.
        max_bytes: Of all spools together.

    Raises:
        LogBrokenError: It can neither be opened nor made.
    """
    share = max_bytes // len(PARTITIONS)
    return DurableLog(folder / f"{partition}.db", max_bytes=share, when_full=WhenFull.REFUSE)
