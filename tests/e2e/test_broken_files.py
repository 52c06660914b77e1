"""A file that the disk has spoilt is set aside, said and counted; everything that comes afterwards arrives."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

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
    for path in filter(Path.exists, (file, Path(f"{file}-wal"))):
        with path.open("r+b") as stream:
            stream.write(os.urandom(max(path.stat().st_size, PAGE)))


def remove(file: Path) -> None:
    """Delete it under the process that has it open, as a person does who wants room."""
    file.unlink()


def payloads(seqs: range) -> dict[int, bytes]:
    def payload(seq: int) -> bytes:
        frame = Frame(meter="m1", t=[BASE_MS + seq * 1000], q={"power_w": [float(seq)]})
        return encode(Batch(v=1, gateway="gw-1", site="house", log="log", seq=seq, oldest=1, frames=[frame]))

    return {seq: payload(seq) for seq in seqs}


def rows(seqs: range) -> set[tuple[str, str, int, float]]:
    return {("house", "m1", BASE_MS + seq * 1000, float(seq)) for seq in seqs}


@pytest.mark.parametrize("damage", [spoil, remove])
def test_a_journal_damaged_while_it_is_in_use_loses_nothing_that_is_acknowledged_later(
    cloud: Cloud, mosquitto: MosquittoServer, damage: Callable[[Path], None]
) -> None:
    file = cloud.journal_dir / "part-00.db"
    with GatewayClient(mosquitto.port, "gw-1") as gateway:
        gateway.send_until_acked("log", payloads(range(1, 200)))
        cloud.wait_for(lambda: cloud.readings() == rows(range(1, 200)), "all before it")
        damage(file)
        gateway.send_until_acked("log", payloads(range(200, 400)))
        cloud.wait_for(lambda: cloud.readings() >= rows(range(200, 400)), "all after it")
        gateway.send_until_acked("log", payloads(range(400, 600)))
        cloud.wait_for(lambda: cloud.readings() == rows(range(1, 600)), "all")
    assert cloud.log_text().count("log_set_aside") == (damage is spoil)


def test_a_journal_spoilt_while_nothing_runs_is_replaced(cloud: Cloud, mosquitto: MosquittoServer) -> None:
    with GatewayClient(mosquitto.port, "gw-1") as gateway:
        gateway.send_until_acked("log", payloads(range(1, 20)))
        cloud.wait_for(lambda: cloud.readings() == rows(range(1, 20)), "all before it")
        assert cloud.stop() == [0, 0]
        spoil(cloud.journal_dir / "part-00.db")
        cloud.start()
        gateway.send_until_acked("log", payloads(range(20, 40)))
        cloud.wait_for(lambda: cloud.readings() == rows(range(1, 40)), "all")
    assert cloud.log_text().count("log_set_aside") == 1
    assert (cloud.journal_dir / "part-00.db.corrupt-0001").exists()


def outbox_says(cloud: Cloud, name: str) -> set[float]:
    """What the agent's statuses say of its outbox, as they are stored."""
    query = f"SELECT outbox_{name} FROM gateway WHERE outbox_{name} IS NOT NULL"  # noqa: S608 (a constant of the test)
    return {value for (value,) in cloud.stored(query)}


def test_an_outbox_spoilt_while_the_agent_is_off_is_set_aside_said_and_counted(
    tmp_path: Path, cloud: Cloud, mosquitto: MosquittoServer
) -> None:
    first, second = range(BASE_MS, BASE_MS + 500_000, 1000), range(BASE_MS, BASE_MS + 900_000, 1000)
    agent = Agent(tmp_path / "agent", mosquitto.url, {"m1": replayed(tmp_path, "m1", first)})
    agent.start("--until-sent")
    assert agent.wait(60) == 0
    spoil(agent.state / "readings.db")
    agent = Agent(tmp_path / "agent", mosquitto.url, {"m2": replayed(tmp_path, "m2", second)})
    agent.start("--until-sent")
    assert agent.wait(60) == 0
    cloud.wait_for(lambda: cloud.readings() == replayed_rows("m1", first) | replayed_rows("m2", second), "all")
    assert agent.log_text().count("log_set_aside") == 1
    assert (agent.state / "readings.db.corrupt-0001").exists()
    cloud.wait_for(lambda: 1.0 in outbox_says(cloud, "dropped_corrupt_file"), "the cloud knows of it")


@pytest.mark.parametrize("damage", [spoil, remove])
def test_an_outbox_damaged_while_the_agent_runs_does_not_stop_it(
    tmp_path: Path, cloud: Cloud, mosquitto: MosquittoServer, damage: Callable[[Path], None]
) -> None:
    times = range(BASE_MS, BASE_MS + 2_000_000, 100)
    agent = Agent(tmp_path / "agent", mosquitto.url, {"m1": replayed(tmp_path, "m1", times, speed="200")})
    agent.start()
    try:
        cloud.wait_for(lambda: len(cloud.readings()) > 1000, "the first readings")
        damage(agent.state / "readings.db")
        stored = len(cloud.readings())
        cloud.wait_for(lambda: len(cloud.readings()) > stored + 1000, "readings after it")
        assert agent.stop() == 0
        agent.start("--until-sent")
        assert agent.wait(60) == 0
    finally:
        agent.end()
    last = {row for row in replayed_rows("m1", times) if row[2] > times[-1000]}
    cloud.wait_for(lambda: cloud.readings() >= last, "the last readings")
    assert cloud.readings() <= replayed_rows("m1", times)
    assert "Traceback" not in agent.log_text()
