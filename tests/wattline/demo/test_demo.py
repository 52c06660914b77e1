"""The demo as its user runs it: a process, its output, its exit status, and nothing left behind."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

GATEWAYS = {"gw-homes", "gw-p1", "gw-simulated"}
KEYS = {
    "readings",
    "batches",
    "backlog",
    "windows",
    "anomalies",
    "alerts",
    "dead_letters",
    "latency_ms",
    "gateways",
}
LIVE = "now live"
_PATIENCE_S = 200.0


@contextmanager
def _demo(keep: Path, *arguments: str, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "wattline", "demo", "--json", "--keep", str(keep), *arguments]
    with keep.with_suffix(".err").open("w") as stderr:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=stderr, text=True, env={**os.environ, **environment}
        )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=60)


def _said(keep: Path) -> str:
    return keep.with_suffix(".err").read_text()


def _wait_until_said(process: subprocess.Popen[str], keep: Path, text: str) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while text not in _said(keep):
        assert process.poll() is None, _said(keep)
        assert time.monotonic() < deadline, _said(keep)
        time.sleep(0.1)


def _stored(keep: Path) -> int:
    with closing(sqlite3.connect(keep / "wattline.db")) as db:
        return int(db.execute("SELECT count(*) FROM reading").fetchone()[0])


def _wait_for_live_readings(process: subprocess.Popen[str], keep: Path, count: int) -> None:
    deadline, before = time.monotonic() + _PATIENCE_S, _stored(keep)
    while _stored(keep) < before + count:
        assert process.poll() is None, _said(keep)
        assert time.monotonic() < deadline, _said(keep)
        time.sleep(0.2)


def _processes_of(folder: Path) -> list[str]:
    """Command lines of running processes that name the demo's folder."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:  # it has ended
            continue
    return [line for line in lines if str(folder) in line]


def _check_exact(summary: dict[str, Any], keep: Path) -> None:
    """The summary is complete, and says what the kept store says."""
    assert set(summary) == KEYS
    assert set(summary["gateways"]) == GATEWAYS
    readings = summary["readings"]
    assert (readings["lost"], readings["duplicated"], readings["waiting"]) == (0, 0, 0)
    assert readings["stored"] == readings["sent"] >= summary["backlog"]["readings"] > 2 * 1440
    assert all(one["stored"] > 0 for one in summary["gateways"].values())
    assert _stored(keep) == readings["stored"]
    with closing(sqlite3.connect(keep / "wattline.db")) as db:
        assert dict(db.execute("SELECT level, count(*) FROM usage GROUP BY level")) == summary["windows"]
    assert {"meter", "site", "fleet"} <= set(summary["windows"])
    backlog = summary["backlog"]
    assert backlog["drain_s"] >= max(backlog["reconnect_s"], backlog["ingest_s"])
    assert min(backlog["reconnect_s"], backlog["ingest_s"]) > 0
    assert summary["batches"]["published"] >= summary["batches"]["distinct"] > 0
    assert summary["dead_letters"] == 0


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("mosquitto")
def test_an_outage_of_real_homes_ends_with_nothing_lost(tmp_path: Path, corpus: Path) -> None:
    keep = tmp_path / "demo"
    arguments = ("--duration", "8", "--history", "2d")
    with _demo(keep, *arguments, environment={"WATTLINE_CORPUS": str(corpus)}) as process:
        stdout, _ = process.communicate(timeout=_PATIENCE_S)
    assert process.returncode == 0, _said(keep)
    assert stdout.count("\n") == 1, "nothing but one line of JSON"
    _check_exact(json.loads(stdout), keep)
    assert "real London homes" in _said(keep)
    assert "mosquitto" in _said(keep)
    assert _processes_of(keep) == []


@pytest.mark.timeout(300)
def test_ctrl_c_ends_a_demo_without_mosquitto_and_corpus_with_its_summary(tmp_path: Path) -> None:
    keep = tmp_path / "demo"
    arguments = ("--duration", "600", "--history", "2d", "--broker", "amqtt")
    with _demo(keep, *arguments, environment={"WATTLINE_CORPUS": str(tmp_path / "nowhere")}) as process:
        _wait_until_said(process, keep, LIVE)
        assert len(_processes_of(keep)) >= 6, "a broker, a meter, three agents, a cloud"
        _wait_for_live_readings(process, keep, 10)
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate(timeout=_PATIENCE_S)
    assert process.returncode == 0, _said(keep)
    summary = json.loads(stdout)
    _check_exact(summary, keep)
    assert "simulated homes are replayed" in _said(keep)
    assert summary["latency_ms"]["live_readings"] > 0
    assert 0 < summary["latency_ms"]["p50"] <= summary["latency_ms"]["p99"]
    assert _processes_of(keep) == []


@pytest.mark.timeout(120)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ended_during_the_outage_nothing_stays_behind(tmp_path: Path, number: signal.Signals) -> None:
    keep = tmp_path / "demo"
    with _demo(keep, "--broker", "amqtt", environment={"WATTLINE_CORPUS": str(tmp_path)}) as process:
        _wait_until_said(process, keep, "outage: the broker is down")
        process.send_signal(number)
        stdout, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stdout == ""
    assert "Traceback" not in _said(keep)
    assert _processes_of(keep) == []


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--history", "two weeks"], "wattline: --history: expected a duration such as"),
        (["--history", "15d"], "wattline: --history: expected at most 14d"),
        (["--history", "0d"], "wattline: --history: expected at most 14d"),
        (["--keep", "{full}"], "wattline: --keep: {full} is not empty"),
        (["--keep", "{file}"], "wattline: --keep: {file}: File exists"),
        (["--duration", "1"], "Invalid value for '--duration'"),
        (["--broker", "hive"], "Invalid value for '--broker'"),
    ],
)
def test_a_wrong_line_is_an_error_before_anything_starts(tmp_path: Path, arguments: list[str], problem: str) -> None:
    full, file = tmp_path / "full", tmp_path / "full" / "file"
    full.mkdir()
    file.touch()
    names = {"full": str(full), "file": str(file)}
    done = subprocess.run(
        [sys.executable, "-m", "wattline", "demo", *(word.format(**names) for word in arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "COLUMNS": "500"},
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert problem.format(**names) in done.stderr
