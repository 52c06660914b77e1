"""A watched file: whatever is put in its place, the last good content stays in force and nothing waits."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from cloud_stream.watched_file import MOST_BYTES, RETRY_EVERY_S, WET_NS, WatchedFile
from wattline.errors import ConfigError


def read(path: Path) -> tuple[str, Sequence[Path]]:
    try:
        return path.read_text("utf-8"), [path]
    except OSError as error:
        raise ConfigError(str(path), error.strerror or "") from None
    except ValueError:
        raise ConfigError(str(path), "is not UTF-8") from None


def later_ns() -> int:
    """A clock by which everything was written long ago."""
    return time.time_ns() + 2 * WET_NS


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(100 * MOST_BYTES)


INSTEAD: Sequence[tuple[str, Callable[[Path], object], str]] = (
    ("nothing", lambda _path: None, "No such file"),
    ("a folder", Path.mkdir, "Is a directory"),
    ("a pipe that nobody writes", os.mkfifo, "not a regular file"),
    ("a file without an end in sight", sparse, "larger than 4 MiB"),
    ("noise", lambda path: path.write_bytes(b"\xff\x00\xfe"), "not UTF-8"),
)


@pytest.mark.parametrize(("instead", "problem"), [row[1:] for row in INSTEAD], ids=[row[0] for row in INSTEAD])
def test_what_is_put_in_its_place_changes_nothing_and_is_told(
    tmp_path: Path, instead: Callable[[Path], object], problem: str
) -> None:
    path, now_s = tmp_path / "rules.toml", [0.0]
    path.write_text("good")
    file = WatchedFile(path, read, good_copy=tmp_path / "good", clock_s=lambda: now_s[0], wall_ns=later_ns)
    path.unlink()
    instead(path)
    now_s[0] = 2.0

    assert file.look()

    assert (file.value, file.refused) == ("good", 1)
    assert problem in file.problem
    assert len(file.digest()) == 16
    again = WatchedFile(path, read, good_copy=tmp_path / "good", clock_s=time.monotonic)
    assert (again.value, again.refused) == ("good", 1)
    assert problem in again.problem


def test_what_is_missing_is_found_once_it_is_there_though_the_file_stays_as_it_is(tmp_path: Path) -> None:
    path, needed, now_s = tmp_path / "rules.toml", tmp_path / "needed", [0.0]
    path.write_text("first")

    def read_both(rules: Path) -> tuple[str, Sequence[Path]]:
        text = rules.read_text("utf-8")
        return text if text == "first" else text + read(needed)[0], [rules]

    def looks(after_s: float) -> tuple[bool, str, int]:
        now_s[0] += after_s
        return file.look(), file.value, file.refused

    file = WatchedFile(path, read_both, clock_s=lambda: now_s[0], wall_ns=later_ns)
    path.write_text("second and ")
    assert looks(1.0) == (True, "first", 1)
    assert looks(2 * RETRY_EVERY_S) == (False, "first", 1)
    needed.write_text("more")
    assert looks(RETRY_EVERY_S) == (True, "second and more", 1)
    assert file.problem == ""
    needed.unlink()
    assert looks(2 * RETRY_EVERY_S) == (False, "second and more", 1)


@pytest.mark.parametrize(("instead", "problem"), [row[1:] for row in INSTEAD], ids=[row[0] for row in INSTEAD])
def test_a_start_without_a_good_copy_says_what_is_wrong(
    tmp_path: Path, instead: Callable[[Path], object], problem: str
) -> None:
    path = tmp_path / "rules.toml"
    instead(path)

    with pytest.raises(ConfigError, match=problem):
        WatchedFile(path, read, good_copy=tmp_path / "good")


def test_a_file_that_may_still_be_written_is_left_for_the_next_look(tmp_path: Path) -> None:
    path, now_s, wall_ns = tmp_path / "rules.toml", [0.0], [0]
    path.write_text("good")
    file = WatchedFile(path, read, clock_s=lambda: now_s[0], wall_ns=lambda: wall_ns[0])
    path.write_text("")
    wall_ns[0] = path.stat().st_mtime_ns + WET_NS - 1
    now_s[0] = 2.0
    assert (file.look(), file.value) == (False, "good")
    wall_ns[0] += 1
    now_s[0] = 4.0
    assert (file.look(), file.value) == (True, "")
