"""A dataflow into the archive's sink. As a program: `flow_scene.py FOLDER END` kills itself before its END-th item."""

import os
import signal
import sys
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from bytewax import operators as op
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig
from bytewax.run import cli_main
from bytewax.testing import TestingSource

from cloud_stream.archive.sink import ArchiveSink
from cloud_stream.records import Columns
from cloud_stream.sharding import shard_of
from tests.cloud_stream.archive.samples import MIDNIGHT_MS, power

EPOCH: Final = timedelta(milliseconds=5)
SPOOL_BYTES: Final = 64 << 20
SITES: Final = tuple(f"house-{number}" for number in range(5))
ITEMS: Final = 200
EXPECTED: Final = tuple((SITES[i % len(SITES)], MIDNIGHT_MS + i * 1000, float(i)) for i in range(ITEMS))


def build(folder: Path, end: int) -> Dataflow:
    """The flow; it ends with SIGKILL before item number `end`, or not at all with 0."""
    flow = Dataflow("archive-scene")
    numbers = op.input("numbers", flow, TestingSource(range(1, ITEMS + 1)))

    def items(batch: Iterable[int]) -> list[tuple[str, Columns]]:
        found = []
        for number in batch:
            if number == end:
                os.kill(os.getpid(), signal.SIGKILL)
            site, t_ms, value = EXPECTED[number - 1]
            found.append((shard_of(site), power(t_ms, value, site=site)))
        return found

    keyed: Any = op.flat_map_batch("items", numbers, items)
    op.output("archive", keyed, ArchiveSink(folder / "spool", SPOOL_BYTES))
    return flow


if __name__ == "__main__":
    scene = Path(sys.argv[1])
    cli_main(  # type: ignore[no-untyped-call]  # Bytewax leaves its engine untyped
        build(scene, int(sys.argv[2])),
        epoch_interval=EPOCH,
        recovery_config=RecoveryConfig(str(scene / "recovery")),  # type: ignore[no-untyped-call]
    )
