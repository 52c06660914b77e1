"""`wattline edge check` and `read`, as a person at the meter cupboard uses them."""

import fcntl
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.edge_agent.cloud_stand_in import CloudStandIn, wait_until
from tests.edge_agent.hostile_broker import HostileBroker
from wattline.local_servers import MosquittoServer, free_port

GOOD = '[[meter]]\nid = "good"\nsensor = "pattern"\noptions = {quantities = 2, interval = "20ms"}\n'
BAD = '[[meter]]\nid = "bad"\nsensor = "dsmr"\noptions = {port = "/no/such/port"}\n'


def edge(folder: Path, command: str, url: str, meters: str, *options: str) -> subprocess.CompletedProcess[str]:
    file = folder / "agent.toml"
    file.write_text(
        f'[gateway]\nid = "gw-1"\nsite = "house"\nstate_dir = "{folder}/state"\n[broker]\nurl = "{url}"\n{meters}'
    )
    line = [sys.executable, "-m", "edge_agent", command, "-c", str(file), *options]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)


def test_all_well(tmp_path: Path, mosquitto: MosquittoServer) -> None:
    answer = edge(tmp_path, "check", mosquitto.url, GOOD, "--json")
    assert answer.returncode == 0
    result = json.loads(answer.stdout)
    assert result["ok"]
    found = [(finding["what"], finding["ok"]) for finding in result["findings"]]
    assert found == [("folder", True), ("meter", True), ("broker", True)]


def test_what_does_not_answer_is_named_beside_what_does(tmp_path: Path) -> None:
    url = f"mqtt://127.0.0.1:{free_port()}"
    answer = edge(tmp_path, "check", url, GOOD + BAD, "--json")
    assert answer.returncode == 1
    findings = {finding["name"]: finding for finding in json.loads(answer.stdout)["findings"]}
    ok = {name: finding["ok"] for name, finding in findings.items()}
    assert ok == {f"{tmp_path}/state": True, "good": True, "bad": False, url: False}
    assert "/no/such/port" in findings["bad"]["detail"]
    assert "refused" in findings[url]["detail"]


def test_a_state_folder_and_a_model_that_will_not_do_are_named(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    (tmp_path / "model.onnx").write_text("no model")
    answer = edge(tmp_path, "check", "mqtt://x", f'[detector]\nmodel = "{tmp_path}/model.onnx"\n' + GOOD, "--json")
    assert answer.returncode == 1
    findings = {finding["what"]: finding for finding in json.loads(answer.stdout)["findings"]}
    assert (findings["folder"]["ok"], findings["model"]["ok"]) == (False, False)
    assert "not a folder" in findings["folder"]["detail"]
    assert "detector.model" in findings["model"]["detail"]


@pytest.mark.parametrize(("content", "problem"), [(None, "is in use by another agent"), ("a file", "File exists")])
def test_a_state_folder_that_can_not_be_used_ends_the_agent_with_one_line(
    tmp_path: Path, content: str | None, problem: str
) -> None:
    state = tmp_path / "state"
    if content is not None:
        state.write_text(content)
        answer = edge(tmp_path, "run", "mqtt://x", GOOD)
    else:
        state.mkdir()
        with (state / "agent.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            answer = edge(tmp_path, "run", "mqtt://x", GOOD)
    assert (answer.returncode, answer.stderr.count("\n")) == (2, 1)
    assert f"{tmp_path}/agent.toml: gateway.state_dir: {state}" in answer.stderr
    assert problem in answer.stderr


def test_a_broker_that_keeps_the_acknowledgements_from_us_is_named(tmp_path: Path) -> None:
    protocol = 'protocol = "3.1.1"\n'
    with HostileBroker(b"\x90\x03\x00\x01\x80") as broker:
        answer = edge(tmp_path, "check", broker.url, protocol + GOOD, "--json")
        trusting = edge(tmp_path, "check", broker.url, f'{protocol}[publish]\nack = "broker"\n{GOOD}', "--json")
    assert (answer.returncode, trusting.returncode) == (1, 0)
    assert "we may not read wattline/v1/gw-1/down/ack" in answer.stdout


def test_a_table_for_people(tmp_path: Path, mosquitto: MosquittoServer) -> None:
    answer = edge(tmp_path, "check", mosquitto.url, GOOD)
    assert answer.returncode == 0
    assert "good" in answer.stdout
    assert "MQTT 5" in answer.stdout


@pytest.mark.parametrize("command", ["check", "read", "run"])
def test_a_wrong_file_is_one_line_and_status_2(tmp_path: Path, command: str) -> None:
    answer = edge(tmp_path, command, "http://x", GOOD)
    assert answer.returncode == 2
    assert answer.stderr.count("\n") == 1
    assert "broker.url: expected mqtt:// or mqtts://" in answer.stderr


def test_readings_are_printed_and_nothing_is_sent(tmp_path: Path, mosquitto: MosquittoServer) -> None:
    with CloudStandIn(mosquitto.port) as cloud:
        answer = edge(tmp_path, "read", mosquitto.url, GOOD, "--count", "3", "--json")
        assert cloud.arrivals == []
    assert answer.returncode == 0
    lines = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [line["meter"] for line in lines] == ["good"] * 3
    assert set(lines[0]["values"]) == {"power_w", "channel_001_w"}


def test_a_meter_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    answer = edge(tmp_path, "read", "mqtt://x", GOOD, "--meter", "other")
    assert answer.returncode == 2
    assert "no meter 'other'" in answer.stderr


def test_a_check_does_not_throw_off_the_running_agent(tmp_path: Path, mosquitto: MosquittoServer) -> None:
    with CloudStandIn(mosquitto.port) as cloud:
        edge(tmp_path, "check", mosquitto.url, GOOD)
        agent = subprocess.Popen(
            [sys.executable, "-m", "edge_agent", "run", "-c", str(tmp_path / "agent.toml")], stderr=subprocess.DEVNULL
        )
        try:
            wait_until(lambda: cloud.state() == "online", "the birth")
            assert edge(tmp_path, "check", mosquitto.url, GOOD).returncode == 0
            assert cloud.state() == "online"
        finally:
            agent.terminate()
            agent.wait(30)
        assert [status.reason for status in cloud.statuses if status.state == "offline"] == ["shutdown"]
