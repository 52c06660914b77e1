"""A file that the disk has spoilt is set aside, said and counted; everything that comes afterwards arrives."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.waiting import wait_for
from tests.cloud_stream.ingest_rig import GatewayClient
from tests.e2e.agent import Agent, replayed, replayed_rows
from tests.e2e.cloud import Cloud
from wattline.local_servers import MosquittoServer
from wattline.wire import Batch, Frame, encode

BASE_MS = 1_790_000_000_000
PAGE = 4096


@pytest.fixture
def cloud(tmp_path: Path, mosquitto: MosquittoServer) -> Iterator[Cloud]:
    with Cloud(tmp_path / "cloud", mosquitto.url) as running:
        yield running


def spoil(file: Path) -> None:
    """Overwrite a file in place, as a dying card does, and what is waiting beside it."""
    for path in (file, Path(f"{file}-wal")):
        size = path.stat().st_size if path.exists() else 0
        with path.open("r+b") as stream:
            stream.write(os.urandom(max(size, PAGE)))


def payloads(seqs: range) -> dict[int, bytes]:
    def payload(seq: int) -> bytes:
        frame = Frame(meter="m1", t=[BASE_MS + seq * 1000], q={"power_w": [float(seq)]})
        return encode(Batch(v=1, gateway="gw-1", site="house", log="log", seq=seq, oldest=1, frames=[frame]))

    return {seq: payload(seq) for seq in seqs}


def rows(seqs: range) -> set[tuple[str, str, int, float]]:
    return {("house", "m1", BASE_MS + seq * 1000, float(seq)) for seq in seqs}


def test_a_journal_spoilt_while_it_is_in_use_loses_nothing_that_is_acknowledged_later(
    cloud: Cloud, mosquitto: MosquittoServer
) -> None:
    file = cloud.journal_dir / "part-00.db"
    with GatewayClient(mosquitto.port, "gw-1") as gateway:
        gateway.send_until_acked("log", payloads(range(1, 200)))
        cloud.wait_for(lambda: cloud.readings() == rows(range(1, 200)), "all before it")
        spoil(file)
        gateway.send_until_acked("log", payloads(range(200, 400)))
        cloud.wait_for(lambda: cloud.readings() >= rows(range(200, 400)), "all after it")
        gateway.send_until_acked("log", payloads(range(400, 600)))
        cloud.wait_for(lambda: cloud.readings() == rows(range(1, 600)), "all")
    assert "log_set_aside" in cloud.log_text()
