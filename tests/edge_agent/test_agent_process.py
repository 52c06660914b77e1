"""The agent as its user runs it: killed, restarted, restored, corrupted, without a broker, on a full disk."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edge_agent.cloud_stand_in import CloudStandIn, wait_until
from wattline.local_servers import MosquittoServer

ROWS = 30_000
STEP_MS = 1_000
T0 = 1_700_000_000_000


class AgentProcess:
    """An agent in a folder of its own; everything it needs is written there."""

    def __init__(self, folder: Path, broker_url: str, **meters: str) -> None:
        self.folder = folder
        self.state = folder / "state"
        self._url = broker_url
        self._meters = meters
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def start(self, *options: str) -> None:
        tables = "".join(f'[[meter]]\nid = "{name}"\n{text}\n' for name, text in self._meters.items())
        (self.folder / "agent.toml").write_text(f"""\
[gateway]
id = "gw-1"
site = "house"
state_dir = "{self.state}"
[broker]
url = "{self._url}"
[publish]
flush_interval = "50ms"
resend_after = "500ms"
[detector]
enabled = false
{tables}""")
        command = [sys.executable, "-m", "edge_agent", "run", "-c", str(self.folder / "agent.toml"), *options]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    @property
    def log(self) -> Path:
        return self.folder / "agent.log"

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def finish(self, deadline_s: float = 60.0) -> int:
        """Wait for the end by itself."""
        assert self._process is not None
        return self._process.wait(deadline_s)

    def terminate(self) -> int:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self.finish()

    def cleanup(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()


def replay_meter(folder: Path, rows: int = ROWS, speed: str = '"max"') -> str:
    """A file of one value a second, and the meter's table."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "meter.csv"
    lines = (f"{T0 + n * STEP_MS},{n}" for n in range(rows))
    file.write_text("t,power_w\n" + "\n".join(lines) + "\n")
    return (
        f'sensor = "replay"\n[meter.options]\nfile = "{file}"\nspeed = {speed}\ntime_column = "t"\n'
        'time_format = "epoch_ms"\n'
    )


def expected(rows: int = ROWS, meter: str = "m1") -> set[tuple[str, int, str, float | None]]:
    return {(meter, T0 + n * STEP_MS, "power_w", float(n)) for n in range(rows)}


@pytest.fixture
def agent(tmp_path: Path, mosquitto: MosquittoServer) -> Iterator[AgentProcess]:
    process = AgentProcess(tmp_path / "agent", mosquitto.url, m1=replay_meter(tmp_path))
    yield process
    process.cleanup()


@pytest.fixture
def cloud(mosquitto: MosquittoServer) -> Iterator[CloudStandIn]:
    with CloudStandIn(mosquitto.port) as cloud:
        yield cloud


def test_a_file_is_delivered_whole_and_the_agent_ends_when_told_to(agent: AgentProcess, cloud: CloudStandIn) -> None:
    agent.start("--until-sent")
    assert agent.finish() == 0
    assert cloud.readings() == expected()


def place_ms(agent: AgentProcess) -> int:
    """How far the replay's place is, in the file's own times."""
    file = agent.state / "sensors" / "m1.json"
    return int(json.loads(file.read_bytes())["through_ms"]) if file.exists() else 0


def test_killed_again_and_again_in_the_middle_it_delivers_exactly_the_file(
    tmp_path: Path, cloud: CloudStandIn, mosquitto: MosquittoServer
) -> None:
    agent = AgentProcess(tmp_path / "agent", mosquitto.url, m1=replay_meter(tmp_path, speed="10000"))
    for kill in range(5):
        cloud.acknowledging = kill % 2 == 0
        before = place_ms(agent)
        agent.start()
        wait_until(lambda before=before: place_ms(agent) > before + 2_000 * STEP_MS, "progress")  # type: ignore[misc]
        agent.kill()
    assert T0 < place_ms(agent) < T0 + (ROWS - 1) * STEP_MS
    cloud.acknowledge_all()
    agent.start("--until-sent")
    assert agent.finish() == 0
    assert cloud.readings() == expected()


def test_readings_taken_without_a_broker_survive_a_kill(
    agent: AgentProcess, cloud: CloudStandIn, mosquitto: MosquittoServer
) -> None:
    mosquitto.stop()
    agent.start()
    place = agent.state / "sensors" / "m1.json"
    last_ms = T0 + (ROWS - 1) * STEP_MS
    wait_until(lambda: place.exists() and json.loads(place.read_bytes())["through_ms"] == last_ms, "all on disk")
    agent.kill()
    mosquitto.start()
    agent.start("--until-sent")
    assert agent.finish() == 0
    wait_until(lambda: cloud.readings() == expected(), "every reading")


