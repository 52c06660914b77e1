"""The writer's thread: nothing is lost, nothing overtakes, whatever the store does."""

import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from cloud_stream.ports import Rejected, Store
from cloud_stream.records import Point
from cloud_stream.sinks.spool import Spool
from cloud_stream.sinks.writer import StoreWriter, WriterLimits
from cloud_stream.stores.influx import InfluxStore
from cloud_stream.stores.influx_v1 import InfluxV1
from tests.cloud_stream.sinks.conftest import HASTY, RETENTION_MS, Place
from tests.cloud_stream.stores.columns import NOW_MS, readings
from tests.cloud_stream.waiting import wait_until
from wattline.local_servers import InfluxServer

PATIENCE_S = 30.0


def values(store: Store) -> list[float]:
    found = store.readings("house-1", "m1", NOW_MS - 1_000_000, NOW_MS + 1_000_000)
    return found["power_w"].values.tolist() if found else []


def numbered(numbers: Sequence[int]) -> list[Point]:
    return [Point("usage", {"level": "meter"}, NOW_MS, {"energy_kwh": float(number)}) for number in numbers]


def mark(number: int) -> list[Point]:
    return [Point("flow_mark", {"shard": "shard-01"}, NOW_MS + number, {"incarnation": "a", "number": number})]


def stored_number(store: Store) -> float:
    points = store.points("usage", {}, NOW_MS, NOW_MS + 1)
    return float(points[0].fields["energy_kwh"]) if points else -1.0


def test_what_was_flushed_is_visible(place: Place) -> None:
    writer = place.writer()
    writer.write([readings({"power_w": [1.0, 2.0]}, [NOW_MS, NOW_MS + 1]), mark(1)])
    assert writer.flush(PATIENCE_S)
    assert values(place.store()) == [1.0, 2.0]
    assert place.store().mark("shard-01") == ("a", 1)
    assert (writer.counters.written_points, writer.counters.retries, writer.backlog_points) == (3, 0, 0)


def test_a_flush_without_writes_returns_at_once(place: Place) -> None:
    assert place.writer().flush(0.0)


def test_while_the_store_is_away_a_flush_means_safe_on_disk(place: Place) -> None:
    place.take_away()
    writer = place.writer()
    writer.write([readings({"power_w": [1.0]}, [NOW_MS])])
    assert writer.flush(PATIENCE_S)
    assert writer.spool_rows == 1
    place.give_back()
    wait_until(lambda: writer.spool_rows == 0, "the spool is empty")
    assert values(place.store()) == [1.0]


def test_without_a_spool_a_flush_waits_for_the_store(place: Place) -> None:
    place.take_away()
    writer = place.writer(spool_bytes=0)
    writer.write([readings({"power_w": [1.0]}, [NOW_MS])])
    assert not writer.flush(0.1)
    place.give_back()
    assert writer.flush(PATIENCE_S)
    assert values(place.store()) == [1.0]
    assert writer.counters.retries > 0


def test_a_store_that_is_back_soon_leaves_the_spool_alone(place: Place) -> None:
    place.take_away()
    writer = place.writer(limits=WriterLimits(first_retry_s=0.01, longest_retry_s=0.02, spool_after_s=PATIENCE_S))
    writer.write([mark(1)])
    wait_until(lambda: writer.counters.retries > 1, "a second attempt")
    place.give_back()
    assert writer.flush(PATIENCE_S)
    assert writer.counters.spooled_points == 0


def test_after_a_restart_the_spool_goes_first(place: Place) -> None:
    place.take_away()
    before = place.writer()
    before.write([numbered([1]), numbered([2])])
    assert before.flush(PATIENCE_S)
    before.close()
    place.give_back()
    after = place.writer()
    after.write([numbered([3])])
    assert after.flush(PATIENCE_S)
    wait_until(lambda: after.spool_rows == 0 and after.backlog_points == 0, "everything written")
    assert stored_number(place.store()) == 3.0


def test_nothing_overtakes_the_spool_of_a_former_life(place: Place) -> None:
    place.take_away()
    before = place.writer()
    before.write([numbered([1]), numbered([2])])
    assert before.flush(PATIENCE_S)
    before.close()
    patient = WriterLimits(first_retry_s=0.01, longest_retry_s=0.02, spool_after_s=PATIENCE_S)
    after = place.writer(limits=patient)
    after.write([numbered([3])])
    wait_until(lambda: after.counters.retries > 1, "a second attempt")
    place.give_back()
    wait_until(lambda: after.spool_rows == 0 and after.backlog_points == 0, "everything written")
    assert stored_number(place.store()) == 3.0


def test_closing_while_the_store_is_away_leaves_everything_in_the_spool(place: Place) -> None:
    place.take_away()
    writer = place.writer(limits=WriterLimits(first_retry_s=0.01, longest_retry_s=0.02, spool_after_s=PATIENCE_S))
    writer.write([mark(1), mark(2)])
    wait_until(lambda: writer.counters.retries > 0, "a first attempt")
    writer.close()
    spool = Spool(place.spool_path, 1 << 30)
    assert [row.write for row in spool.head(100)] == [mark(1), mark(2)]
    spool.close()


