"""Which files a survey has, and what is said about those that do not fit."""

import gzip
from pathlib import Path

import pytest

from model_export.batch.files import find_survey
from model_export.errors import DataError
from tests.model_export.batch.surveys import HEADER, survey


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        (HEADER, ("LCLid", "DateTime", "KWH/hh (per half hour) ")),
        (f"{HEADER},Acorn,Acorn_grouped", ("LCLid", "DateTime", "KWH/hh (per half hour) ")),
        ("\ufeffLCLid,stdorToU,DateTime,KWH/hh (per half hour)", ("LCLid", "DateTime", "KWH/hh (per half hour)")),
        ("LCLid,tstp,energy(kWh/hh)", ("LCLid", "tstp", "energy(kWh/hh)")),
    ],
    ids=["original", "with more columns", "with a byte order mark", "one home a file"],
)
def test_known_layouts(tmp_path: Path, header: str, columns: tuple[str, str, str]) -> None:
    found = find_survey(survey(tmp_path, [], header=header))
    assert (found.home, found.time, found.value) == columns


def test_files_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    survey(tmp_path, *[[]] * 12)
    assert [file.stem for file in find_survey(tmp_path).files] == [f"LCL-June2015v2_{number}" for number in range(12)]


def test_gzipped_files_and_others_beside_them(tmp_path: Path) -> None:
    (tmp_path / "truth.json").write_text("{}")
    (tmp_path / "home.csv.gz").write_bytes(gzip.compress(f"{HEADER}\n".encode()))
    assert [file.name for file in find_survey(tmp_path).files] == ["home.csv.gz"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "holds no .csv or .csv.gz file"),
        ({"a.txt": b""}, "holds no .csv or .csv.gz file"),
        ({"a.csv": b""}, r"a.csv: is empty"),
        ({"a.csv": b"\n\n"}, r"a.csv: is empty"),
        ({"a.csv": b"time,power\n1,2\n"}, "a.csv: no column lclid among time, power"),
        ({"a.csv": b"LCLid,time,KWH\n"}, "a.csv: no column datetime or tstp among LCLid, time, KWH"),
        ({"a.csv": HEADER.encode(), "b.csv": b"LCLid\n"}, r"b.csv: has other columns \(LCLid\) than a.csv"),
        ({"a.csv.gz": b"no gzip"}, "a.csv.gz: Not a gzipped file"),
        ({"a.csv.gz": gzip.compress(HEADER.encode())[:12]}, "a.csv.gz: Compressed file ended"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, files: dict[str, bytes], message: str) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        find_survey(tmp_path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: there is no such folder"):
        find_survey(tmp_path / "nowhere")


def test_a_file_instead_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(HEADER)
    with pytest.raises(DataError, match=r"a.csv: is no folder"):
        find_survey(tmp_path / "a.csv")


def test_a_folder_called_like_a_file_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(DataError, match=r"holds no .csv"):
        find_survey(tmp_path)
