"""A writer that ends at any moment: nobody ever sees a reading twice, and the next one finishes what it began."""

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cloud_stream.archive.errors import ArchiveError
from cloud_stream.archive.local_target import LocalTarget
from cloud_stream.archive.target import ArchiveTarget
from tests.cloud_stream.archive import crash_scene as scene
from tests.cloud_stream.archive.reading import copied, rows

ROOT = Path(__file__).resolve().parents[3]


def each_at_most_once(root: Path) -> None:
    keys = Counter((row.site, row.meter, row.quantity, row.t) for row in rows(root))
    assert not [key for key, count in keys.items() if count > 1]


class CrashError(Exception):
    """The end of a writer."""


class Ending:
    """A target that ends its writer before or after one of the things it does."""

    def __init__(self, inner: ArchiveTarget, step: int) -> None:
        self.where = inner.where
        self.steps = 0
        self._inner = inner
        self._step = step

    def days(self) -> list[str]:
        return self._inner.days()

    def names(self, day: str) -> frozenset[str]:
        return self._inner.names(day)

    @contextmanager
    def reading(self, day: str, name: str) -> Iterator[Path]:
        with self._inner.reading(day, name) as path:
            yield path

    def put(self, day: str, name: str, write: Callable[[Path], object]) -> None:
        def write_and_die(path: Path) -> None:
            write(path)
            self._die()

        self._die()
        self._inner.put(day, name, write_and_die)
        self._die()

    def move(self, day: str, name: str, to: str) -> None:
        self._die()
        self._inner.move(day, name, to)
        self._die()

    def remove(self, day: str, names: Iterable[str]) -> None:
        for name in names:
            self._die()
            self._inner.remove(day, [name])
        self._die()

    def _die(self) -> None:
        self.steps += 1
        if self.steps == self._step:
            raise CrashError


@pytest.mark.parametrize("dense_rows", [1, 5_000_000], ids=["minutes", "hours"])
def test_an_end_before_and_after_every_step(
    target: ArchiveTarget, dense_rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud_stream.archive.writer.DENSE_ROWS", dense_rows)
    step = 0
    while True:
        step += 1
        folder = tmp_path / f"{step}"
        for day in target.days():
            target.remove(day, target.names(day))
        scene.prepare(folder, target)
        ending = Ending(target, step)
        try:
            scene.finish(folder, ending)
        except CrashError:
            each_at_most_once(copied(target, folder / "seen"))
        scene.finish(folder, target)
        assert rows(copied(target, folder / "copy")) == scene.AFTER
        names = {day: target.names(day) for day in target.days()}
        assert {day: found for day, found in names.items() if found} == {
            "2026-10-23": {"day.parquet"},
            "2026-11-02": {"day.parquet"},
        }
        if ending.steps < step:
            break
    assert step > 20


@pytest.mark.timeout(300)
def test_kill_9_before_every_change_of_a_file(tmp_path: Path) -> None:
    step, killed = 0, True
    while killed:
        step += 1
        folder = tmp_path / f"{step}"
        target = LocalTarget(folder / "archive")
        scene.prepare(folder, target)
        command = [sys.executable, "-m", "tests.cloud_stream.archive.crash_scene", str(folder), str(step)]
        done = subprocess.run(command, cwd=ROOT, timeout=60, check=False, capture_output=True)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()
        killed = done.returncode != 0
        each_at_most_once(folder / "archive")
        scene.finish(folder, target)
        assert rows(folder / "archive") == scene.AFTER
        assert sorted(path.name for path in (folder / "archive").rglob("*") if path.is_file()) == ["day.parquet"] * 2
    assert step > 20


def test_a_plan_that_cannot_be_read_stops_its_day_and_says_so(tmp_path: Path) -> None:
    target = LocalTarget(tmp_path / "archive")
    scene.prepare(tmp_path, target)
    (tmp_path / "archive" / "date=2026-11-02" / "compaction.json").write_text("{")
    with pytest.raises(ArchiveError, match=r"compaction\.json"):
        scene.finish(tmp_path, target)
