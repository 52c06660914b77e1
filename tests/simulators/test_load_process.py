"""The load as a process: it prepares, says so, waits for the word, publishes and reports."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from simulators.load import LoadResult
from tests.simulators.cloud_stand_in import cloud_stand_in
from wattline.local_servers import LOOPBACK, MosquittoServer

PLAN = {"gateways": 4, "meters": 3, "times": 5, "messages": 6, "start_ms": 1_795_000_000_000}


def _load(folder: Path, order: dict[str, Any]) -> subprocess.Popen[str]:
    (folder / "plan.json").write_text(json.dumps(order))
    return subprocess.Popen(
        [sys.executable, "-m", "simulators.load_process", str(folder / "plan.json"), str(folder / "result.json")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_nothing_is_sent_before_the_word_and_everything_after_it(mosquitto: MosquittoServer, tmp_path: Path) -> None:
    with cloud_stand_in(mosquitto.port) as cloud:
        load = _load(tmp_path, {"plan": PLAN, "host": LOOPBACK, "port": mosquitto.port, "connections": 2})
        assert load.stdout is not None
        assert load.stdout.readline() == "ready\n"
        assert cloud.batches() == []
        stdout, stderr = load.communicate("go\n", timeout=60)
        assert (load.returncode, stdout, stderr) == (0, "", "")
        cloud.wait_for_batches(24)
        assert len(cloud.rows()) == 4 * 3 * 5 * 6
    result = msgspec.json.decode((tmp_path / "result.json").read_bytes(), type=LoadResult)
    assert (result.messages, result.readings, len(result.sent_ns)) == (24, 360, 24)


@pytest.mark.parametrize(
    ("order", "problem"),
    [
        pytest.param({"plan": PLAN, "host": LOOPBACK}, "missing required field `port`", id="no port"),
        pytest.param({"plan": PLAN, "host": LOOPBACK, "port": 1, "colour": 2}, "unknown field `colour`", id="a typo"),
        pytest.param({"plan": {"gateways": "x"}, "host": LOOPBACK, "port": 1}, "$.plan.gateways", id="a wrong type"),
    ],
)
def test_a_wrong_plan_is_not_ready(tmp_path: Path, order: dict[str, Any], problem: str) -> None:
    load = _load(tmp_path, order)
    stdout, stderr = load.communicate("go\n", timeout=60)
    assert load.returncode == 1
    assert stdout == ""
    assert problem in stderr
    assert not (tmp_path / "result.json").exists()
