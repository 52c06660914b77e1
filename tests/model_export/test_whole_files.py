"""A file is there whole or not at all."""

from pathlib import Path

import pytest

from model_export.whole_files import write_whole


def test_a_file_and_its_folder_are_made(tmp_path: Path) -> None:
    out = tmp_path / "new" / "a.txt"
    write_whole(out, lambda fresh: fresh.write_text("whole"))
    assert out.read_text() == "whole"
    assert list(out.parent.iterdir()) == [out]


@pytest.mark.parametrize("trouble", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_fails_in_the_middle_leaves_the_old_file_and_nothing_else(tmp_path: Path, trouble: BaseException) -> None:
    out = tmp_path / "a.txt"
    out.write_text("old")

    def fails(fresh: Path) -> None:
        fresh.write_text("half")
        raise trouble

    with pytest.raises(type(trouble)):
        write_whole(out, fails)
    assert out.read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]


def test_a_full_disk_is_told_with_the_file(tmp_path: Path) -> None:
    def fails(_: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match=r"No space left on device: '.*a\.txt'"):
        write_whole(tmp_path / "a.txt", fails)


@pytest.mark.parametrize("folder", ["a.txt", "a.txt.new"])
def test_a_folder_in_its_place_is_said_and_left_alone(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir()
    with pytest.raises(IsADirectoryError, match=folder):
        write_whole(tmp_path / "a.txt", lambda fresh: fresh.write_text("whole"))
    assert (tmp_path / folder).is_dir()
