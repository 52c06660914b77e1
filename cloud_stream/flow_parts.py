"""The flow's steps and the shapes of what passes between them."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bytewax.inputs import FixedPartitionedSource
from bytewax.operators import StatefulBatchLogic
from bytewax.outputs import FixedPartitionedSink

from cloud_stream.alerts.judge import AlertJudge
from cloud_stream.measurements import FORECAST, USAGE
from cloud_stream.ports import Store
from cloud_stream.records import (
    ClosedUsage,
    Columns,
    DeadLetter,
    JournalRow,
    Notice,
    Order,
    Partial,
    Point,
    PointColumns,
    ShardBatch,
    Write,
)
from cloud_stream.sharding import FLEET
from cloud_stream.source import Offset
from cloud_stream.windows.fleet import FleetWindows
from cloud_stream.windows.settings import WindowSettings
from cloud_stream.windows.shard import Output, ShardWindows

ShardItem = tuple[str, ShardBatch]
FleetItem = tuple[Point, ...]
Facts = Sequence[Point]
"""What alerts and intents are about: usage, forecasts, events, and the states of gateways, loads and commands."""
Decision = Point | Notice | Order
Decisions = tuple[Decision, ...]
FACTS: Final = frozenset({USAGE, FORECAST, "anomaly", "gateway", "load", "command"})
LETTERS: Final = "letters"
PEOPLE: Final = "people"
LOADS: Final = "loads"


IntentsLogic = Callable[[Any], StatefulBatchLogic[Facts, Decisions, Any]]
"""Makes the logic of intents of a shard or the fleet from its snapshot or None."""


@dataclass(frozen=True, slots=True)
class ForecastSteps:
    """The two steps of forecasting.

    Attributes:
        closing: Makes the logic that says when intervals have closed.
        forecasting: Makes the logic that learns them and forecasts.
    """

    closing: Callable[[Any], StatefulBatchLogic[Facts, ClosedUsage, Any]]
    forecasting: Callable[[Any], StatefulBatchLogic[ClosedUsage, Facts, Any]]


@dataclass(frozen=True, slots=True)
class FlowParts:
    """What `build_flow` composes.

    Attributes:
        decode: Journal rows to (shard, batch) pairs and dead letters.
        shard_windows: Makes the logic of a shard from its snapshot or None.
        fleet_windows: The same for the one key of the fleet.
        alerts: The same for the alerts of a shard or the fleet.
        forecasts: The same for forecasts; None without.
        intents: The same for intents; None without.
        notice_sink: Takes what people shall be told; None where nobody is.
        order_sink: Takes orders to loads; None where there are none.
        archive_sink: Takes raw readings; None without an archive.
    """

    source: FixedPartitionedSource[JournalRow, Offset]
    decode: Callable[[list[JournalRow]], Iterable[ShardItem | DeadLetter]]
    shard_windows: Callable[[Any], StatefulBatchLogic[ShardBatch, Output, Any]]
    fleet_windows: Callable[[Any], StatefulBatchLogic[Partial, FleetItem, Any]]
    alerts: Callable[[Any], StatefulBatchLogic[Facts, Decisions, Any]]
    store_sink: FixedPartitionedSink[Any, Any]
    dead_letter_sink: FixedPartitionedSink[Any, Any]
    forecasts: ForecastSteps | None = None
    intents: IntentsLogic | None = None
    notice_sink: FixedPartitionedSink[Any, Any] | None = None
    order_sink: FixedPartitionedSink[Any, Any] | None = None
    archive_sink: FixedPartitionedSink[Any, Any] | None = None


def batch_of(item: ShardItem | DeadLetter) -> ShardItem | None:
    """What of the decoder's output goes to a shard."""
    return None if isinstance(item, DeadLetter) else item


def letter_of(item: ShardItem | DeadLetter) -> tuple[str, Sequence[DeadLetter]] | None:
    """What of the decoder's output is a dead letter; the key says nothing, there is one partition."""
    return (LETTERS, [item]) if isinstance(item, DeadLetter) else None


def refused_of(item: tuple[str, Output]) -> tuple[str, Sequence[DeadLetter]] | None:
    """What of a shard's output is dead letters."""
    _, output = item
    if isinstance(output, Columns):
        return None
    letters = [one for one in output if isinstance(one, DeadLetter)]
    return (LETTERS, letters) if letters else None


def partials_of(item: tuple[str, Output]) -> list[tuple[str, Partial]]:
    """The partials of a shard's output, under the key of the fleet."""
    _, output = item
    if isinstance(output, Columns):
        return []
    return [(FLEET, one) for one in output if isinstance(one, Partial)]


def writes_of(item: tuple[str, Output]) -> tuple[str, Write] | None:
    """What of a shard's output goes to the store, in its order."""
    key, output = item
    if isinstance(output, Columns):
        return key, output
    points = tuple(one for one in output if isinstance(one, Point))
    return (key, points) if points else None


def columns_of(item: tuple[str, Output]) -> tuple[str, Columns] | None:
    """What of a shard's output is raw readings."""
    key, output = item
    return (key, output) if isinstance(output, Columns) else None


