"""A turn of rebuilding is bounded at every level, and loses nothing when it is cut short."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from cloud_stream.records import Columns, Point
from cloud_stream.sharding import SHARDS, shard_of
from cloud_stream.stores.sqlite import SqliteStore
from cloud_stream.windows.rebuilder import Rebuilder
from cloud_stream.windows.settings import WindowSettings
from cloud_stream.windows.usage_rows import usage_point
from tests.cloud_stream.windows.bench import RETENTION_MS, UnreliableStore
from tests.cloud_stream.windows.test_series import columns

NOW_MS: Final = 1_790_000_100_000
WIDTH_MS: Final = 300_000
FIRST_MS: Final = NOW_MS - NOW_MS % WIDTH_MS - 400 * WIDTH_MS
SITE: Final = "s"
METERS: Final = 5
WINDOWS: Final = 40
SETTINGS: Final = WindowSettings(widths_ms=(WIDTH_MS,), piece_rows=4 * METERS, turn_rows=9 * METERS)
EVERY_WINDOW: Final = {(WIDTH_MS, FIRST_MS + n * WIDTH_MS) for n in range(WINDOWS)}


class Nothing:
    """A shard that has no window in memory."""

    def owns(self, site: str, width_ms: int, window: int) -> bool:
        del site, width_ms, window
        return False

    def is_main(self, site: str, meter: str) -> bool:
        del site, meter
        return True

    def sites(self) -> int:
        return 1

    def meters_of(self, site: str) -> int:
        del site
        return METERS


class Turns:
    """A rebuilder whose rows are written between its turns."""

    def __init__(self, path: Path, settings: WindowSettings) -> None:
        self.now_ms = NOW_MS
        self.store = UnreliableStore(SqliteStore(path, RETENTION_MS, lambda: self.now_ms))
        self.store.prepare()
        self.rebuilder = Rebuilder(shard_of(SITE), settings, self.store, Nothing())
        self.sums: list[tuple[int, float]] = []

    def turn(self) -> int:
        """Let one timer run; how many rows it made."""
        self.now_ms += 3_000
        points, partials = self.rebuilder.step(self.now_ms)
        self.store.write([], points)
        self.sums += [(one.start_ms, one.fields["energy_kwh"]) for one in partials]
        return len([point for point in points if point.measurement == "usage"]) + len(partials)

    def until_done(self) -> list[int]:
        """The rows of each turn."""
        made = []
        while self.rebuilder.busy:
            made.append(self.turn())
            assert len(made) < 1000, "it never ends"
        return made


@pytest.fixture
def turns(tmp_path: Path) -> Iterator[Turns]:
    made = Turns(tmp_path / "store.db", SETTINGS)
    yield made
    made.store.close()


def rows_of_meters() -> list[Point]:
    return [
        usage_point("meter", SITE, f"m{meter}", width_ms, start_ms, {"energy_kwh": 1.0 + meter})
        for width_ms, start_ms in EVERY_WINDOW
        for meter in range(METERS)
    ]


def test_a_site_is_rebuilt_piece_by_piece(turns: Turns) -> None:
    turns.store.write([], rows_of_meters())
    turns.rebuilder.restore(({}, {SITE: set(EVERY_WINDOW)}, set()))
    made = turns.until_done()
    assert made[:7] == [0, 8, 8, 8, 8, 8, 0], "the mark, two pieces of four windows a turn, and the sums' mark"
    assert sorted(turns.sums) == [(start_ms, 15.0) for _, start_ms in sorted(EVERY_WINDOW)]


def test_the_sums_of_a_shard_are_rebuilt_piece_by_piece(tmp_path: Path) -> None:
    settings = WindowSettings(widths_ms=(WIDTH_MS,), piece_rows=4 * SHARDS, turn_rows=13)
    turns = Turns(tmp_path / "store.db", settings)
    turns.store.write([], [usage_point("site", SITE, "", *window, {"energy_kwh": 2.0}) for window in EVERY_WINDOW])
    turns.rebuilder.restore(({}, {}, set(EVERY_WINDOW)))
    made = turns.until_done()
    assert made == [0] + [8] * (WINDOWS // 8)
    assert sorted(turns.sums) == [(start_ms, 2.0) for _, start_ms in sorted(EVERY_WINDOW)]
    turns.store.close()


def raw(meters: int, seconds: int) -> Columns:
    times = [FIRST_MS + n * 1000 for n in range(seconds)]
    return columns(*((f"m{n}", times, [1.0] * seconds) for n in range(meters)), quantity="power_w")


def test_what_is_read_of_meters_counts_too(tmp_path: Path) -> None:
    turns = Turns(tmp_path / "store.db", WindowSettings(widths_ms=(WIDTH_MS,), turn_rows=20))
    turns.store.write([raw(meters=3, seconds=600)], [])
    for meter in range(3):
        turns.rebuilder.ask_meter(SITE, f"m{meter}", (FIRST_MS, FIRST_MS + 599_999))
    made = [turns.turn() for _ in range(4)]
    assert made == [0, 2, 2, 2], "the mark, and then one meter a turn: each is over a thousand raw rows"
    turns.store.close()


@pytest.mark.parametrize("answers", range(5))
def test_a_store_that_stops_answering_in_the_middle_of_a_site(turns: Turns, answers: int) -> None:
    turns.store.write([], rows_of_meters())
    turns.rebuilder.restore(({}, {SITE: set(EVERY_WINDOW)}, set()))
    while turns.rebuilder.busy:
        turns.store.answers = answers
        turns.turn()
        turns.store.answers = None
        turns.turn()
    assert sorted(turns.sums) == [(start_ms, 15.0) for _, start_ms in sorted(EVERY_WINDOW)]


def test_a_site_that_was_rebuilt_a_moment_ago_rests(turns: Turns) -> None:
    turns.store.write([columns(("m0", [FIRST_MS, FIRST_MS + 60_000], [1.0, 2.0]))], [])
    began = []
    for _ in range(20):  # as the readings of a current window do, turn after turn
        turns.rebuilder.ask_meter(SITE, "m0", (FIRST_MS, FIRST_MS))
        before = turns.rebuilder.has_begun(SITE, "m0")
        turns.turn()
        if turns.rebuilder.has_begun(SITE, "m0") and not before:
            began.append(turns.now_ms)
    assert len(began) > 2
    assert all(later - earlier >= SETTINGS.rest_ms for earlier, later in pairwise(began))
    assert turns.until_done()


def test_a_clock_that_was_set_back_makes_nobody_rest(turns: Turns) -> None:
    turns.rebuilder.ask_meter(SITE, "m0", (FIRST_MS, FIRST_MS))
    turns.until_done()
    turns.now_ms -= 3_600_000
    turns.rebuilder.ask_meter(SITE, "m0", (FIRST_MS, FIRST_MS))
    turns.turn()
    assert turns.rebuilder.has_begun(SITE, "m0")
