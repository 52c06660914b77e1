"""The bench of the run over a survey: whole, and small."""

from pathlib import Path

import pytest

from wattline import bench_batch
from wattline.bench_batch import BatchBenchError, is_sound, run_batch_bench


def test_a_small_run_is_measured_and_sound(tmp_path: Path) -> None:
    steps: list[str] = []
    figures = run_batch_bench(100_000, data=tmp_path, progress=steps.append)
    assert is_sound(figures)
    assert (figures["rows"], figures["files"], figures["counts"]["rows"]) == (100_000, 168, 100_000)
    assert figures["rows_per_s"] == pytest.approx(100_000 / figures["seconds"], rel=0.01)
    assert figures["seconds"] == pytest.approx(sum(figures["steps_s"].values()), abs=0.01)
    assert figures["peak_mb"] > 50
    assert figures["start_s"] > 0
    assert figures["cpu_s"] > 0
    assert figures["machine"]["cores"] >= 1
    assert figures["engine"].startswith("polars ")
    assert steps[-2] == "polars runs over 100,000 rows"
    again: list[str] = []
    run_batch_bench(100_000, data=tmp_path, progress=again.append)
    assert again[0] == "100,000 rows of an earlier run are used"
    assert len(list(tmp_path.iterdir())) == 1


def test_nothing_is_left_of_files_that_are_not_to_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert run_batch_bench(100_000)["rows"] == 100_000
    assert list(tmp_path.iterdir()) == []


def test_an_engine_that_is_missing_is_told_before_files_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BatchBenchError, match=r"PySpark needs Java 17|'pyspark' is not installed: pip install"):
        run_batch_bench(100_000, data=tmp_path / "data", versus="pyspark")
    assert not (tmp_path / "data").exists()


def test_a_disk_that_is_too_small_is_told(tmp_path: Path) -> None:
    with pytest.raises(BatchBenchError, match=r"GiB are needed and .* are free; --data names another folder"):
        run_batch_bench(10**15, data=tmp_path)


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BatchBenchError, match="file: File exists"):
        run_batch_bench(100_000, data=tmp_path / "file")


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("import sys; sys.exit('error: no such thing')", "^no such thing$"),
        ("raise SystemExit(3)", "ended with 3"),
        ("import os; os.kill(os.getpid(), 9)", "ended with -9"),
    ],
)
def test_a_part_that_fails_is_told_in_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, message: str
) -> None:
    (tmp_path / "failing_part.py").write_text(program)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(BatchBenchError, match=message):
        bench_batch._asked(["failing_part"])


@pytest.mark.parametrize(
    ("figures", "sound"),
    [
        ({"counts_as_made": True}, True),
        ({"counts_as_made": False}, False),
        ({"counts_as_made": True, "agreement": {"agrees": True}}, True),
        ({"counts_as_made": True, "agreement": {"agrees": False}}, False),
        ({"counts_as_made": False, "agreement": {"agrees": True}}, False),
    ],
)
def test_what_makes_a_run_sound(figures: dict[str, object], sound: bool) -> None:  # noqa: FBT001 - a column of the table
    assert is_sound(figures) is sound
