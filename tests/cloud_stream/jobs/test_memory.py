"""What is remembered of jobs through a restart."""

from pathlib import Path

import pytest

from cloud_stream.jobs.memory import JobMemory, write_whole


def test_a_run_is_remembered_through_a_restart(tmp_path: Path) -> None:
    JobMemory(tmp_path / "jobs").remember("weather", 1_700_000_000_000)
    again = JobMemory(tmp_path / "jobs")
    assert again.last_ms("weather") == 1_700_000_000_000
    assert again.last_ms("other") is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"last_ms": "x"}', b"\xff" * 9000])
def test_a_damaged_file_is_a_job_that_never_ran(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "weather.json").write_bytes(content)
    assert JobMemory(tmp_path).last_ms("weather") is None


def test_a_disk_that_takes_nothing_is_remembered_around(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "jobs").write_text("a file where the folder should be")
    memory = JobMemory(tmp_path / "jobs")
    memory.remember("weather", 5)
    assert memory.last_ms("weather") == 5
    assert "job_not_remembered" in caplog.text


def test_what_is_held_ends_with_the_process(tmp_path: Path) -> None:
    memory = JobMemory(tmp_path)
    memory.hold("archive_flush", 7)
    assert memory.last_ms("archive_flush") == 7
    assert JobMemory(tmp_path).last_ms("archive_flush") is None


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "answer"
    write_whole(file, b"old")
    (tmp_path / "answer.part").mkdir()  # nothing can be written beside it
    with pytest.raises(OSError, match="directory"):
        write_whole(file, b"new")
    assert file.read_bytes() == b"old"
