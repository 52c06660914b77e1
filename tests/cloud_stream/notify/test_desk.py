"""From the queue to the channels: one message for an outage, none for flapping, nothing lost, nobody flooded."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from cloud_stream import sqlite_book
from cloud_stream.keyed_queue import KeyedQueue
from cloud_stream.notify import desk as desk_module
from cloud_stream.notify.alert_names import name_of
from cloud_stream.notify.grouping import HOUR_MS
from cloud_stream.notify.notice_rows import notice_row
from cloud_stream.notify.silences import FOR_EVER_MS, Silence
from cloud_stream.records import Notice, Point
from tests.cloud_stream.notify.desk_rig import GROUP_WAIT_MS, Letterbox, Rig
from tests.cloud_stream.notify.notices import NOW_MS, POWER, power, silent
from wattline.config import DurationMs
from wattline.errors import LogBrokenError, LogFullError

Make = Callable[..., Rig]


@pytest.fixture
def box() -> Letterbox:
    return Letterbox()


@pytest.fixture
def make(tmp_path: Path, box: Letterbox) -> Iterator[Make]:
    made: list[Rig] = []

    def build(*channels: Letterbox, **settings: object) -> Rig:
        made.append(Rig(tmp_path, channels or [box], **settings))
        return made[-1]

    yield build
    for rig in made:
        rig.close()


def ended(key: str, **changes: object) -> Notice:
    return power(key, state="resolved", **changes)


def test_an_outage_is_one_message_and_so_is_its_end(make: Make, box: Letterbox) -> None:
    rig = make()
    for start in range(0, 1000, 100):  # meters are found silent one after another
        rig.tell(*(silent(number) for number in range(start, start + 100)))
        rig.turn(2000)
    rig.run(60_000)
    assert box.subjects == ["[warning] meter silent: 1,000 alerts at 300 sites"]
    rig.tell(*(silent(number, "resolved") for number in range(1000)))
    rig.run(60_000)
    assert box.subjects[1:] == ["[resolved] meter silent: 1,000 alerts at 300 sites"]
    assert [message.notices for message in box.taken] == [1000, 1000]


def test_what_comes_after_a_message_waits_for_the_next(make: Make, box: Letterbox) -> None:
    rig = make()
    rig.tell(silent(1))
    rig.run(11_000)
    rig.tell(silent(2), silent(3))
    rig.run(40_000)
    assert len(box.taken) == 1
    rig.run(20_000)
    assert [message.notices for message in box.taken] == [1, 2]


def test_groups_do_not_wait_for_each_other(make: Make, box: Letterbox) -> None:
    rig = make()
    rig.tell(POWER)
    rig.turn()
    rig.run(5000)
    rig.tell(silent(1))
    rig.run(6000)
    assert box.subjects == ["[critical] house-1: power above 9000 W"]
    rig.run(6000)
    assert len(box.taken) == 2


@pytest.mark.parametrize("flaps", [1, 5])
def test_what_ends_before_anybody_was_told_is_told_to_nobody(make: Make, box: Letterbox, flaps: int) -> None:
    rig = make()
    for flap in range(flaps):
        rig.tell(power(f"on-{flap}"), ended(f"off-{flap}"))
        rig.turn(1000)
    rig.run(120_000)
    assert box.taken == []
    assert rig.ledger.counts()["cancelled"] == flaps
    assert [point.fields["state"] for point in rig.points()] == ["cancelled"] * flaps


def test_flapping_around_a_limit_is_one_alert(make: Make, box: Letterbox) -> None:
    rig = make()
    rig.tell(POWER)
    rig.run(15_000)
    for flap in range(20):
        rig.tell(ended(f"off-{flap}"))
        rig.turn(1000)
        rig.tell(power(f"on-{flap}"))
        rig.turn(1000)
    rig.run(120_000)
    assert box.subjects == ["[critical] house-1: power above 9000 W"]
    rig.tell(ended("the end"))
    rig.run(20_000)
    assert box.subjects[1:] == ["[resolved] house-1: power above 9000 W"]


def test_an_end_answers_the_message_that_told_of_the_beginning(make: Make, box: Letterbox) -> None:
    rig = make()
    rig.tell(POWER)
    rig.run(70_000)
    rig.tell(ended("off"))
    rig.run(20_000)
    beginning, end = box.taken
    assert end.letter.answers == beginning.id


def test_an_end_goes_only_to_those_who_heard_of_the_beginning(make: Make, box: Letterbox) -> None:
    dead = Letterbox("json:2")
    dead.problem = "away"
    rig = make(box, dead, give_up_after=DurationMs(HOUR_MS))
    rig.tell(POWER)
    rig.run(2 * HOUR_MS, 60_000)
    dead.problem = ""
    rig.tell(ended("off"))
    rig.run(HOUR_MS, 60_000)
    assert len(box.taken) == 2
    assert dead.taken == []
    assert rig.ledger.counts()["given_up"] == 1


def test_an_end_waits_until_the_beginning_has_arrived(make: Make, box: Letterbox) -> None:
    rig = make()
    box.problem = "away"
    rig.tell(POWER)
    rig.run(15_000)
    rig.tell(ended("off"))
    rig.run(20 * 60_000, 10_000)
    box.problem = ""
    rig.run(HOUR_MS, 10_000)
    assert box.subjects == ["[critical] house-1: power above 9000 W", "[resolved] house-1: power above 9000 W"]


def test_a_channel_that_is_away_for_an_hour_loses_nothing(make: Make, box: Letterbox) -> None:
    other = Letterbox("json:2")
    rig = make(box, other)
    box.problem = "the service does not answer"
    rig.tell(POWER)
    for number in range(60):
        rig.tell(silent(number))
        rig.run(60_000, 20_000)
    assert (box.taken, other.taken[0].notices) == ([], 1)
    assert box.attempts < 300  # with jitter about 120; 7,200 looks
    assert len(other.taken) > 10
    box.problem = ""
    rig.run(HOUR_MS, 10_000)
    assert sum(message.notices for message in box.taken) == 61
    assert len({message.id for message in box.taken}) == len(box.taken)


def test_the_same_message_is_sent_at_every_attempt(make: Make, box: Letterbox) -> None:
    rig = make()
    box.problem = "away"
    rig.tell(POWER)
    rig.run(12_000)
    kept = rig.ledger.next_message(box.name, NOW_MS * 2, FOR_EVER_MS)
    rig.tell(silent(1))
    rig.restart()
    box.problem = ""
    rig.run(10_000)
    assert kept is not None
    assert (box.taken[0].id, box.taken[0].letter, box.taken[0].made_ms) == (kept.id, kept.letter, kept.made_ms)
    assert box.taken[0].attempts > 1


def test_one_bad_message_holds_up_no_other_for_long(make: Make, box: Letterbox) -> None:
    rig = make()
    box.problem = "the service answered 400"
    rig.tell(POWER)
    rig.run(12_000)
    take = box.send

    def picky(message: object) -> None:
        box.problem = "the service answered 400" if "power" in message.letter.subject else ""  # type: ignore[attr-defined]
        take(message)  # type: ignore[arg-type]

    box.send = picky  # type: ignore[method-assign]
    rig.tell(silent(1))
    rig.run(600_000, 5000)
    assert box.subjects == ["[warning] house-1/MAC000001: silent for 15 minutes"]


def test_the_surplus_of_an_hour_is_joined(make: Make, box: Letterbox) -> None:
    rig = make(max_per_hour=3)
    for number in range(10):
        rig.tell(power(str(number), group=f"rule {number}", title=f"thing {number}"))
        rig.run(60_000, 10_000)
    assert [message.notices for message in box.taken] == [1, 1, 1]
    rig.run(HOUR_MS, 60_000)
    assert [message.notices for message in box.taken] == [1, 1, 1, 7]
    assert box.subjects[3].startswith("[critical] rule 3, rule 4, rule 5 ..: 7 alerts")


@pytest.mark.parametrize(("least", "told"), [("info", 3), ("warning", 2), ("critical", 1)])
def test_the_less_severe_are_recorded_only(make: Make, box: Letterbox, least: str, told: int) -> None:
    rig = make(min_severity=least)
    rig.tell(POWER, silent(1), power("i", group="intent", state="info", severity="info", title="shift the boiler"))
    rig.run(120_000)
    assert len(box.taken) == told
    states = sorted(str(point.fields["state"]) for point in rig.points())
    assert states == sorted(["below_min_severity"] * (3 - told) + ["sent"] * told)


def test_a_notice_put_again_after_a_crash_is_told_once(make: Make, box: Letterbox) -> None:
    rig = make()
    rig.tell(POWER)
    rig.run(12_000)
    # The ledger has it, and the process dies before the queue lets it go.
    again = KeyedQueue(rig.folder / "again.db", 1 << 20)
    rig.queue = again
    rig.restart()
    rig.tell(POWER)
    rig.run(120_000)
    assert len(box.taken) == 1


def test_a_notice_that_cannot_be_read_stops_nobody(make: Make, box: Letterbox) -> None:
    rig = make()
    broken = notice_row(POWER)[1].replace(b"house-1", b"house-\xff", 1)
    rig.queue.put([("bad", b"\xff\x00"), ("worse", b"{}"), ("worst", broken)])
    rig.tell(POWER)
    rig.run(12_000)
    assert len(box.taken) == 1
    assert rig.queue.counts().outcomes == {"taken": 1, "unreadable": 3}


def test_the_store_is_told_of_every_message(make: Make, box: Letterbox) -> None:
    rig = make()
    box.problem = "the service answered 500"
    rig.tell(POWER)
    rig.turn()
    rig.turn(GROUP_WAIT_MS)
    rig.turn(500)
    fields = {"subject": "[critical] house-1: power above 9000 W", "notices": 1.0}
    assert [(point.tags, point.fields) for point in rig.points()] == [
        ({"channel": "json:1"}, fields | {"state": "waiting", "attempts": 1.0, "error": "the service answered 500"})
    ]
    box.problem = ""
    rig.run(10_000)
    assert [point.fields for point in rig.points()] == [fields | {"state": "sent", "attempts": 2.0, "error": ""}]


def test_a_store_that_is_away_holds_nobody_up(
    make: Make, box: Letterbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rig = make()
    monkeypatch.setattr(desk_module, "STORE_PAUSE_S", 0.0)
    rig.store.close()
    (tmp_path / "wattline.db").rename(tmp_path / "away")
    (tmp_path / "wattline.db").mkdir()
    box.takes_charts = True
    rig.tell(POWER)
    rig.run(15_000)
    assert len(box.taken) == 1
    (tmp_path / "wattline.db").rmdir()
    (tmp_path / "away").rename(tmp_path / "wattline.db")
    rig.turn(1000)
    assert [point.fields["state"] for point in rig.points()] == ["sent"]


def test_a_chart_comes_with_what_has_one(make: Make, box: Letterbox) -> None:
    box.takes_charts = True
    rig = make()
    tags = {"level": "site", "site": "house-1", "meter": "", "window": "5m"}
    rig.store.write([], [Point("usage", tags, NOW_MS - n * 300_000, {"power_w_mean": 100.0 * n}) for n in range(9)])
    advice = power("advice", state="info", quantity="", title="heat the boiler at noon")
    rig.tell(POWER, advice, *(silent(number) for number in range(3)))
    rig.run(15_000)
    by_group = {message.letter.subject[:10]: message.letter for message in box.taken}
    assert by_group["[critical]"].chart.startswith(b"\x89PNG")
    assert "cid:" in by_group["[critical]"].html
    assert by_group["[warning] "].chart == b""


def silence(rig: Rig, **changes: object) -> Silence:
    plain = {"id": "", "from_ms": rig.now_ms, "until_ms": rig.now_ms + HOUR_MS}
    return rig.ledger.silences.add(Silence(**(plain | changes)), rig.now_ms)  # type: ignore[arg-type]


def test_a_silenced_alert_is_recorded_and_told_when_the_silence_ends(make: Make, box: Letterbox) -> None:
    rig = make()
    kept = silence(rig, site="house-1")
    rig.tell(POWER, silent(2))
    rig.run(HOUR_MS - 1000, 30_000)
    assert box.subjects == ["[warning] house-2/MAC000002: silent for 15 minutes"]
    recorded = [point.fields for point in rig.points() if point.fields["state"] == "silenced"]
    assert [(fields["notices"], fields["error"]) for fields in recorded] == [(1.0, f"silence {kept.id}")]
    rig.restart()
    rig.run(120_000, 10_000)
    assert box.subjects[1:] == ["[critical] house-1: power above 9000 W"]


def test_what_ended_in_silence_is_never_told(make: Make, box: Letterbox) -> None:
    rig = make()
    silence(rig, rule="connection*")
    rig.tell(POWER)
    rig.run(60_000, 10_000)
    rig.tell(ended("off"))
    rig.run(2 * HOUR_MS, 60_000)
    assert box.taken == []


def test_who_was_told_hears_of_the_end_also_in_silence(make: Make, box: Letterbox) -> None:
    rig = make()
    rig.tell(POWER)
    rig.run(60_000, 10_000)
    silence(rig, rule="*")
    rig.tell(ended("off"))
    rig.run(60_000, 10_000)
    assert box.subjects[1:] == ["[resolved] house-1: power above 9000 W"]


def test_an_acknowledgement_ends_with_its_alert(make: Make, box: Letterbox) -> None:
    rig = make()
    silence(rig, alert=name_of(POWER).id, until_ms=FOR_EVER_MS)
    rig.tell(POWER, silent(1))
    rig.run(60_000, 10_000)
    assert box.subjects == ["[warning] house-1/MAC000001: silent for 15 minutes"]
    rig.tell(ended("off"))
    rig.run(60_000, 10_000)
    rig.tell(power("again"))
    rig.run(60_000, 10_000)
    assert box.subjects[1:] == ["[critical] house-1: power above 9000 W"]
    assert rig.ledger.silences.all() == []


def test_what_nobody_could_be_told_for_days_is_given_up_and_counted(make: Make, box: Letterbox) -> None:
    rig = make(max_per_hour=1, give_up_after=DurationMs(HOUR_MS // 2))
    box.problem = "away"
    rig.tell(POWER)
    rig.run(20_000, 10_000)
    rig.tell(silent(1))
    rig.run(HOUR_MS * 3 // 4, 300_000)
    rig.desk.tidy(rig.now_ms)
    counts = rig.ledger.counts()
    assert (counts["given_up"], counts["expired"]) == (1, 1)
    assert rig.ledger.next_message(box.name, rig.now_ms, FOR_EVER_MS) is None


def test_files_do_not_grow_for_ever(make: Make, box: Letterbox) -> None:
    rig = make(max_per_hour=10_000, group_interval=DurationMs(0))
    for number in range(50):
        rig.tell(power(f"on-{number}"))
        rig.run(24_000, 12_000)
        rig.tell(ended(f"off-{number}"))
        rig.run(24_000, 12_000)
    assert len(box.taken) == 100
    rig.turn()
    rig.now_ms += 8 * 86_400_000
    rig.desk.tidy(rig.now_ms)
    with sqlite3.connect(rig.folder / "notifier.db") as db:
        tables = ("taken", "notices", "open_alerts", "waiting", "told", "told_groups", "messages", "records")
        rows = {table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}  # noqa: S608 (constants)
    db.close()
    assert rows == dict.fromkeys(tables, 0)


def test_a_full_disk_loses_nothing_and_repeats_nothing(
    make: Make, box: Letterbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make()
    rig.tell(POWER)
    for turn_ms in (1000, GROUP_WAIT_MS, 1000):  # first nothing can be taken, then no message be kept
        with monkeypatch.context() as full:
            full.setattr(sqlite_book, "RESERVED_BYTES", 1 << 60)
            with suppress(LogFullError):
                rig.turn(turn_ms)
            assert box.taken == []
        if turn_ms == 1000:
            rig.turn()
    rig.run(20_000)
    assert box.subjects == ["[critical] house-1: power above 9000 W"]


def test_a_corrupt_file_is_set_aside_and_work_goes_on(make: Make, box: Letterbox) -> None:
    rig = make()
    rig.tell(POWER)
    rig.run(12_000)
    rig.ledger.close()
    (rig.folder / "notifier.db").write_bytes(b"\xa5" * 65_536)
    with pytest.raises(LogBrokenError):
        rig.turn(1000)
    rig.tell(silent(1))
    rig.run(12_000)
    assert box.subjects[1:] == ["[warning] house-1/MAC000001: silent for 15 minutes"]
    assert list(rig.folder.glob("notifier.db.corrupt-*"))
