"""The fleet's windows: shards replace their own words, and what has left is rebuilt from the store."""

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from cloud_stream.records import Partial, Point
from cloud_stream.stores.sqlite import SqliteStore
from cloud_stream.windows.fleet import FleetWindows
from cloud_stream.windows.settings import WindowSettings
from tests.cloud_stream.windows.bench import RETENTION_MS, UnreliableStore

NOW_MS: Final = 1_790_000_100_000
WIDTH_MS: Final = 300_000
FIRST_MS: Final = NOW_MS - NOW_MS % WIDTH_MS
SETTINGS: Final = WindowSettings(widths_ms=(WIDTH_MS,), fleet_windows=2, idle_ms=60_000)


class Fleet:
    """The fleet, and a store that it writes to when told."""

    def __init__(self, path: Path, settings: WindowSettings = SETTINGS) -> None:
        self.now_ms = NOW_MS
        self.store = UnreliableStore(SqliteStore(path, RETENTION_MS, lambda: self.now_ms))
        self.store.prepare()
        self.windows = FleetWindows(settings, self.store)
        self.waiting: list[Point] = []

    def hear(self, shard: str, window: int, kwh: float) -> None:
        partial = Partial(shard, WIDTH_MS, FIRST_MS + window * WIDTH_MS, {"energy_kwh": kwh})
        self.waiting += self.windows.on_batch([partial], self.now_ms)

    def tick(self, seconds: float = 1.0) -> list[tuple[int, float]]:
        """Let the timer run; the fleet's rows as (window, kWh)."""
        self.now_ms += int(seconds * 1000)
        points = self.windows.on_timer(self.now_ms)
        self.waiting += points
        return rows(points)

    def write(self) -> None:
        self.store.write([], self.waiting)
        self.waiting = []

    def settle(self) -> list[tuple[int, float]]:
        """What the store shows of the fleet when nothing is left to do."""
        self.store.answers = None
        for _ in range(20):
            self.tick(3)
            self.write()
            if self.windows.settled:
                return rows(list(self.store.points("usage", {"level": "fleet"}, 0, 1 << 52)))
        raise AssertionError("it never settles")


def rows(points: list[Point]) -> list[tuple[int, float]]:
    return [
        ((point.t_ms - FIRST_MS) // WIDTH_MS, float(point.fields["energy_kwh"]))
        for point in points
        if point.tags.get("level") == "fleet"
    ]


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path / "store.db")


def test_shards_add_up_and_each_replaces_its_last_word(fleet: Fleet) -> None:
    fleet.hear("shard-01", 0, 1.0)
    fleet.hear("shard-02", 0, 2.0)
    assert fleet.tick() == [(0, 3.0)]
    fleet.hear("shard-01", 0, 5.0)
    assert fleet.tick() == [(0, 7.0)]
    assert fleet.tick() == []


def test_a_partial_is_written_as_the_row_of_its_shard(fleet: Fleet) -> None:
    fleet.hear("shard-01", 0, 1.0)
    assert [(p.tags["level"], p.tags["site"], p.fields) for p in fleet.waiting] == [
        ("shard", "shard-01", {"energy_kwh": 1.0})
    ]


def test_a_window_is_emitted_before_it_leaves(fleet: Fleet) -> None:
    for window in range(5):
        fleet.hear("shard-01", window, float(window))
    assert fleet.tick() == [(window, float(window)) for window in range(5)]
    assert len(fleet.windows._windows) == 2


@pytest.mark.parametrize("away", ["crowded", "idle"])
def test_a_window_that_has_left_is_rebuilt_from_the_rows_of_its_shards(fleet: Fleet, away: str) -> None:
    fleet.hear("shard-01", 0, 1.0)
    fleet.hear("shard-02", 0, 2.0)
    for window in range(1, 4 if away == "crowded" else 1):
        fleet.hear("shard-01", window, 0.5)
    fleet.tick(61 if away == "idle" else 1)
    fleet.write()
    fleet.hear("shard-02", 0, 7.0)
    assert (0, 8.0) in fleet.settle()


