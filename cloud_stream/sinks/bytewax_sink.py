"""The store as a Bytewax sink: written to at once, waited for at each snapshot."""

import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from cloud_stream.ports import Rejected, Store
from cloud_stream.records import Write
from cloud_stream.sinks.spool import Spool
from cloud_stream.sinks.writer import StoreWriter, WriterLimits

PARTITIONS: Final = ("store-0", "store-1", "store-2", "store-3")
"""For ever: recovery state and spools go by these names."""
FLUSH_STEP_S: Final = 1.0

OnRejected = Callable[[str, Sequence[Rejected]], None]
"""Takes a partition's name and the rows its store refused; called in the partition's thread."""


class StorePartition(StatefulSinkPartition[Write, None]):
    """One writer of a store."""

    def __init__(self, writer: StoreWriter) -> None:
        self._writer = writer

    def write_batch(self, values: list[Write]) -> None:
        """Queue writes; waits while too much is queued."""
        self._writer.write(values)

    def snapshot(self) -> None:
        """Wait until all that was queued is visible or safely spooled: only then may the epoch be committed."""
        while not self._writer.flush(FLUSH_STEP_S):
            # Back in Python once a second, so that a signal is seen.
            continue

    def close(self) -> None:
        """End the writer at the end of finite input."""
        self._writer.close()


class StoreSink(FixedPartitionedSink[Write, None]):
    """Items are (shard, write); all writes of a shard go through one partition, in order.

    Args:
        open_store: Makes a store; called once in each partition's thread.
        spool_dir: Holds a spool for each partition. A partition finds its spool only on this disk:
            over several hosts the folder must be shared, or the spools be empty when hosts change.
        spool_max_bytes: Of all partitions together.
        on_rejected: See `OnRejected`.
        limits: Of each writer.

    Attributes:
        writers: By partition, those that live in this process, from the first write of each on; for metrics.
    """

    def __init__(
        self,
        open_store: Callable[[], Store],
        spool_dir: Path,
        spool_max_bytes: int,
        on_rejected: OnRejected,
        limits: WriterLimits | None = None,
    ) -> None:
        self.writers: dict[str, StoreWriter] = {}
        self._open_store = open_store
        self._spool_dir = spool_dir
        self._spool_max_bytes = spool_max_bytes
        self._on_rejected = on_rejected
        self._limits = limits

    def list_parts(self) -> list[str]:
        """All partitions: any worker may have any of them."""
        return list(PARTITIONS)

    def part_fn(self, item_key: str) -> int:
        """Which partition a shard belongs to; the same in every process and for ever."""
        return zlib.crc32(item_key.encode())

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> StorePartition:  # noqa: ARG002 - the engine's signature
        """Open a partition and its spool.

        Raises:
            LogBrokenError: The spool can neither be opened nor made.
        """
        spool = Spool(self._spool_dir / f"{for_part}.db", self._spool_max_bytes // len(PARTITIONS))
        writer = StoreWriter(for_part, self._open_store, partial(self._on_rejected, for_part), spool, self._limits)
        self.writers[for_part] = writer
        return StorePartition(writer)
