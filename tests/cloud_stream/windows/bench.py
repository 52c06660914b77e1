"""Shards, fleet and a real store, driven without an engine: what the tests turn."""

import pickle
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from cloud_stream.decode import Decoder
from cloud_stream.errors import StoreUnavailableError
from cloud_stream.journal import encode_row
from cloud_stream.ports import Rejected, Series
from cloud_stream.records import Columns, DeadLetter, Envelope, JournalRow, Partial, Point, PointColumns, ShardBatch
from cloud_stream.sharding import FLEET
from cloud_stream.stores.sqlite import SqliteStore
from cloud_stream.windows.fleet import FleetWindows
from cloud_stream.windows.settings import WindowSettings
from cloud_stream.windows.shard import Output, ShardWindows
from wattline.wire import Batch, Status, encode

RETENTION_MS = 400 * 86_400_000


def memory_folder() -> Path | None:
    """A folder that costs no disk writes, where the system has one: nothing here is about durability."""
    folder = Path("/dev/shm")  # noqa: S108 (only a parent for temporary folders)
    return folder if folder.is_dir() else None


class UnreliableStore:
    """A real store whose questions go unanswered when told so.

    Attributes:
        answers: How many questions it still answers; None for any number.
    """

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self.answers: int | None = None

    def prepare(self) -> None:
        self._store.prepare()

    def write(self, columns: Sequence[Columns | PointColumns], points: Sequence[Point]) -> list[Rejected]:
        return self._store.write(columns, points)

    def readings(self, site: str, meter: str, start_ms: int, end_ms: int) -> Mapping[str, Series]:
        self._ask()
        return self._store.readings(site, meter, start_ms, end_ms)

    def points(self, measurement: str, tags: Mapping[str, str], start_ms: int, end_ms: int) -> Sequence[Point]:
        self._ask()
        return self._store.points(measurement, tags, start_ms, end_ms)

    def mark(self, shard: str) -> tuple[str, int]:
        self._ask()
        return self._store.mark(shard)

    def close(self) -> None:
        self._store.close()

    def _ask(self) -> None:
        if self.answers is not None:
            if not self.answers:
                raise StoreUnavailableError("away")
            self.answers -= 1


class Way:
    """The way of one key to the store: first in, first out; a part of it survives a crash."""

    def __init__(self) -> None:
        self.waiting: list[Columns | tuple[Point, ...]] = []
        self.durable = 0

    def survive(self, beyond: int) -> None:
        """Lose what is neither durable nor among the next `beyond` items."""
        del self.waiting[self.durable + beyond :]
        self.durable = len(self.waiting)

    def take(self, count: int) -> list[Columns | tuple[Point, ...]]:
        """The first items, which leave."""
        taken, self.waiting = self.waiting[:count], self.waiting[count:]
        self.durable = max(0, self.durable - len(taken))
        return taken


class Saved(NamedTuple):
    """What is durable at the end of an epoch: pickled states, as the engine keeps them."""

    shards: dict[str, bytes]
    fleet: bytes


