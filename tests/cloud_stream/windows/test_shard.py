"""One shard: what it passes on, emits, lets go, and asks to be rebuilt."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from cloud_stream.measurements import width_label
from cloud_stream.sharding import shard_of
from cloud_stream.windows import series, shard
from cloud_stream.windows.settings import WindowSettings
from cloud_stream.windows.shard import ShardWindows
from tests.cloud_stream.windows.bench import Rig
from tests.cloud_stream.windows.plain import Key, Value, usage
from wattline.wire import Batch, Frame, MeterInfo, Status

NOW_MS: Final = 1_790_000_100_000
BASE_MS: Final = NOW_MS - NOW_MS % 1_800_000
MINUTE: Final = 60_000
A, B, ELSEWHERE = "house", "site-31", "site-1"
"""Sites; the first two share a shard."""
SETTINGS: Final = WindowSettings(widths_ms=(300_000,), idle_ms=20_000)


def value_at(minute: float) -> float:
    """Grows, and not evenly: a late reading changes how consumption is spread."""
    return minute * abs(minute) / 400


class Scene:
    """A rig, what was sent to it, and what it should hold in the end."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.values: list[Value] = []
        self.subs: set[tuple[str, str]] = set()
        self._seq = 0

    def send(self, site: str, meter: str, *minutes: float, quantity: str = "energy_import_kwh") -> None:
        """Let readings arrive."""
        self._seq += 1
        times = [BASE_MS + int(minute * MINUTE) for minute in minutes]
        values = [value_at(minute) for minute in minutes]
        self.values += [Value(site, meter, quantity, t_ms, value) for t_ms, value in zip(times, values, strict=True)]
        frame = Frame(meter, times, {quantity: list(values)})
        self.rig.send([Batch(v=1, gateway=site, site=site, log="log", seq=self._seq, frames=[frame])])

    def birth(self, site: str, **roles: str) -> None:
        """Let a birth arrive."""
        meters = [MeterInfo(id=name, kind="electricity", role=role) for name, role in roles.items()]
        self.subs -= {(site, name) for name in roles}
        self.subs |= {(site, name) for name, role in roles.items() if role != "main"}
        self.rig.send([Status(v=1, gateway=site, site=site, state="online", session=1, meters=meters)])

    def shard(self, site: str = A) -> ShardWindows:
        return self.rig.shards[shard_of(site)]

    def tick_and_write(self, seconds: float = 1.0) -> None:
        self.rig.tick(seconds)
        self.rig.write()

    def written(self) -> int:
        """How many rows of usage wait to be written."""
        points = [item for way in self.rig.ways.values() for item in way.waiting if isinstance(item, tuple)]
        return sum(point.measurement == "usage" for item in points for point in item)

    def check(self) -> None:
        """Settle, and compare with windows computed from the set of readings."""
        self.rig.settle()
        expected = usage(self.values, 300_000, self.subs)
        assert {k: pytest.approx(v) for k, v in expected.items()} == self.stored()

    def stored(self) -> dict[Key, dict[str, float]]:
        return self.rig.stored("5m")


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(Rig(tmp_path / "store.db", SETTINGS, NOW_MS))
    yield made
    made.rig.store.close()


def test_a_repeated_batch_is_counted_and_goes_nowhere(scene: Scene) -> None:
    frames = [Frame("m", [BASE_MS], {"power_w": [1.0]})]
    batch = Batch(v=1, gateway="g", site=A, log="log", seq=1, frames=frames)
    scene.rig.send([batch, batch])
    scene.rig.send([batch])
    assert dict(scene.shard().counts) == {"batches": 1, "duplicates": 2, "readings": 1}
    assert len(scene.rig.ways[shard_of(A)].waiting) == 1


def test_a_batch_that_repeats_another_under_a_new_number_changes_nothing(scene: Scene) -> None:
    scene.send(A, "m", 0, 1, 2)
    scene.tick_and_write()
    scene.send(A, "m", 0, 1, 2)
    assert scene.shard().counts["duplicates"] == 0
    scene.check()


def test_a_changed_window_is_emitted_once_per_change(scene: Scene) -> None:
    scene.send(A, "m", 0, 1, quantity="power_w")
    counts = []
    for _ in range(2):
        scene.rig.tick()
        counts.append(scene.written())
        scene.rig.write()
    scene.send(A, "m", 2, quantity="power_w")
    scene.rig.tick()
    counts.append(scene.written())
    assert counts == [4, 0, 4], "meter, site, shard and fleet; nothing; all four again"


