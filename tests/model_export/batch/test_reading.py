"""Which rows are used, and under which name the others are counted."""

import gzip
from pathlib import Path

import msgspec
import pytest

from model_export.batch import reading
from model_export.batch.files import find_survey
from model_export.batch.reading import Piece, read_pieces
from model_export.batch.results import Counts
from model_export.errors import DataError
from tests.model_export.batch.surveys import FIRST_DAY, HEADER, day_rows, row, survey

_SLOT = FIRST_DAY * 48
_HEAD = "MAC000002,Std,2012-12-26 "


def _read(folder: Path) -> tuple[list[Piece], dict[str, int]]:
    homes: dict[str, int] = {}
    return list(read_pieces(find_survey(folder), homes)), homes


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (f"{_HEAD}00:30:00.0000000, 0.25 ", "used"),
        (f"{_HEAD}00:30:00,0.25", "used"),
        (f"{_HEAD}00:30:00.0000000, 0 ", "used"),
        (f"{_HEAD}00:30:00.0000000, 50 ", "used"),
        (f"{_HEAD}18:07:40.0000000,Null", "null"),
        (f"{_HEAD}00:30:00.0000000,NULL", "null"),
        (f"{_HEAD}00:30:00.0000000, nan ", "null"),
        (f"{_HEAD}00:30:00.0000000,", "null"),
        (f"{_HEAD}00:30:00.0000000", "null"),
        ("", "null"),
        (f"{_HEAD}00:30:00.0000000, twelve ", "unreadable"),
        (f"{_HEAD}00:30:00.0000000, 0,25 ", "unreadable"),
        (f"{_HEAD}00:30,0.25", "unreadable"),
        (f"{_HEAD}24:30:00.0000000,0.25", "unreadable"),
        (f"{_HEAD}00:30:00.5000000,0.25", "unreadable"),
        ("MAC000002,Std,1999-12-31 23:30:00.0000000,0.25", "unreadable"),
        ("MAC000002,Std,2100-01-01 00:00:00.0000000,0.25", "unreadable"),
        ("MAC000002,Std,,0.25", "unreadable"),
        (",Std,2012-12-26 00:30:00.0000000,0.25", "unreadable"),
        ('"MAC000002,Std,2012-12-26 00:30:00.0000000,"0.25', "unreadable"),
        (f"{_HEAD}00:31:00.0000000,0.25", "off_grid"),
        (f"{_HEAD}00:30:01.0000000,-0.25", "off_grid"),
        (f"{_HEAD}00:30:00.0000000, -0.001 ", "negative"),
        (f"{_HEAD}00:30:00.0000000, -inf ", "negative"),
        (f"{_HEAD}00:30:00.0000000, 50.001 ", "impossible"),
        (f"{_HEAD}00:30:00.0000000, inf ", "impossible"),
    ],
)
def test_a_row_is_of_one_kind(tmp_path: Path, line: str, kind: str) -> None:
    good = row("MAC000003", _SLOT, "1")
    pieces, _ = _read(survey(tmp_path, [good, line, good]))
    counts = msgspec.structs.asdict(sum((piece.counts for piece in pieces), Counts()))
    expected = dict.fromkeys(counts, 0) | {"rows": 3} | ({kind: 1} if kind != "used" else {})
    assert counts == expected
    assert sum(len(piece.kwh) for piece in pieces) == 2 + (kind == "used")


def test_homes_slots_and_values_arrive_in_order(tmp_path: Path) -> None:
    lines = [row("B", _SLOT, " 1.5 "), row("A", _SLOT + 47, "2"), row("B", _SLOT + 1, "0.25")]
    (piece,), homes = _read(survey(tmp_path, lines[:2], lines[2:]))
    assert homes == {"B": 0, "A": 1}
    assert piece.home.tolist() == [0, 1, 0]
    assert (piece.slot - _SLOT).tolist() == [0, 47, 1]
    assert piece.kwh.tolist() == [1.5, 2.0, 0.25]


def test_pieces_are_bounded_and_together_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PIECE_ROWS", 100)
    files = [[line for day in range(3) for line in day_rows(home, FIRST_DAY + day)] for home in ("A", "B", "C")]
    pieces, homes = _read(survey(tmp_path, *files))
    assert max(len(piece.kwh) for piece in pieces) <= 100
    assert sum(piece.counts.rows for piece in pieces) == 3 * 3 * 48
    assert sorted(homes) == ["A", "B", "C"]


def test_bytes_that_are_no_text_do_not_end_the_run(tmp_path: Path) -> None:
    survey(tmp_path, [row("A", _SLOT, "1"), row("X", _SLOT, "1")])
    file = tmp_path / "LCL-June2015v2_0.csv"
    file.write_bytes(file.read_bytes().replace(b"X", b"\xff\x00"))
    (piece,), homes = _read(tmp_path)
    assert len(piece.kwh) == len(homes) == 2


def test_a_file_that_ends_in_the_middle_of_its_compression_is_an_error(tmp_path: Path) -> None:
    content = gzip.compress("\n".join([HEADER, *day_rows("A", FIRST_DAY)]).encode())
    (tmp_path / "a.csv.gz").write_bytes(content)
    (tmp_path / "b.csv.gz").write_bytes(content[:-40])
    with pytest.raises(DataError, match=r"b\.csv\.gz: "):
        _read(tmp_path)
