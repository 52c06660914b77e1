"""The dataflow, top to bottom: journal -> decode -> windows -> alerts -> store.

Step names are part of the recovery state and never change.
"""

from collections.abc import Sequence

from bytewax import operators as op
from bytewax.dataflow import Dataflow, Stream
from bytewax.operators import KeyedStream

from cloud_stream.flow_parts import (
    FleetItem,
    FlowParts,
    ShardItem,
    batch_of,
    letter_of,
    partials_of,
    refused_of,
    usage_of,
    writes_of,
)
from cloud_stream.records import DeadLetter, Partial, Point, ShardBatch, Write
from cloud_stream.windows.shard import Output


def build_flow(parts: FlowParts) -> Dataflow:
    """Compose the flow; nothing runs yet.

    Args:
        parts: The concrete source, sinks and steps.
    """
    flow = Dataflow("wattline")
    rows = op.input("journal", flow, parts.source)
    decoded: Stream[ShardItem | DeadLetter] = op.flat_map_batch("decode", rows, parts.decode)
    unreadable: KeyedStream[Sequence[DeadLetter]] = op.filter_map("unreadable", decoded, letter_of)

    batches: KeyedStream[ShardBatch] = op.filter_map("readable", decoded, batch_of)  # ("shard-07", readings)
    outputs: KeyedStream[Output] = op.stateful_batch("shard_windows", batches, parts.shard_windows)
    refused: KeyedStream[Sequence[DeadLetter]] = op.filter_map("refused", outputs, refused_of)
    op.output("dead_letters", op.merge("letters", unreadable, refused), parts.dead_letter_sink)

    partials: KeyedStream[Partial] = op.flat_map("partials", outputs, partials_of)  # ("fleet", one shard's sum)
    fleet: KeyedStream[FleetItem] = op.stateful_batch("fleet_windows", partials, parts.fleet_windows)

    writes: KeyedStream[Write] = op.filter_map("writes", outputs, writes_of)
    usage: KeyedStream[tuple[Point, ...]] = op.filter_map("usage", op.merge("levels", outputs, fleet), usage_of)
    alerts: KeyedStream[Write] = op.stateful_batch("alerts", usage, parts.alerts)
    op.output("store", op.merge("everything", writes, fleet, alerts), parts.store_sink)
    return flow
