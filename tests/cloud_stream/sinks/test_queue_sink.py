"""What the flow says is put in the queue before the epoch is committed, and once."""

import threading
from datetime import timedelta
from pathlib import Path

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSource, run_main

from cloud_stream.keyed_queue import KeyedQueue
from cloud_stream.sinks.queue_sink import PARTITION, QueuePartition, QueueSink
from tests.cloud_stream.waiting import wait_until


def encode(value: str) -> tuple[str, bytes]:
    return value, value.upper().encode()


def held(path: Path) -> list[tuple[str, bytes]]:
    queue = KeyedQueue(path, 1 << 20)
    rows = [(row.key, row.payload) for row in queue.waiting(100)]
    queue.close()
    return rows


def test_a_flow_puts_every_key_once(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    for said in (["a", "b"], ["b", "c"]):  # the second run says again what the first had said
        flow = Dataflow("test")
        items = op.input("in", flow, TestingSource([("shard-00", value) for value in said]))
        op.output("out", items, QueueSink(path, 1 << 20, encode))
        run_main(flow, epoch_interval=timedelta(0))  # type: ignore[no-untyped-call]  # Bytewax leaves its engine untyped
    assert held(path) == [("a", b"A"), ("b", b"B"), ("c", b"C")]


def test_the_partition_never_changes(tmp_path: Path) -> None:
    assert QueueSink(tmp_path / "queue.db", 1, encode).list_parts() == [PARTITION] == ["queue-0"]


def test_the_flow_waits_while_the_queue_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "queue.db"
    path.mkdir(parents=True)  # a folder where the file should be
    part = QueuePartition(KeyedQueue(path, 1 << 20), encode)
    writing = threading.Thread(target=part.write_batch, args=(["a"],))
    writing.start()
    wait_until(lambda: part._queue._book._opened is not None, "an attempt")
    assert writing.is_alive()
    path.rmdir()
    writing.join(30)
    part.snapshot()
    part.close()
    assert held(path) == [("a", b"A")]
