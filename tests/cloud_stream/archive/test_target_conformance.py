"""What every place of the archive does: the `ArchiveTarget` port as a specification."""

from pathlib import Path

import pytest

from cloud_stream.archive.errors import ArchiveError
from cloud_stream.archive.target import ArchiveTarget

DAY = "2026-11-02"


def put(target: ArchiveTarget, name: str, content: bytes, day: str = DAY) -> None:
    target.put(day, name, lambda path: path.write_bytes(content))


def content(target: ArchiveTarget, name: str, day: str = DAY) -> bytes:
    with target.reading(day, name) as path:
        return path.read_bytes()


def test_an_empty_place_has_no_days_and_no_files(target: ArchiveTarget) -> None:
    assert target.days() == []
    assert target.names(DAY) == frozenset()


def test_a_file_comes_back_as_it_went(target: ArchiveTarget) -> None:
    large = bytes(range(256)) * 40_000
    put(target, "day.parquet", large)
    put(target, "day.parquet.new", b"")
    assert content(target, "day.parquet") == large
    assert content(target, "day.parquet.new") == b""
    assert target.names(DAY) == {"day.parquet", "day.parquet.new"}


def test_days_are_listed_in_order_and_kept_apart(target: ArchiveTarget) -> None:
    for day in ("2026-11-03", "2025-01-31", "2026-11-02"):
        put(target, "day.parquet", day.encode(), day)
    assert target.days() == ["2025-01-31", "2026-11-02", "2026-11-03"]
    assert content(target, "day.parquet", "2025-01-31") == b"2025-01-31"


def test_a_file_is_replaced(target: ArchiveTarget) -> None:
    put(target, "hour-07.parquet", b"old")
    put(target, "hour-07.parquet", b"new")
    assert content(target, "hour-07.parquet") == b"new"
    assert target.names(DAY) == {"hour-07.parquet"}


def test_a_file_is_read_while_it_is_replaced(target: ArchiveTarget) -> None:
    put(target, "hour-07.parquet", b"old")
    with target.reading(DAY, "hour-07.parquet") as path:
        target.put(DAY, "hour-07.parquet", lambda out: out.write_bytes(path.read_bytes() + b" and new"))
    assert content(target, "hour-07.parquet") == b"old and new"


def test_a_write_that_fails_leaves_all_as_it_was(target: ArchiveTarget) -> None:
    put(target, "hour-07.parquet", b"old")

    def fail(path: Path) -> None:
        path.write_bytes(b"half")
        raise ArchiveError("no")

    with pytest.raises(ArchiveError, match="no"):
        target.put(DAY, "hour-07.parquet", fail)
    assert content(target, "hour-07.parquet") == b"old"
    assert target.names(DAY) == {"hour-07.parquet"}


def test_a_file_is_moved_over_another(target: ArchiveTarget) -> None:
    put(target, "day.parquet", b"old")
    put(target, "day.parquet.new", b"new")
    target.move(DAY, "day.parquet.new", "day.parquet")
    target.move(DAY, "day.parquet.new", "day.parquet")
    assert content(target, "day.parquet") == b"new"
    assert target.names(DAY) == {"day.parquet"}


def test_files_are_removed_whether_they_are_there_or_not(target: ArchiveTarget) -> None:
    for name in ("a", "b", "c"):
        put(target, name, b"x")
    target.remove(DAY, ["a", "c", "never was"])
    assert target.names(DAY) == {"b"}
    target.remove("1999-01-01", ["nothing"])


def test_a_file_that_is_not_there_cannot_be_read(target: ArchiveTarget) -> None:
    with pytest.raises(ArchiveError), target.reading(DAY, "day.parquet"):
        pass