def test_a_restart_delivers_nothing_twice_once_it_was_acknowledged(agent: AgentProcess, cloud: CloudStandIn) -> None:
    agent.start("--until-sent")
    assert agent.finish() == 0
    copies = dict(cloud.copies)
    agent.start("--until-sent")
    assert agent.finish() == 0
    assert dict(cloud.copies) == copies


def test_an_old_copy_of_the_state_folder_reuses_no_number(
    tmp_path: Path, agent: AgentProcess, cloud: CloudStandIn
) -> None:
    agent.start()
    wait_until(lambda: cloud.batches, "a first batch")
    agent.kill()
    shutil.copytree(agent.state, tmp_path / "copy")
    agent.start("--until-sent")
    assert agent.finish() == 0
    first = {key: batch.frames for key, batch in cloud.batches.items()}
    shutil.rmtree(agent.state)
    shutil.copytree(tmp_path / "copy", agent.state)
    agent.start("--until-sent")
    assert agent.finish() == 0
    assert {key: cloud.batches[key].frames for key in first} == first  # no number has two contents
    assert cloud.readings() == expected()


@pytest.mark.parametrize("garbage", [b"\xa5" * 50_000, b""])
def test_a_corrupt_outbox_does_not_keep_the_agent_from_starting(
    agent: AgentProcess, cloud: CloudStandIn, garbage: bytes
) -> None:
    agent.state.mkdir()
    (agent.state / "readings.db").write_bytes(garbage)
    agent.start("--until-sent")
    assert agent.finish() == 0
    assert cloud.readings() == expected()


def test_a_full_disk_is_survived_and_made_up_for(agent: AgentProcess, cloud: CloudStandIn) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    agent.state.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(agent.state)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine lets nobody mount a small file system")
    try:
        cloud.acknowledging = False
        agent.start()
        wait_until(lambda: "outbox_failed what=write" in agent.log.read_text(), "the full disk noticed")
        cloud.acknowledge_all()
        subprocess.run(["mount", "-o", "remount,size=64m", str(agent.state)], check=True)
        wait_until(lambda: cloud.readings() == expected(), "every reading after there was room again")
        assert agent.terminate() == 0
    finally:
        agent.cleanup()
        subprocess.run(["umount", str(agent.state)], check=True)


def test_a_dead_meter_beside_a_living_one_disturbs_nothing(
    tmp_path: Path, cloud: CloudStandIn, mosquitto: MosquittoServer
) -> None:
    dead = f'sensor = "dsmr"\n[meter.options]\nport = "{tmp_path}/no-such-port"\n'
    agent = AgentProcess(tmp_path / "agent", mosquitto.url, dead=dead, m1=replay_meter(tmp_path))
    agent.start()
    try:
        wait_until(lambda: cloud.readings() == expected(), "the living meter's readings")
        assert "sensor_failed meter=dead" in agent.log.read_text()
        assert agent.terminate() == 0
    finally:
        agent.cleanup()


def test_sigterm_sends_what_is_waiting_and_says_goodbye(
    tmp_path: Path, cloud: CloudStandIn, mosquitto: MosquittoServer
) -> None:
    agent = AgentProcess(tmp_path / "agent", mosquitto.url, m1='sensor = "pattern"\noptions = {interval = "10ms"}\n')
    agent.start()
    try:
        wait_until(lambda: len(cloud.batches) >= 3, "some batches")
        assert agent.terminate() == 0
    finally:
        agent.cleanup()
    wait_until(lambda: cloud.state() == "offline", "the goodbye")
    goodbye = cloud.statuses[-1]
    assert goodbye.reason == "shutdown"
    assert {"clock_jumps", "events", "publisher_publishes", "refused_values"} <= set(goodbye.outbox)
    assert "unsent=0" in agent.log.read_text()


def test_a_kill_is_told_by_the_broker(agent: AgentProcess, cloud: CloudStandIn) -> None:
    agent.start()
    wait_until(lambda: cloud.state() == "online", "the birth")
    agent.kill()
    wait_until(lambda: cloud.state() == "offline", "the will")
    assert cloud.statuses[-1].reason == "will"
    assert cloud.statuses[-1].session == cloud.statuses[0].session
    # A Will that named the time of the connection would be older than the births since.
    assert cloud.statuses[0].t > T0
    assert cloud.statuses[-1].t == 0


def test_a_wrong_file_ends_with_status_2_and_one_line(agent: AgentProcess) -> None:
    agent._meters["m1"] = 'sensor = "crystal-ball"\n'
    agent.start()
    assert agent.finish() == 2
    (line,) = agent.log.read_text().splitlines()
    assert "meter[0].sensor: unknown sensor" in line
