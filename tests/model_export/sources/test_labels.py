"""Labels in a file of their own are joined, counted where they do not fit, and refused where none does."""

import json
from pathlib import Path

import polars as pl
import pytest

from model_export.errors import DataError
from model_export.sources.labels import RowLabels, WindowLabels, read_labels

T0 = 1_356_998_400_000
HOUR = 3_600_000
CSV = "building_id,timestamp,anomaly\n"
ROWS = pl.DataFrame({"meter": ["a"] * 4 + ["b"] * 2, "t": [T0 + HOUR * i for i in (0, 1, 1, 2, 0, 1)], "v": [1.0] * 6})


def read(tmp_path: Path, name: str, content: str) -> RowLabels | WindowLabels:
    (tmp_path / name).write_text(content)
    return read_labels(tmp_path / name)


def test_rows_as_in_lead_mark_their_readings(tmp_path: Path) -> None:
    content = "a,2013-01-01 01:00:00,1\na,2013-01-01 02:00:00,0\nb,2013-01-01 09:00:00,1\nc,2013-01-01 00:00:00,1\n"
    labels = read(tmp_path, "l.csv", CSV + content)
    marked = labels.mark(ROWS)
    assert marked["label"].to_list() == [None, True, True, False, None, None]
    assert marked.drop("label").equals(ROWS)
    assert labels.finish() == 2


def test_labels_of_a_file_go_before_those_in_the_data(tmp_path: Path) -> None:
    labels = read(tmp_path, "l.csv", CSV + "a,2013-01-01 00:00:00,1\n")
    marked = labels.mark(ROWS.with_columns(label=pl.lit(value=False)))
    assert marked["label"].to_list() == [True, False, False, False, False, False]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"x/a.csv": ["2013-01-01 01:00:00"]}, [False, True, True, False, False, False]),
        ({"x/b.csv": [["2012-12-31 23:00:00.0", "2013-01-01 00:30:00.0"]]}, [False, False, False, False, True, False]),
    ],
)
def test_windows_as_in_the_anomaly_benchmark_mark_what_is_in_them(
    tmp_path: Path, content: object, expected: list[bool]
) -> None:
    labels = read(tmp_path, "w.json", json.dumps(content))
    assert labels.mark(ROWS)["label"].to_list() == expected
    assert labels.finish() == 0


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("l.csv", CSV + "a,2014-01-01 01:00:00,1\n"),
        ("w.json", '{"a.csv": [["2014-01-01", "2014-01-02"]], "z.csv": []}'),
    ],
)
def test_labels_of_other_data_are_refused_every_time(tmp_path: Path, name: str, content: str) -> None:
    labels = read(tmp_path, name, content)
    for _ in range(2):
        labels.mark(ROWS)
        with pytest.raises(DataError, match=f"{name}: none of its 1"):
            labels.finish()


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("l.csv", "building_id,timestamp\n1,2013-01-01\n", "not a file of labels"),
        ("l.csv", CSV, "holds no labels"),
        ("l.csv", CSV + "a,no time,1\n", "holds no labels"),
        ("w.json", "{}", "holds no labels"),
        ("w.json", "[1]", "not a file of labels"),
        ("w.json", '{"a.csv": [["2013-01-01"]]}', "not a file of labels"),
        ("w.json", '{"a.csv": ["yesterday"]}', "not a file of labels"),
        ("w.json", '{"a.csv": 3}', "not a file of labels"),
        ("w.json", '{"a.csv": [3]}', "not a file of labels"),
        ("w.json", "\x00", "not a file of labels"),
        ("w.json", "[" * 100_000, "not a file of labels"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, name: str, content: str, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        read(tmp_path, name, content)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for name in ("l.csv", "w.json"):
        with pytest.raises(DataError, match=name):
            read_labels(tmp_path / name)