def facts_of(item: tuple[str, Output | FleetItem]) -> tuple[str, Facts] | None:
    """What of an output alerts and intents may be about."""
    key, output = item
    if isinstance(output, Columns):
        return None
    points = tuple(one for one in output if isinstance(one, Point) and one.measurement in FACTS)
    return (key, points) if points else None


def usage_of(item: tuple[str, Facts]) -> tuple[str, Facts] | None:
    """The usage rows among facts; None when there are none, so that who waits for them sleeps on."""
    key, facts = item
    points = tuple(one for one in facts if one.measurement == USAGE)
    return (key, points) if points else None


def records_of(item: tuple[str, Decisions]) -> tuple[str, Facts] | None:
    """What of decisions goes to the store."""
    key, decisions = item
    points = tuple(one for one in decisions if isinstance(one, Point))
    return (key, points) if points else None


def notices_of(item: tuple[str, Decisions]) -> list[tuple[str, Notice]]:
    """What of decisions people shall be told; there is one queue."""
    return [(PEOPLE, one) for one in item[1] if isinstance(one, Notice)]


def orders_of(item: tuple[str, Decisions]) -> list[tuple[str, Order]]:
    """What of decisions goes to loads; there is one queue."""
    return [(LOADS, one) for one in item[1] if isinstance(one, Order)]


class ShardStep:
    """`ShardWindows` as a step of the engine, which tells a step's key only by its items.

    Attributes:
        counts: See `ShardWindows`.
    """

    def __init__(self, settings: WindowSettings, store: Store) -> None:
        """Wait for the first batch, or a snapshot, to learn which shard this is."""
        self.counts: Counter[str] = Counter()
        self._settings = settings
        self._store = store
        self._windows: ShardWindows | None = None

    @property
    def settled(self) -> bool:
        """See `Step`."""
        return self._windows is None or self._windows.settled

    def on_batch(self, batch: list[ShardBatch], now_ms: int) -> list[Output]:
        """See `Step`."""
        return self._of(batch[0].shard).on_batch(batch, now_ms)

    def on_timer(self, now_ms: int) -> list[Output]:
        """See `Step`."""
        return [] if self._windows is None else self._windows.on_timer(now_ms)

    def snapshot(self, now_ms: int) -> Any:  # noqa: ANN401 (see `Step`)
        """See `Step`."""
        return None if self._windows is None else (self._windows.shard, self._windows.snapshot(now_ms))

    def restore(self, state: Any) -> None:  # noqa: ANN401 (see `Step`)
        """See `Step`."""
        shard, windows = state
        self._of(shard).restore(windows)

    def _of(self, shard: str) -> ShardWindows:
        if self._windows is None:
            self._windows = ShardWindows(shard, self._settings, self._store)
            self.counts = self._windows.counts
        return self._windows


class FleetStep:
    """`FleetWindows` as a step of the engine."""

    def __init__(self, windows: FleetWindows) -> None:
        """Wrap the windows."""
        self.windows = windows

    @property
    def counts(self) -> Counter[str]:
        """See `FleetWindows`."""
        return self.windows.counts

    @property
    def settled(self) -> bool:
        """See `Step`."""
        return self.windows.settled

    def on_batch(self, batch: list[Partial], now_ms: int) -> list[FleetItem]:
        """See `Step`."""
        return [tuple(self.windows.on_batch(batch, now_ms))]

    def on_timer(self, now_ms: int) -> list[FleetItem]:
        """See `Step`."""
        points = self.windows.on_timer(now_ms)
        return [tuple(points)] if points else []

    def snapshot(self, now_ms: int) -> Any:  # noqa: ANN401 (see `Step`)
        """See `Step`."""
        del now_ms
        return self.windows.snapshot()

    def restore(self, state: Any) -> None:  # noqa: ANN401 (see `Step`)
        """See `Step`."""
        self.windows.restore(state)


class AlertStep:
    """`AlertJudge` as a step of the engine."""

    def __init__(self, judge: AlertJudge) -> None:
        """Wrap the judge."""
        self.judge = judge

    @property
    def counts(self) -> Counter[str]:
        """See `AlertJudge`."""
        return self.judge.counts

    @property
    def settled(self) -> bool:
        """See `AlertJudge`."""
        return self.judge.settled

    def on_batch(self, batch: list[Facts], now_ms: int) -> list[Decisions]:
        """See `Step`."""
        facts = [one for points in batch for one in ((points,) if isinstance(points, PointColumns) else points)]
        return _some(self.judge.judge(facts, now_ms))

    def on_timer(self, now_ms: int) -> list[Decisions]:
        """See `Step`."""
        return _some(self.judge.due(now_ms))

    def snapshot(self, now_ms: int) -> Any:  # noqa: ANN401 (see `Step`)
        """See `Step`."""
        del now_ms
        return self.judge.state()

    def restore(self, state: Any) -> None:  # noqa: ANN401 (see `Step`)
        """See `Step`."""
        self.judge.restore(state)


def _some(decisions: Sequence[Decision]) -> list[Decisions]:
    return [tuple(decisions)] if decisions else []
