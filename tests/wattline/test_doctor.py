"""What `wattline doctor` prints and how it ends."""

import json
import subprocess
import sys
from pathlib import Path


def _doctor(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "wattline", "doctor", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_whole_installation_needs_nobody() -> None:
    answer = _doctor()
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "packages" in answer.stdout
    assert "action" not in answer.stdout


def test_what_needs_a_person_ends_with_status_one(tmp_path: Path) -> None:
    answer = _doctor("-c", str(tmp_path / "none.toml"))
    assert (answer.returncode, answer.stderr) == (1, "")
    assert "action" in answer.stdout
    assert "name an existing file" in answer.stdout


def test_json_holds_all_findings(tmp_path: Path) -> None:
    answer = _doctor("--json", "-c", str(tmp_path / "none.toml"), "-c", str(tmp_path / "[red]other.toml"))
    assert answer.returncode == 1
    report = json.loads(answer.stdout)
    assert report["actions"] == 2
    asked_for = [finding for finding in report["findings"] if finding["state"] == "action"]
    assert [finding["topic"] for finding in asked_for] == ["none.toml", "[red]other.toml"]
    assert set(asked_for[0]) == {"topic", "name", "state", "detail", "action"}