def test_a_full_spool_makes_writers_wait_and_loses_nothing(place: Place) -> None:
    place.take_away()
    limits = WriterLimits(backlog_points=200, spool_after_s=0.0, first_retry_s=0.01, longest_retry_s=0.05)
    writer = place.writer(spool_bytes=200_000, limits=limits)
    count = 300
    done = threading.Event()

    def write_all() -> None:
        for number in range(count):
            t_ms = [NOW_MS + number * 100 + i for i in range(100)]
            writer.write([readings({"power_w": [float(number)] * 100}, t_ms), numbered([number])])
        done.set()

    source = threading.Thread(target=write_all)
    source.start()
    wait_until(lambda: writer.counters.spool_refusals > 0, "the spool is full")
    wait_until(lambda: writer.backlog_points > limits.backlog_points, "the backlog is full")
    assert not writer.flush(0.05)
    assert not done.is_set()
    place.give_back()
    source.join(PATIENCE_S)
    assert done.is_set()
    wait_until(lambda: writer.spool_rows == 0 and writer.flush(PATIENCE_S), "everything written")
    assert sorted(values(place.store())) == sorted([float(n) for n in range(count)] * 100)
    assert stored_number(place.store()) == count - 1
    assert writer.counters.written_points == count * 101


def test_refused_rows_are_handed_over_and_the_rest_is_stored(place: Place) -> None:
    writer = place.writer()
    old_ms = NOW_MS - RETENTION_MS - 1_000_000
    writer.write([readings({"power_w": [1.0, 2.0]}, [old_ms, NOW_MS])])
    assert writer.flush(PATIENCE_S)
    assert [found.reason for found in place.rejected] == ["outside_retention"]
    assert values(place.store()) == [2.0]
    assert (writer.counters.written_points, writer.counters.rejected_rows) == (1, 1)


def test_a_spooled_row_that_nobody_can_read_is_handed_over(place: Place) -> None:
    place.take_away()
    before = place.writer()
    before.write([mark(1)])
    assert before.flush(PATIENCE_S)
    before.close()
    spool = Spool(place.spool_path, 1 << 30)
    spool._log.append_many([b"\x00 not a write"], NOW_MS)
    spool.append([mark(2)], NOW_MS)
    spool.close()
    place.give_back()
    writer = place.writer()
    wait_until(lambda: writer.spool_rows == 0, "the spool is empty")
    assert [found.reason for found in place.rejected] == ["spool_unreadable"]
    assert place.store().mark("shard-01") == ("a", 2)


def test_who_waits_learns_that_the_thread_has_died(place: Place) -> None:
    def fail() -> Store:
        raise ZeroDivisionError

    writer = StoreWriter("store-0", fail, place.rejected.extend)
    writer.write([mark(1)])
    with pytest.raises(RuntimeError, match="died"):
        writer.flush(PATIENCE_S)
    with pytest.raises(RuntimeError, match="died"):
        writer.write([mark(1)])


def test_a_closed_writer_takes_no_more(place: Place) -> None:
    writer = place.writer()
    writer.close()
    with pytest.raises(RuntimeError, match="closed"):
        writer.write([mark(1)])


def open_influx(server: InfluxServer) -> Store:
    return InfluxStore(InfluxV1(server.url, "wattline", RETENTION_MS), RETENTION_MS)


def test_a_mark_never_overtakes_while_the_database_is_killed_again_and_again(
    influxd: InfluxServer, tmp_path: Path
) -> None:
    rejected: list[Rejected] = []
    spool = Spool(tmp_path / "spool.db", 1 << 30)
    writer = StoreWriter("store-0", lambda: open_influx(influxd), rejected.extend, spool, HASTY)
    observer = open_influx(influxd)
    number = 0
    for _ in range(4):
        for _ in range(30):
            number += 1
            row = readings({"power_w": [float(number)]}, [NOW_MS + number])
            writer.write([row, mark(number)])
            assert writer.flush(PATIENCE_S)
        influxd.kill()
        for _ in range(30):
            number += 1
            writer.write([readings({"power_w": [float(number)]}, [NOW_MS + number]), mark(number)])
        assert writer.flush(PATIENCE_S)
        influxd.start()
        _, seen = observer.mark("shard-01")
        assert len(values(observer)) >= seen
    wait_until(lambda: observer.mark("shard-01") == ("a", number), "the newest mark")
    assert values(observer) == [float(n) for n in range(1, number + 1)]
    assert (rejected, writer.counters.spooled_points > 0) == ([], True)
    writer.close()
    observer.close()


FLUSHING_PROGRAM = """
import sys
from pathlib import Path
from cloud_stream.sinks.spool import Spool
from cloud_stream.sinks.writer import StoreWriter
from cloud_stream.stores.sqlite import SqliteStore
from tests.cloud_stream.sinks.conftest import HASTY, RETENTION_MS
from tests.cloud_stream.stores.columns import readings

folder, first, now_ms = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
store = lambda: SqliteStore(folder / "wattline.db", RETENTION_MS)
writer = StoreWriter("store-0", store, print, Spool(folder / "spool.db", 1 << 30), HASTY)
for number in range(first, first + 100_000):
    writer.write([readings({"power_w": [float(number)]}, [now_ms + number])])
    assert writer.flush(30)
    print(number, flush=True)
"""


def test_what_was_flushed_survives_kill_9(place: Place) -> None:
    flushed = 0
    for away in (False, True, False):
        if away:
            place.path.rename(place.path.with_suffix(".aside"))
            place.take_away()
        arguments = [sys.executable, "-c", FLUSHING_PROGRAM, str(place.path.parent), str(flushed), str(NOW_MS)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]) as child:
            assert child.stdout is not None
            for line in child.stdout:
                if int(line) >= flushed + 50:
                    break
            child.kill()
            flushed = int((child.stdout.read().split() or [line])[-1]) + 1
        if away:
            place.give_back()
            place.path.with_suffix(".aside").rename(place.path)
    writer = place.writer()
    wait_until(lambda: writer.spool_rows == 0, "the spool is empty")
    assert values(place.store())[:flushed] == [float(number) for number in range(flushed)]
