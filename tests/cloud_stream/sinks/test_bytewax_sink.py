"""The sinks inside a real dataflow."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
import pytest
from bytewax import recovery, testing
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSource

from cloud_stream.dead_letters import SqliteDeadLetters
from cloud_stream.ports import Rejected
from cloud_stream.records import DeadLetter, Point, Write
from cloud_stream.sharding import FLEET, SHARDS
from cloud_stream.sinks.bytewax_sink import PARTITIONS, StoreSink
from cloud_stream.sinks.dead_letter_sink import PARTITION, DeadLetterPartition, DeadLetterSink, rejected_letters
from tests.cloud_stream.sinks.conftest import HASTY, Place
from tests.cloud_stream.stores.columns import NOW_MS, readings

Item = tuple[str, Write]
# The engine's compiled part has no annotations.
run_main: Any = testing.run_main
cluster_main: Any = testing.cluster_main
init_db_dir: Any = recovery.init_db_dir
RecoveryConfig: Any = recovery.RecoveryConfig
SHARD_NAMES = [f"shard-{number:02d}" for number in range(SHARDS)]


def items(count: int) -> list[Item]:
    """Readings, each followed by the mark of its shard."""
    made: list[Item] = []
    for number in range(1, count + 1):
        shard = SHARD_NAMES[number % SHARDS]
        made.append((shard, readings({"power_w": [float(number)]}, [NOW_MS + number], site=shard)))
        fields: dict[str, float | int | str | bool] = {"incarnation": "a", "number": number}
        made.append((shard, [Point("flow_mark", {"shard": shard}, NOW_MS + number, fields)]))
    return made


def flow(source: Sequence[Any], sink: StoreSink) -> Dataflow:
    made = Dataflow("wattline_test")
    op.output("store", op.input("items", made, TestingSource[Any](source, batch_size=7)), sink)
    return made


def store_sink(place: Place, rejected: list[tuple[str, Rejected]]) -> StoreSink:
    def take(partition: str, found: Sequence[Rejected]) -> None:
        rejected.extend((partition, one) for one in found)

    return StoreSink(place.store, place.spool_path.parent / "spools", 1 << 30, take, HASTY)


def stored(place: Place, shard: str) -> list[float]:
    store = place.store()
    found = store.readings(shard, "m1", NOW_MS, NOW_MS + 1_000_000)
    store.close()
    return found["power_w"].values.tolist() if found else []


def test_every_write_arrives(place: Place) -> None:
    rejected: list[tuple[str, Rejected]] = []
    cluster_main(flow(items(200), store_sink(place, rejected)), [], 0, epoch_interval=timedelta(milliseconds=20))
    expected = {shard: [float(n) for n in range(1, 201) if n % SHARDS == i] for i, shard in enumerate(SHARD_NAMES)}
    assert {shard: stored(place, shard) for shard in SHARD_NAMES} == expected
    assert place.store().mark("shard-08") == ("a", 200)
    assert rejected == []


def test_a_committed_epoch_is_in_the_store_or_the_spool(place: Place, tmp_path: Path) -> None:
    snapshots = tmp_path / "recovery"
    snapshots.mkdir()
    init_db_dir(snapshots, 1)
    place.take_away()
    source = [*items(50), TestingSource.ABORT(), *items(100)[100:]]
    made = flow(source, store_sink(place, []))
    config = RecoveryConfig(snapshots)
    run_main(made, epoch_interval=timedelta(0), recovery_config=config)
    place.give_back()
    run_main(made, epoch_interval=timedelta(0), recovery_config=config)
    found = sorted(value for shard in SHARD_NAMES for value in stored(place, shard))
    assert found == [float(number) for number in range(1, 101)]


def test_a_shard_always_has_the_same_partition_and_all_have_work(place: Place) -> None:
    sink = store_sink(place, [])
    chosen = {shard: sink.part_fn(shard) % len(PARTITIONS) for shard in [*SHARD_NAMES, FLEET]}
    assert {shard: chosen[shard] for shard in ("shard-00", "shard-17", FLEET)} == {
        "shard-00": 0,
        "shard-17": 2,
        FLEET: 3,
    }
    assert min(Counter(chosen.values()).values()) >= SHARDS // len(PARTITIONS) // 2
    assert sink.list_parts() == ["store-0", "store-1", "store-2", "store-3"]


LETTER = DeadLetter("journal-a", 7, 0, NOW_MS, "topic", "bad_json", "", b"{")


def test_dead_letters_arrive_once(tmp_path: Path) -> None:
    path = tmp_path / "dead-letters.db"
    made = Dataflow("wattline_test")
    source = [("any", [LETTER]), ("other", [LETTER]), ("any", [])]
    lost: list[int] = []
    sink = DeadLetterSink(lambda: SqliteDeadLetters(path, 1 << 20), lost.append)
    op.output("dead_letters", op.input("items", made, TestingSource(source)), sink)
    run_main(made)
    letters = SqliteDeadLetters(path, 1 << 20)
    assert (letters.newest(10), sink.list_parts(), lost) == ([LETTER], [PARTITION], [])
    letters.close()


def test_dead_letters_that_cannot_be_kept_are_counted_and_the_flow_goes_on(tmp_path: Path) -> None:
    (tmp_path / "dead-letters.db").mkdir()
    lost: list[int] = []
    letters = SqliteDeadLetters(tmp_path / "dead-letters.db", 1 << 20)
    partition = DeadLetterPartition(letters, lost.append, patience_s=0.0)
    partition.write_batch([[LETTER], [LETTER]])
    assert lost == [2]


@pytest.mark.parametrize(("row", "held"), [(b"a", 1), (b"b", 2)], ids=["the same row", "another row"])
def test_a_row_refused_twice_is_one_dead_letter(tmp_path: Path, row: bytes, held: int) -> None:
    letters = SqliteDeadLetters(tmp_path / "dead-letters.db", 1 << 20)
    letters.put(rejected_letters("store-0", [Rejected(b"a", "type_conflict")], NOW_MS))
    letters.put(rejected_letters("store-0", [Rejected(row, "type_conflict")], NOW_MS + 1))
    assert letters.count() == {"type_conflict": held}
    assert letters.newest(1)[0].payload == row
    letters.close()
