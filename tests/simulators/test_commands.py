"""`wattline simulate` as its user runs it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulators.cloud_stand_in import cloud_stand_in
from wattline.local_servers import MosquittoServer

FLEET = [sys.executable, "-m", "wattline", "simulate", "fleet"]
SHORT = ["--gateways", "2", "--meters", "2", "--duration", "1s", "--interval", "100ms", "--flush", "200ms"]


def _simulate(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*FLEET, *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_the_totals_are_printed_and_saved(mosquitto: MosquittoServer, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    with cloud_stand_in(mosquitto.port):
        done = _simulate("--broker", mosquitto.url, *SHORT, "--json", "--report", str(file))
    assert (done.returncode, done.stderr) == (0, "")
    totals, report = json.loads(done.stdout), json.loads(file.read_text())
    assert totals["readings"] == 40
    assert totals["unacked"] == 0
    assert report["totals"]["sums"] == totals["sums"]
    assert [gateway["readings"] for gateway in report["gateways"]] == [20, 20]
    assert list(tmp_path.glob("*.part")) == []


def test_what_is_not_acknowledged_is_a_failure(mosquitto: MosquittoServer) -> None:
    done = _simulate("--broker", mosquitto.url, *SHORT, "--drain-timeout", "100ms")
    assert done.returncode == 1
    assert "0 batches acknowledged" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_readings_and_keeps_the_report(
    mosquitto: MosquittoServer, tmp_path: Path, number: signal.Signals
) -> None:
    file = tmp_path / "report.json"
    arguments = ["--broker", mosquitto.url, "--duration", "0s", "--flush", "100ms", "--report", str(file)]
    with cloud_stand_in(mosquitto.port) as cloud:
        fleet = subprocess.Popen([*FLEET, *arguments], stdout=subprocess.DEVNULL)
        try:
            cloud.wait_for_batches(20)
            os.kill(fleet.pid, number)
            assert fleet.wait(30) == 0
        finally:
            fleet.kill()
            fleet.wait(30)
        assert json.loads(file.read_text())["totals"]["readings"] == len(cloud.rows())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--broker", "http://x"], "--broker: expected mqtt:// or mqtts://"),
        (["--interval", "5"], "--interval: expected a duration"),
        (["--meters", "0"], "--meters: expected 1 to 500"),
        (["--password-file", "/nowhere/pw"], "--password-file: cannot be read: /nowhere/pw"),
        (["--report", "/nowhere/report.json"], "--report: /nowhere is no folder"),
        (["--prefix", "A B"], "--prefix"),
    ],
)
def test_wrong_options_are_one_line_and_status_2(arguments: list[str], message: str) -> None:
    done = _simulate(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_help_shows_examples() -> None:
    done = _simulate("--help")
    assert done.returncode == 0
    assert "wattline simulate fleet --gateways 500 --meters 10 --report sent.json" in done.stdout
