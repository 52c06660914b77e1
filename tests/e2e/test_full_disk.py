"""A disk that fills up under the outbox, the journal, the store: nothing that was acknowledged is lost."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.waiting import wait_for
from tests.cloud_stream.ingest_rig import GatewayClient
from tests.e2e.agent import Agent, replayed, replayed_rows
from tests.e2e.cloud import Cloud
from tests.e2e.small_disk import SmallDisk, can_mount
from wattline.local_servers import MosquittoServer
from wattline.wire import Batch, Frame, encode

BASE_MS = 1_790_000_000_000
ROWS = 200_000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    if not can_mount(tmp_path / "try"):
        pytest.skip("mounting a small file system needs root")
    with SmallDisk(tmp_path / "disk", "3m") as small:
        yield small


@pytest.fixture
def larger_disk(disk: SmallDisk) -> SmallDisk:
    """Some times what ingest commits at once."""
    disk.grow("24m")
    return disk


@pytest.mark.parametrize("size", ["64m", "3m"], ids=["room is made", "only the cloud comes back"])
def test_an_outbox_that_fills_its_disk_while_the_cloud_is_away_sends_everything_afterwards(
    tmp_path: Path, mosquitto: MosquittoServer, disk: SmallDisk, size: str
) -> None:
    times = range(BASE_MS, BASE_MS + ROWS * 100, 100)
    meters = {"m1": replayed(tmp_path, "m1", times)}
    agent = Agent(tmp_path / "agent", mosquitto.url, meters, state=disk.folder / "state")
    cloud = Cloud(tmp_path / "cloud", mosquitto.url)
    agent.start()
    try:
        wait_for(lambda: "outbox_failed what=write" in agent.log_text(), "the full disk is noticed")
        disk.grow(size)
        with cloud:
            cloud.wait_for(lambda: cloud.readings() == replayed_rows("m1", times), "every reading")
        assert agent.stop() == 0
    finally:
        agent.end()
    assert len(agent.log_text().splitlines()) < 60


def payloads(seqs: range) -> dict[int, bytes]:
    """Batches of 100 kB."""

    def payload(seq: int) -> bytes:
        frame = Frame(meter="m1", t=[BASE_MS + seq * 1000], q={"power_w": [float(seq)]})
        whole = encode(Batch(v=1, gateway="gw-1", site="house", log="log", seq=seq, oldest=1, frames=[frame]))
        return whole[:-1] + b" " * 100_000 + b"}"

    return {seq: payload(seq) for seq in seqs}


def rows(seqs: range) -> set[tuple[str, str, int, float]]:
    return {("house", "m1", BASE_MS + seq * 1000, float(seq)) for seq in seqs}


def test_a_journal_that_fills_its_disk_stops_acknowledging_and_empties_itself_when_the_flow_is_back(
    tmp_path: Path, mosquitto: MosquittoServer, larger_disk: SmallDisk
) -> None:
    cloud = Cloud(tmp_path / "cloud", mosquitto.url, journal_dir=larger_disk.folder / "journal")
    with cloud, GatewayClient(mosquitto.port, "gw-1") as gateway:
        gateway.send_until_acked("log", payloads(range(1, 5)))
        cloud.wait_for(lambda: cloud.readings() == rows(range(1, 5)), "the flow runs")
        assert cloud.flow.stop() == 0
        for payload in payloads(range(5, 300)).values():
            gateway.send(payload)
        wait_for(lambda: "ingest_waits kind=full" in cloud.log_text(), "ingest says that it is full")
        assert len(gateway.acked["log"]) < 299
        cloud.flow.start()
        cloud.wait_for(lambda: gateway.acked["log"] == set(range(1, 300)), "everything is acknowledged")
        cloud.wait_for(lambda: cloud.readings() == rows(range(1, 300)), "everything is stored")
        assert cloud.page("ingest")["wattline_ingest_commit_failures:full"] > 0
    assert cloud.letters() == []


def test_results_and_snapshots_on_a_full_disk_wait_for_room_and_lose_nothing(
    tmp_path: Path, mosquitto: MosquittoServer, disk: SmallDisk
) -> None:
    cloud = Cloud(tmp_path / "cloud", mosquitto.url, state_dir=disk.folder / "state")
    ballast = disk.folder / "ballast"
    with cloud, GatewayClient(mosquitto.port, "gw-1") as gateway:
        gateway.send_until_acked("log", payloads(range(1, 20)))
        cloud.wait_for(lambda: cloud.readings() == rows(range(1, 20)), "before")
        fill(ballast)
        gateway.send_until_acked("log", payloads(range(20, 40)))
        wait_for(lambda: "full" in cloud.flow.log_text() or not cloud.flow.runs, "the flow notices")
        ballast.unlink()
        if not cloud.flow.runs:
            # The supervisor's part: it restarts a flow that has ended.
            cloud.flow.end()
            cloud.flow.start()
        gateway.send_until_acked("log", payloads(range(40, 60)))
        cloud.wait_for(lambda: cloud.readings() == rows(range(1, 60)), "all")
    assert cloud.letters() == []


def fill(file: Path) -> None:
    """Take all that is left of a disk."""
    disk = os.statvfs(file.parent)
    with file.open("wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, disk.f_bavail * disk.f_frsize)