def test_only_main_meters_make_the_site(scene: Scene) -> None:
    scene.birth(A, m="main", part="sub", roof="production")
    for meter in ("m", "part", "roof"):
        scene.send(A, meter, 0, 4)
    scene.check()
    assert scene.stored()["site", A, "", BASE_MS] == {"energy_kwh": value_at(4)}


def test_a_meter_that_turns_out_to_be_a_sub_meter_leaves_the_sums_in_memory(scene: Scene) -> None:
    scene.send(A, "m", 0, 4)
    scene.send(A, "part", 0, 4)
    scene.tick_and_write()
    scene.birth(A, part="sub")
    scene.check()


def test_roles_survive_a_crash(scene: Scene) -> None:
    scene.birth(A, part="sub")
    saved = scene.rig.snapshot()
    scene.rig.crash(saved)
    scene.send(A, "m", 0, 4)
    scene.send(A, "part", 0, 4)
    scene.check()


def test_readings_in_order_are_never_asked_of_the_store(scene: Scene) -> None:
    scene.rig.store.answers = 0
    for minute in range(60):
        scene.send(A, "m", minute)
        scene.tick_and_write()
    assert scene.shard().settled
    scene.check()


def test_a_late_reading_waits_until_the_store_shows_its_row(scene: Scene) -> None:
    scene.send(A, "m", 0, 4)
    scene.tick_and_write()
    before = scene.stored()
    scene.send(A, "m", 2)
    for _ in range(5):
        scene.rig.tick()
    assert scene.stored() == before
    assert not scene.shard().settled
    assert not scene.shard()._site_rows
    scene.check()


def test_a_late_reading_splits_a_stretch_over_a_window_that_another_meter_holds(scene: Scene) -> None:
    """The far end of the stretch has left memory; a window in its middle is back, by the other meter."""
    scene.send(A, "m", 22)
    scene.tick_and_write()
    scene.send(A, "other", 12)
    scene.tick_and_write(10)
    scene.send(A, "other", 13)
    scene.tick_and_write(15)
    table = scene.shard()._tables[300_000]
    assert [window * 300_000 - BASE_MS for _, window in table._touched] == [10 * MINUTE]
    scene.send(A, "m", 1)
    scene.check()


def test_a_late_reading_above_windows_of_a_stretch_whose_begin_has_left(scene: Scene) -> None:
    scene.send(A, "m", 0)
    scene.tick_and_write(30)
    scene.send(A, "m", 22)
    scene.tick_and_write()
    scene.send(A, "m", 21)
    scene.check()


def test_rebuilding_never_overwrites_a_window_that_is_in_memory(scene: Scene) -> None:
    scene.send(A, "m", 2, 5)
    scene.tick_and_write()
    scene.send(A, "m", 1)
    scene.send(A, "m", 11)
    scene.tick_and_write()
    scene.send(A, "m", 12, 13)  # in memory and emitted, and not in the store when the others are rebuilt
    scene.rig.tick()
    assert scene.shard()._rebuilder.counts["rebuilt_windows"]
    scene.check()


def test_rebuilding_sites_never_overwrites_a_window_that_is_in_memory(scene: Scene) -> None:
    """The window lies between two that are rebuilt."""
    scene.send(A, "m", 21, 22)
    scene.tick_and_write()
    scene.send(A, "n", 11, 12)
    scene.tick_and_write(12)
    scene.tick_and_write(11)
    table = scene.shard()._tables[300_000]
    assert [window * 300_000 - BASE_MS for _, window in table._touched] == [10 * MINUTE]
    scene.send(A, "new", 1, quantity="power_w")
    scene.send(A, "newer", 21, quantity="power_w")
    for _ in range(3):
        scene.tick_and_write()
    scene.send(A, "n", 13)  # emitted, and not in the store when the others' sites are rebuilt
    scene.rig.tick()
    scene.check()