def test_the_rows_of_shards_must_be_visible_before_they_are_added_up(fleet: Fleet) -> None:
    fleet.hear("shard-01", 0, 1.0)
    fleet.tick(61)
    fleet.write()
    fleet.hear("shard-02", 0, 2.0)
    assert [fleet.tick() for _ in range(4)] == [[], [], [], []]
    fleet.write()
    assert fleet.tick() == [(0, 3.0)]


def test_only_what_was_asked_for_is_rebuilt(fleet: Fleet) -> None:
    """Windows between those asked for may be in memory, and newer there than in the store."""
    for window in (0, 1, 3):
        fleet.hear("shard-01", window, 1.0)
    fleet.tick(61)
    fleet.write()
    fleet.hear("shard-01", 0, 2.0)
    fleet.hear("shard-01", 3, 2.0)
    fleet.tick()
    fleet.write()
    assert fleet.tick() == [(0, 2.0), (3, 2.0)]


def test_a_store_that_does_not_answer_is_asked_again_later(fleet: Fleet) -> None:
    fleet.hear("shard-01", 0, 1.0)
    fleet.tick(61)
    fleet.hear("shard-01", 0, 2.0)
    fleet.tick()
    fleet.write()
    fleet.store.answers = 0
    for _ in range(4):
        assert fleet.tick() == []
    assert fleet.windows.counts["waits"] == 2
    fleet.store.answers = 1  # the mark, but not the rows
    for _ in range(4):
        assert fleet.tick() == []
    assert fleet.settle() == [(0, 2.0)]


@pytest.mark.parametrize("answers", [1, 2, None])
def test_what_has_left_is_rebuilt_piece_by_piece(tmp_path: Path, answers: int | None) -> None:
    fleet = Fleet(tmp_path / "store.db", replace(SETTINGS, piece_rows=1, turn_rows=6))
    for window in range(8):
        fleet.hear("shard-01", window, 1.0)
    fleet.tick(61)
    for window in range(8):
        fleet.hear("shard-01", window, 2.0)
    fleet.tick()
    fleet.write()
    fleet.store.answers = answers
    assert fleet.tick() == [(window, 2.0) for window in range({1: 0, 2: 1, None: 3}[answers])]
    assert fleet.settle() == [(window, 2.0) for window in range(8)]


@pytest.mark.parametrize("turns", [0, 1], ids=["asked for", "marked"])
def test_work_survives_a_crash(fleet: Fleet, turns: int) -> None:
    fleet.hear("shard-01", 0, 1.0)
    fleet.tick(61)
    fleet.write()
    fleet.hear("shard-01", 0, 2.0)
    for _ in range(turns):
        fleet.tick()
    state = fleet.windows.snapshot()
    kept = pickle.dumps(state)
    fleet.hear("shard-01", 9, 2.0)
    fleet.tick()
    assert pickle.dumps(state) == kept
    fleet.windows = FleetWindows(SETTINGS, fleet.store)
    fleet.windows.restore(pickle.loads(kept))  # noqa: S301 (our own)
    assert (0, 2.0) in fleet.settle()


def test_after_a_crash_windows_in_memory_are_emitted_again(fleet: Fleet) -> None:
    fleet.hear("shard-01", 0, 1.0)
    fleet.tick()
    state = fleet.windows.snapshot()
    fleet.windows = FleetWindows(SETTINGS, fleet.store)
    fleet.windows.restore(state)
    assert fleet.tick() == [(0, 1.0)]


def test_after_a_crash_it_is_known_what_has_left(fleet: Fleet) -> None:
    fleet.hear("shard-01", 0, 1.0)
    fleet.tick(61)
    fleet.write()
    state = fleet.windows.snapshot()
    fleet.windows = FleetWindows(SETTINGS, fleet.store)
    fleet.windows.restore(state)
    fleet.hear("shard-02", 0, 2.0)
    assert fleet.tick() == []
    assert fleet.settle() == [(0, 3.0)]
