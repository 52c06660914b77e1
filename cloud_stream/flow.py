"""The dataflow, top to bottom: journal -> decode -> windows -> forecasts -> alerts and intents -> store, people, loads.

Step names are part of the recovery state and never change. What the configuration does not ask for is left out.
"""

from collections.abc import Sequence

from bytewax import operators as op
from bytewax.dataflow import Dataflow, Stream
from bytewax.operators import KeyedStream

from cloud_stream.flow_parts import (
    Decisions,
    Facts,
    FleetItem,
    FlowParts,
    ForecastSteps,
    ShardItem,
    batch_of,
    columns_of,
    facts_of,
    letter_of,
    notices_of,
    orders_of,
    partials_of,
    records_of,
    refused_of,
    usage_of,
    writes_of,
)
from cloud_stream.records import ClosedUsage, Columns, DeadLetter, Notice, Order, Partial, ShardBatch, Write
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
    if parts.archive_sink is not None:
        raw: KeyedStream[Columns] = op.filter_map("raw", outputs, columns_of)
        op.output("archive", raw, parts.archive_sink)

    partials: KeyedStream[Partial] = op.flat_map("partials", outputs, partials_of)  # ("fleet", one shard's sum)
    fleet: KeyedStream[FleetItem] = op.stateful_batch("fleet_windows", partials, parts.fleet_windows)

    writes: KeyedStream[Write] = op.filter_map("writes", outputs, writes_of)
    facts: KeyedStream[Facts] = op.filter_map("known", op.merge("levels", outputs, fleet), facts_of)
    results: list[KeyedStream[Write]] = [writes, fleet]
    if parts.forecasts is not None:
        forecasts = _forecasts(facts, parts.forecasts)
        facts = op.merge("facts", facts, forecasts)
        results.append(forecasts)
    results.append(_decisions(facts, parts))
    op.output("store", op.merge("everything", *results), parts.store_sink)
    return flow


def _forecasts(facts: KeyedStream[Facts], steps: ForecastSteps) -> KeyedStream[Facts]:
    """What closed intervals were, and what the next ones will be."""
    usage: KeyedStream[Facts] = op.filter_map("usage", facts, usage_of)
    closed: KeyedStream[ClosedUsage] = op.stateful_batch("closed_usage", usage, steps.closing)
    return op.stateful_batch("forecasts", closed, steps.forecasting)


def _decisions(facts: KeyedStream[Facts], parts: FlowParts) -> KeyedStream[Facts]:
    """Alerts and intents: tell people and loads; what goes to the store is returned."""
    decisions: KeyedStream[Decisions] = op.stateful_batch("alerts", facts, parts.alerts)
    if parts.intents is not None:
        intents: KeyedStream[Decisions] = op.stateful_batch("intents", facts, parts.intents)
        decisions = op.merge("decisions", decisions, intents)
    if parts.notice_sink is not None:
        notices: KeyedStream[Notice] = op.flat_map("notices_only", decisions, notices_of)
        op.output("notices", notices, parts.notice_sink)
    if parts.order_sink is not None:
        orders: KeyedStream[Order] = op.flat_map("orders_only", decisions, orders_of)
        op.output("orders", orders, parts.order_sink)
    return op.filter_map("records", decisions, records_of)