def test_a_window_that_leaves_while_its_meter_is_rebuilt_is_rebuilt_once_more(scene: Scene) -> None:
    scene.send(A, "m", 2, 5)
    scene.tick_and_write()
    scene.send(A, "m", 1)
    scene.send(A, "m", 11)
    scene.tick_and_write()
    scene.send(A, "m", 12, 13)
    scene.shard().on_batch([], NOW_MS)
    scene.shard()._fold(NOW_MS - 3600 * 1000)  # touched long ago: it is emitted and leaves in the next turn
    scene.rig.tick(11)
    assert not scene.shard()._tables[300_000].holds(0, (BASE_MS + 12 * MINUTE) // 300_000)
    assert scene.shard()._rebuilder.counts["rebuilt_windows"]
    scene.check()


def test_the_shard_is_the_sum_of_its_sites_also_when_one_has_left_memory(scene: Scene) -> None:
    scene.send(A, "m", 0, 1)
    scene.send(ELSEWHERE, "m", 0, 1)
    scene.tick_and_write()
    scene.send(B, "m", 0, 1)
    scene.tick_and_write(15)
    scene.tick_and_write(11)
    scene.send(B, "m", 2)
    scene.check()
    assert scene.stored()["shard", shard_of(A), "", BASE_MS] == pytest.approx({"energy_kwh": value_at(1) + value_at(2)})


def test_a_sum_that_is_due_when_a_newer_window_of_another_site_leaves(scene: Scene) -> None:
    scene.send(A, "m", 6, 7)
    scene.tick_and_write()
    scene.send(A, "m2", 1, 2)
    scene.tick_and_write(15)
    scene.send(B, "m", 1, 2)
    scene.tick_and_write(12)
    assert not scene.shard()._tables[300_000].holds(0, (BASE_MS + 6 * MINUTE) // 300_000)
    scene.check()


@pytest.mark.parametrize("turns_away", range(3))
@pytest.mark.parametrize("answers", range(6))
def test_a_store_that_stops_answering_loses_no_work(scene: Scene, answers: int, turns_away: int) -> None:
    scene.send(A, "m", 0, 7, 12)
    scene.send(A, "n", 0, 7, 12)
    scene.tick_and_write(30)
    scene.send(A, "m", 5)
    scene.send(A, "n", 6)
    for turn in range(20):
        scene.rig.store.answers = answers if turn % 3 == turns_away else None
        scene.tick_and_write(3)
    scene.check()


def test_an_unanswered_question_is_not_repeated_at_once(scene: Scene) -> None:
    scene.send(A, "m", 0, 7)
    scene.tick_and_write()
    scene.send(A, "m", 5)
    scene.tick_and_write()
    scene.rig.store.answers = 0
    for _ in range(4):
        scene.tick_and_write()
    assert scene.shard()._rebuilder.counts["waits"] == 2
    scene.check()


def test_after_a_crash_everything_in_memory_is_emitted_again(scene: Scene) -> None:
    scene.send(A, "m", 0, 1)
    scene.rig.tick()
    saved = scene.rig.snapshot()
    scene.rig.ways.clear()
    scene.rig.crash(saved)
    scene.rig.store.write([], [])
    scene.rig.tick()
    assert scene.written() == 4


def test_what_was_marked_before_a_crash_is_marked_anew(scene: Scene) -> None:
    scene.send(A, "m", 0, 7)
    scene.tick_and_write()
    scene.send(A, "m", 5)
    scene.rig.tick()
    saved = scene.rig.snapshot()
    scene.rig.write()
    assert scene.rig.store.mark(shard_of(A))[1] == 1
    scene.rig.crash(saved)
    scene.rig.tick()
    assert not scene.shard()._rebuilder.counts["rebuilt_windows"], "the stored mark is from before"
    scene.check()


def test_memory_is_bounded_by_time(scene: Scene) -> None:
    for minute in range(0, 600, 5):
        scene.send(A, "m", minute)
        scene.send(B, "m", minute)
        scene.tick_and_write(11)
    shard = scene.shard()
    assert len(shard._tables[300_000]) <= 8
    assert len(shard._site_rows) <= 4
    scene.check()


def test_memory_is_bounded_by_count_but_keeps_the_newest_of_each_series(tmp_path: Path) -> None:
    settings = WindowSettings(widths_ms=(300_000,), max_cells=3, min_windows=2)
    scene = Scene(Rig(tmp_path / "store.db", settings, NOW_MS))
    for minute in range(0, 100, 5):
        for meter in ("a", "b", "c"):
            scene.send(A, meter, minute)
        scene.tick_and_write()
    cells = scene.shard()._tables[300_000].cells
    assert 3 <= len(cells) <= 6
    assert set(cells.series.tolist()) == {0, 1, 2}
    scene.check()


def test_readings_beyond_the_bound_are_folded_at_once(tmp_path: Path) -> None:
    scene = Scene(Rig(tmp_path / "store.db", WindowSettings(fold_rows=3), NOW_MS))
    scene.send(A, "m", 0, 1, 2)
    assert scene.shard()._unfolded
    scene.send(A, "m", 3)
    assert not scene.shard()._unfolded


def test_one_reading_ahead_of_time_delays_the_others_and_changes_nothing(scene: Scene) -> None:
    scene.send(A, "m", 0, 1)
    scene.send(A, "m", 20 * 60)
    scene.tick_and_write()
    for minute in range(2, 20):
        scene.send(A, "m", minute)
        scene.tick_and_write()
    scene.check()


def test_a_register_that_was_silent_for_days(scene: Scene) -> None:
    scene.send(A, "m", -30 * 60)
    scene.send(A, "other", -30 * 60, -6 * 60)
    scene.tick_and_write()
    scene.send(A, "m", 0, 7)
    scene.check()


def test_a_corrected_newest_reading_counts_for_the_next_window(scene: Scene) -> None:
    scene.send(A, "m", 0, 4)
    scene.tick_and_write()
    frame = Frame("m", [BASE_MS + 4 * MINUTE], {"energy_import_kwh": [3.0]})
    scene.rig.send([Batch(v=1, gateway=A, site=A, log="other", seq=1, frames=[frame])])
    scene.values.append(Value(A, "m", "energy_import_kwh", BASE_MS + 4 * MINUTE, 3.0))
    scene.send(A, "m", 5, 9)
    scene.check()


def test_frames_with_too_many_series_become_dead_letters(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series, "MAX_SITE_SERIES", 2)
    scene.send(A, "m", 0, 4)
    scene.send(A, "n", 0, 4)
    for _ in range(2):
        frames = [Frame(meter, [BASE_MS + 9 * MINUTE], {"energy_import_kwh": [9.0]}) for meter in ("x", "y")]
        scene.rig.send([Batch(v=1, gateway=A, site=A, log="other", seq=1, frames=frames)])
    scene.send(B, "m", 0, 4)
    found = [(letter.journal, letter.seq, letter.index, letter.reason, letter.detail) for letter in scene.rig.letters]
    assert found == [("j", 3, 0, "too_many_series", "x: energy_import_kwh")], "one for the message, none for its repeat"
    assert scene.rig.letters[0].topic == f"wattline/v1/{A}/up/readings"
    assert scene.shard().counts["too_many_series"] == 1
    scene.check()
    assert not scene.rig.store.readings(A, "x", 0, 1 << 52)


def test_the_other_frames_of_such_a_message_are_taken(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series, "MAX_SITE_SERIES", 2)
    scene.send(A, "m", 0, 4)
    times = [BASE_MS + 9 * MINUTE]
    frames = [Frame(meter, list(times), {"energy_import_kwh": [9.0]}) for meter in ("m", "n", "x")]
    scene.rig.send([Batch(v=1, gateway=A, site=A, log="other", seq=1, frames=frames)])
    scene.values += [Value(A, meter, "energy_import_kwh", times[0], 9.0) for meter in ("m", "n")]
    assert [letter.detail for letter in scene.rig.letters] == ["x: energy_import_kwh"]
    scene.check()


def test_roles_are_bounded_and_those_that_are_known_may_change(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard, "MAX_SITE_ROLES", 1)
    scene.birth(A, part="sub")
    scene.birth(A, part="production", m="main")
    assert not scene.rig.letters
    scene.birth(A, another="sub", third="sub")
    assert [(letter.seq, letter.detail) for letter in scene.rig.letters] == [(3, "the role of another")]
    scene.birth(B, part="sub")
    scene.birth(A, part="main")
    scene.birth(A, another="sub")
    assert len(scene.rig.letters) == 1
    assert not scene.shard().is_main(A, "another")
    assert scene.shard().is_main(A, "part")


@pytest.mark.parametrize("widths_ms", [(60_000,), (900_000,), (300_000, 900_000), (60_000, 300_000)])
def test_windows_of_other_lengths_begin_with_what_the_store_has(scene: Scene, widths_ms: tuple[int, ...]) -> None:
    scene.send(A, "m", 0, 1, 2, 6, 7)
    scene.send(ELSEWHERE, "m", 1, 3, quantity="power_w")
    scene.tick_and_write()
    scene.send(A, "m", 8)
    scene.rig.tick()
    saved = scene.rig.snapshot()
    scene.rig.settings = WindowSettings(widths_ms=widths_ms, idle_ms=20_000)
    scene.rig.crash(saved)
    scene.send(A, "m", 9, 16)
    scene.send(ELSEWHERE, "m", 4, 11, quantity="power_w")
    scene.rig.settle()
    for width_ms in widths_ms:
        expected = usage(scene.values, width_ms, scene.subs)
        assert {key: pytest.approx(row) for key, row in expected.items()} == scene.rig.stored(width_label(width_ms))
