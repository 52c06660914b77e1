"""The mapping from meters to segments is read whole or refused with the line that is wrong."""

from pathlib import Path

import pytest

from wattline.errors import ConfigError
from wattline.segments import COLUMNS, load_segment_tags

HEAD = ",".join(COLUMNS) + "\n"


@pytest.mark.parametrize(
    ("content", "tags"),
    [
        (HEAD, {}),
        (
            HEAD + 'M1,evening-peak,"evening peak, early",0.17,365\nM2,other,x,1.2,20\n',
            {"M1": "evening-peak", "M2": "other"},
        ),
        ("segment,meter\nflat,M 1\n", {"M 1": "flat"}),
        ('meter,segment\r\n"M,1",flat\r\n', {"M,1": "flat"}),
    ],
)
def test_a_mapping_is_read(tmp_path: Path, content: str, tags: dict[str, str]) -> None:
    file = tmp_path / "segments.csv"
    file.write_text(content, newline="")
    assert load_segment_tags(file) == tags


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "has no column 'meter'"),
        (b"meter,name\nM1,flat\n", "has no column 'segment'"),
        (b"meter,segment\nM1\n", "line 2: expected a segment"),
        (b"meter,segment\nM1,Flat\n", "line 2: expected a segment"),
        (b"meter,segment\nM1,flat load\n", "line 2: expected a segment"),
        (b"meter,segment\nM1,flat\n,flat\n", "line 3: has no name"),
        (b"meter,segment\nM\\1,flat\n", "line 2: has no name"),
        (b"meter,segment\nM1,flat\nM1,flat\n", "line 3: names meter 'M1' again"),
        (b'meter,segment\n"M1,flat\n', "is no CSV file"),
        (b"meter,segment\n\xff\xfe,flat\n", "is no CSV file"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    file = tmp_path / "segments.csv"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        load_segment_tags(file)
    assert problem in str(refused.value)
    assert str(file) in str(refused.value)


def test_an_absent_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_segment_tags(tmp_path / "absent.csv")
