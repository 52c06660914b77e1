"""Simulated homes in the layout of the London project: the bytes, and that what is in them is known."""

import re
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from simulators.errors import SimulationError
from simulators.london_files import LondonFiles, main, make_files, read_truth
from simulators.london_homes import Truth

_SMALL = LondonFiles(rows=120_000, files=7, homes=2, seed=3)
_LINE = re.compile(
    r"MAC\d{6},(Std|ToU),201[1-4]-\d\d-\d\d \d\d:\d\d:\d\d\.0000000,(Null| -?\d+(\.\d{1,3})? )\r\n", re.ASCII
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_files(_SMALL, tmp_path_factory.mktemp("london"))


def _lines(folder: Path) -> list[list[str]]:
    files = [folder / f"LCL-June2015v2_{number}.csv" for number in range(_SMALL.files)]
    return [file.read_bytes().decode("ascii").splitlines(keepends=True) for file in files]


def test_every_file_has_the_header_with_its_blank_and_its_share_of_rows(made: Path) -> None:
    files = _lines(made)
    assert {lines[0] for lines in files} == {"LCLid,stdorToU,DateTime,KWH/hh (per half hour) \r\n"}
    assert sum(len(lines) - 1 for lines in files) == _SMALL.rows
    assert max(map(len, files)) - min(map(len, files)) <= 1


def test_every_row_has_the_original_form(made: Path) -> None:
    assert [line for lines in _lines(made) for line in lines[1:] if not _LINE.fullmatch(line)] == []


def test_homes_follow_each_other_and_go_on_in_the_next_file(made: Path) -> None:
    homes = [line[:9] for lines in _lines(made) for line in lines[1:]]
    runs = [home for home, before in zip(homes, ["", *homes], strict=False) if home != before]
    assert runs == [f"MAC{number:06d}" for number in range(2, 2 + len(runs))]
    assert len(runs) < _SMALL.files


def test_the_truth_is_what_is_in_the_files(made: Path) -> None:
    rows = [line.rstrip("\r\n").split(",") for lines in _lines(made) for line in lines[1:]]
    counts: Counter[str] = Counter(rows=len(rows))
    seen = set()
    for home, _, time, value in rows:
        kind = _kind(time, value)
        if not kind and (home, time) in seen:
            kind = "duplicate"
        seen |= {(home, time)} if not kind else set()
        counts[kind or "used"] += 1
    truth = msgspec.structs.asdict(read_truth(made))
    assert {name: counts[name] for name in truth} == truth
    assert truth["duplicate"] > 0
    assert counts["used"] > 0.99 * _SMALL.rows


def _kind(time: str, value: str) -> str:
    if value == "Null":
        return "null"
    if not time.endswith((":00:00.0000000", ":30:00.0000000")):
        return "off_grid"
    kwh = float(value)
    return "negative" if kwh < 0 else "impossible" if kwh > 50 else ""


def test_homes_that_share_a_simulated_year_differ(made: Path) -> None:
    used: dict[str, dict[str, str]] = {}
    for line in (line for lines in _lines(made) for line in lines[1:]):
        home, _, time, value = line.split(",")
        used.setdefault(home, {})[time] = value
    first, _, third, *_ = used.values()  # two homes were simulated: the first and the third are the same one
    shared = [time for time in first if time in third]
    assert len(shared) > 10_000
    assert sum(first[time] == third[time] for time in shared) < 0.1 * len(shared)


@pytest.mark.parametrize(("changed", "same"), [({}, True), ({"seed": 4}, False)], ids=["the same seed", "another seed"])
def test_the_seed_decides_every_byte(made: Path, tmp_path: Path, changed: dict[str, int], same: bool) -> None:  # noqa: FBT001 - a column of the table
    other = make_files(msgspec.structs.replace(_SMALL, **changed), tmp_path)
    assert (_lines(other) == _lines(made)) is same


def test_files_that_are_there_are_not_made_again(made: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in made.iterdir()}
    told: list[str] = []
    assert make_files(_SMALL, made.parent, told.append) == made
    assert {file: file.stat().st_mtime_ns for file in made.iterdir()} == before
    assert told == ["120,000 rows of an earlier run are used"]


def test_nothing_but_the_files_is_left(made: Path) -> None:
    assert [entry.name for entry in made.parent.iterdir()] == [made.name]


def test_fewer_rows_than_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match="3 rows do not fill 4 files"):
        make_files(LondonFiles(rows=3, files=4), tmp_path)


def test_a_place_that_cannot_be_written_is_one_line_on_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main(["--out", str(tmp_path / "file"), "--rows", "1000", "--files", "1", "--homes", "1"]) == 1
    assert capsys.readouterr().err == f"error: {tmp_path / 'file'}: File exists\n"


def test_the_command_prints_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path), "--rows", "1000", "--files", "2", "--homes", "1"]) == 0
    folder = Path(capsys.readouterr().out.strip())
    assert read_truth(folder).rows == 1000
    assert len(list(folder.glob("*.csv"))) == 2


def test_truths_add_up() -> None:
    assert Truth(rows=2, null=1) + Truth(rows=3, duplicate=2) == Truth(rows=5, null=1, duplicate=2)