class Rig:
    """A whole flow in one thread; the store lags and fails as told."""

    def __init__(self, path: Path, settings: WindowSettings, now_ms: int) -> None:
        self.now_ms = now_ms
        self.store = UnreliableStore(SqliteStore(path, RETENTION_MS, lambda: self.now_ms))
        self.store.prepare()
        self.settings = settings
        self.shards: dict[str, ShardWindows] = {}
        self.fleet = FleetWindows(settings, self.store)
        self.ways: dict[str, Way] = {}
        self.to_fleet: list[Partial] = []
        self.letters: list[DeadLetter] = []
        self._seq = 0

    def send(self, messages: Sequence[Batch | Status]) -> None:
        """Let messages arrive in one journal row."""
        self._seq += 1
        envelopes = [Envelope(self.now_ms, _topic(message), "", encode(message)) for message in messages]
        decoded, letters = Decoder(RETENTION_MS).decode([JournalRow("j", self._seq, encode_row(envelopes))])
        assert not letters
        for batch in decoded.values():
            self.take(batch)

    def take(self, batch: ShardBatch) -> None:
        """Let what was decoded arrive at its shard."""
        name = batch.shard
        if name not in self.shards:
            self.shards[name] = ShardWindows(name, self.settings, self.store)
        self._pass_on(name, self.shards[name].on_batch([batch], self.now_ms))

    def tick(self, seconds: float = 1.0) -> None:
        """Let every timer run."""
        self.now_ms += int(seconds * 1000)
        for name, shard in self.shards.items():
            self._pass_on(name, shard.on_timer(self.now_ms))
        self.deliver()
        self._queue(FLEET, tuple(self.fleet.on_timer(self.now_ms)))

    def deliver(self) -> None:
        """Let the shards' partials arrive at the fleet."""
        partials, self.to_fleet = self.to_fleet, []
        if partials:
            self._queue(FLEET, tuple(self.fleet.on_batch(partials, self.now_ms)))

    def write(self, key: str = "", count: int = 1 << 30) -> None:
        """Let the store catch up, or only the first items on one key's way."""
        for name in [key] if key else list(self.ways):
            for item in self.ways[name].take(count):
                columns = [item] if isinstance(item, Columns) else []
                points = [] if isinstance(item, Columns) else list(item)
                assert self.store.write(columns, points) == []

    def snapshot(self) -> Saved:
        """A durable snapshot: what came before it has a durable place on its way to the store."""
        self.deliver()
        states = {name: pickle.dumps(shard.snapshot(self.now_ms)) for name, shard in self.shards.items()}
        for way in self.ways.values():
            way.durable = len(way.waiting)
        return Saved(states, pickle.dumps(self.fleet.snapshot()))

    def crash(self, saved: Saved, beyond: int = 0) -> None:
        """Begin again from a snapshot; of what came since, the store has or gets `beyond` items a key."""
        for way in self.ways.values():
            way.survive(beyond)
        self.to_fleet = []
        self.shards = {}
        for name, state in saved.shards.items():
            self.shards[name] = ShardWindows(name, self.settings, self.store)
            self.shards[name].restore(pickle.loads(state))  # noqa: S301 (our own)
        self.fleet = FleetWindows(self.settings, self.store)
        self.fleet.restore(pickle.loads(saved.fleet))  # noqa: S301 (our own)

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do."""
        waiting = any(way.waiting for way in self.ways.values())
        return not waiting and self.fleet.settled and all(shard.settled for shard in self.shards.values())

    def settle(self) -> None:
        """Turn, with a store that answers, until nothing is left to do."""
        self.store.answers = None
        for _ in range(2000):
            self.tick()
            self.write()
            if self.settled:
                return
        raise AssertionError("it never settles")

    def stored(self, width: str) -> dict[tuple[str, str, str, int], dict[str, float]]:
        """All usage, by level, site (of the shard level its shard), meter and start."""
        points = self.store.points("usage", {"window": width}, 0, 1 << 52)
        return {
            (p.tags["level"], p.tags["site"], p.tags["meter"], p.t_ms): {k: float(v) for k, v in p.fields.items()}
            for p in points
        }

    def _pass_on(self, key: str, outputs: Iterable[Output]) -> None:
        for output in outputs:
            if isinstance(output, Columns):
                self._queue(key, output)
                continue
            self._queue(key, tuple(one for one in output if isinstance(one, Point)))
            self.letters += [one for one in output if isinstance(one, DeadLetter)]
            self.to_fleet += [one for one in output if isinstance(one, Partial)]

    def _queue(self, key: str, item: Columns | tuple[Point, ...]) -> None:
        if isinstance(item, Columns) or item:
            self.ways.setdefault(key, Way()).waiting.append(item)


def _topic(message: Batch | Status) -> str:
    return f"wattline/v1/{message.gateway}/up/{'status' if isinstance(message, Status) else 'readings'}"
