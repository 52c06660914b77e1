"""The archive as a Bytewax sink: readings go to a durable spool, and from there another process takes them.

The flow only copies columns into bytes and commits them once a snapshot; whatever
Parquet costs is paid elsewhere (`cloud_stream.archive.process`).
"""

import logging
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from cloud_stream.archive.batches import encode
from cloud_stream.archive.spool import PARTITIONS, open_spool
from cloud_stream.records import Columns
from wattline.backoff import Backoff
from wattline.durable_log import DurableLog
from wattline.errors import LogError

_log: Final = logging.getLogger("cloud_stream.archive")
HELD_BYTES: Final = 8 << 20
"""So much is collected at most before it is committed; less is when a snapshot comes."""
FIRST_RETRY_S: Final = 0.1
LONGEST_RETRY_S: Final = 5.0


class ArchivePartition(StatefulSinkPartition[Columns, None]):
    """One spool of the archive, as its writer.

    Args:
        name: The partition's, for the log.
        spool: Where readings are kept until they are in a file.
        pause: Waits so many seconds.

    Attributes:
        waits: How often readings had to wait because the spool was full or its disk did not take them.
    """

    def __init__(self, name: str, spool: DurableLog, pause: Callable[[float], None] = time.sleep) -> None:
        self.waits = 0
        self._name = name
        self._spool = spool
        self._pause = pause
        self._held: list[bytes] = []
        self._held_bytes = 0

    def write_batch(self, values: list[Columns]) -> None:
        """Collect readings; waits while the spool is full and much is collected."""
        for columns in values:
            row = encode(columns)
            self._held.append(row)
            self._held_bytes += len(row)
            if self._held_bytes >= HELD_BYTES:
                self._commit()

    def snapshot(self) -> None:
        """Bring all that was collected onto the disk: only then may the epoch be committed."""
        self._commit()

    def close(self) -> None:
        """End at the end of finite input."""
        self._commit()
        self._spool.close()

    def _commit(self) -> None:
        backoff = Backoff(FIRST_RETRY_S, LONGEST_RETRY_S)
        while self._held:
            try:
                self._spool.append_many(self._held, time.time_ns() // 1_000_000)
            except LogError as error:
                self._wait(backoff, str(error))
                continue
            self._held, self._held_bytes = [], 0
        if backoff.attempts:
            _log.info("archive_spool_writable partition=%s", self._name)

    def _wait(self, backoff: Backoff, problem: str) -> None:
        if not backoff.attempts:
            _log.warning("archive_spool_waits partition=%s problem=%r", self._name, problem)
        self.waits += 1
        self._pause(backoff.next_s())


class ArchiveSink(FixedPartitionedSink[Columns, None]):
    """Items are (shard, readings); all readings of a shard go through one partition, in order.

    Args:
        spool_dir: Holds a spool for each partition.
        max_bytes: Of all spools together. When they are full, the flow waits.

    Attributes:
        partitions: Those that live in this process, by name; for metrics.
    """

    def __init__(self, spool_dir: Path, max_bytes: int) -> None:
        self.partitions: dict[str, ArchivePartition] = {}
        self._spool_dir = spool_dir
        self._max_bytes = max_bytes

    def list_parts(self) -> list[str]:
        """All partitions: any worker may have any of them."""
        return list(PARTITIONS)

    def part_fn(self, item_key: str) -> int:
        """Which partition a shard belongs to; the same in every process and for ever."""
        return zlib.crc32(item_key.encode())

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> ArchivePartition:  # noqa: ARG002 - the engine's signature
        """Open a partition and its spool.

        Raises:
            LogBrokenError: The spool can neither be opened nor made.
        """
        partition = ArchivePartition(for_part, open_spool(self._spool_dir, for_part, self._max_bytes))
        self.partitions[for_part] = partition
        return partition
