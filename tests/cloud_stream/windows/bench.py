"""Shards, fleet and a real store, driven without an engine: what the tests turn."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from cloud_stream.decode import Decoder, JournalRow
from cloud_stream.journal import encode_row
from cloud_stream.records import Columns, Envelope, Partial, Point
from cloud_stream.stores.sqlite import SqliteStore
from cloud_stream.windows.fleet import FleetWindows
from cloud_stream.windows.settings import WindowSettings
from cloud_stream.windows.shard import Output, ShardWindows
from wattline.wire import Batch, encode

RETENTION_MS = 400 * 86_400_000


class Rig:
    """A whole flow in one thread; the store lags by as many outputs as told."""

    def __init__(self, path: Path, settings: WindowSettings, now_ms: int) -> None:
        self.now_ms = now_ms
        self.store = SqliteStore(path, RETENTION_MS, lambda: self.now_ms)
        self.store.prepare()
        self.settings = settings
        self.shards: dict[str, ShardWindows] = {}
        self.fleet = FleetWindows(settings, self.store)
        self.queue: list[Columns | tuple[Point, ...]] = []
        self._seq = 0

    def send(self, batches: Sequence[Batch]) -> None:
        """Let messages arrive in one journal row."""
        self._seq += 1
        envelopes = [
            Envelope(self.now_ms, f"wattline/v1/{b.gateway}/up/readings", "", encode(b)) for b in batches
        ]
        decoded, letters = Decoder(RETENTION_MS).decode([JournalRow("j", self._seq, encode_row(envelopes))])
        assert not letters
        for name, batch in decoded.items():
            if name not in self.shards:
                self.shards[name] = ShardWindows(name, self.settings, self.store)
            self._take(self.shards[name].on_batch([batch], self.now_ms))

    def tick(self, seconds: float = 1.0) -> None:
        """Let every timer run."""
        self.now_ms += int(seconds * 1000)
        for shard in self.shards.values():
            self._take(shard.on_timer(self.now_ms))
        points = self.fleet.on_timer(self.now_ms)
        if points:
            self.queue.append(tuple(points))

    def write(self) -> None:
        """Let the store catch up."""
        queue, self.queue = self.queue, []
        for item in queue:
            columns = [item] if isinstance(item, Columns) else []
            points = [] if isinstance(item, Columns) else list(item)
            assert self.store.write(columns, points) == []

    def crash(self, snapshot: "tuple[dict[str, object], object]") -> None:
        """Begin again from a snapshot; what was queued since is lost."""
        shards, fleet = snapshot
        self.queue = []
        self.shards = {}
        for name, state in shards.items():
            self.shards[name] = ShardWindows(name, self.settings, self.store)
            self.shards[name].restore(state)  # type: ignore[arg-type]
        self.fleet = FleetWindows(self.settings, self.store)
        self.fleet.restore(fleet)  # type: ignore[arg-type]

    def snapshot(self) -> "tuple[dict[str, object], object]":
        """A durable snapshot: the store has what came before it."""
        states: dict[str, object] = {name: s.snapshot(self.now_ms) for name, s in self.shards.items()}
        fleet = self.fleet.snapshot()
        self.write()
        return states, fleet

    def settle(self) -> None:
        """Turn until nothing is left to do."""
        for _ in range(200):
            self.tick()
            self.write()
            if self.fleet.settled and all(s.settled for s in self.shards.values()) and not self.queue:
                return
        raise AssertionError("it never settles")

    def stored(self, width: str) -> dict[tuple[str, str, str, int], dict[str, float]]:
        """All usage but the shards', by level, site, meter and start."""
        points = self.store.usage({"window": width}, 0, 1 << 52)
        return {
            (p.tags["level"], p.tags["site"], p.tags["meter"], p.t_ms): {k: float(v) for k, v in p.fields.items()}
            for p in points
            if p.tags["level"] != "shard"
        }

    def _take(self, outputs: Iterable[Output]) -> None:
        for output in outputs:
            if isinstance(output, tuple) and output and isinstance(output[0], Partial):
                partials = [p for p in output if isinstance(p, Partial)]
                self.queue.append(tuple(self.fleet.on_batch(partials, self.now_ms)))
            else:
                self.queue.append(output)  # type: ignore[arg-type]
