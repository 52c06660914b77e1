"""London homes in both layouts, with the blemishes that the real files have."""

import gzip
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_export.dataset import MeterSeries
from model_export.errors import DataError
from model_export.sources.catalog import Options, open_dataset
from model_export.sources.london import london_files
from simulators.london_files import LondonFiles, make_files

HEADER = "LCLid,stdorToU,DateTime,KWH/hh (per half hour) \r\n"
DAYS = 30
ALL = Options(shortest_days=0.0)


def home(name: str, half_hours: int = 48 * DAYS) -> list[str]:
    start = np.datetime64("2012-10-12T00:00:00")
    moments = [str(start + np.timedelta64(30 * i, "m")).replace("T", " ") for i in range(half_hours)]
    return [f"{name},Std,{moment}.0000000, {0.1 + i % 48 / 50:.3f} \r\n" for i, moment in enumerate(moments)]


def read(folder: Path, options: Options | None = None) -> dict[str, MeterSeries]:
    return {one.name: one for one in open_dataset("london", folder, None, options).series()}


@settings(deadline=None, max_examples=25)
@given(cuts=st.lists(st.integers(1, 3 * 48 * DAYS - 1), min_size=1, max_size=11, unique=True))
def test_a_home_goes_on_from_file_to_file_in_the_order_of_their_numbers(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("london")
    rows = [row for name in ("MAC000003", "MAC000002", "MAC000001") for row in home(name)]
    borders = [0, *sorted(cuts), len(rows)]
    for number, (start, end) in enumerate(pairwise(borders)):
        (folder / f"LCL-June2015v2_{number}.csv").write_text(HEADER + "".join(rows[start:end]))
    found = read(folder)
    assert list(found) == ["MAC000003", "MAC000002", "MAC000001"]
    for one in found.values():
        assert (np.diff(one.intervals.start_ms) == 1_800_000).all()
        assert len(one.intervals) == 48 * DAYS
        assert one.intervals.mean[:2].tolist() == pytest.approx([0.2, 0.24])


def test_the_blemishes_of_the_original_are_counted(tmp_path: Path) -> None:
    rows = home("MAC000002")
    blemishes = [
        rows[5],
        rows[6].replace(" 0.220 ", " 0.500 "),
        "MAC000002,Std,2012-12-18 15:13:41.0000000,Null\r\n",
        "MAC000002,Std,2012-10-20 15:13:41.0000000, 0.1 \r\n",
        "MAC000002,Std,2012-11-20 00:00:00.0000000, -0.1 \r\n",
        "MAC000002,Std,2012-11-20 00:30:00.0000000, 123456.0 \r\n",
    ]
    (tmp_path / "a.csv").write_text(HEADER + "".join(rows + blemishes))
    dataset = open_dataset("london", tmp_path)
    [one] = dataset.series()
    assert len(one.intervals) == 48 * DAYS
    assert one.intervals.mean[6] == 1.0
    assert dataset.report.total.found() == {
        "rows": 1446,
        "kept": 1440,
        "missing": 1,
        "duplicates_equal": 1,
        "duplicates_conflicting": 1,
        "off_grid": 1,
        "negative": 1,
        "impossible": 1,
    }


def test_homes_that_teach_nothing_are_left_out_by_name(tmp_path: Path) -> None:
    constant = [row.rsplit(",", 1)[0] + ", 0.2 \r\n" for row in home("FLAT")]
    nothing = [row.rsplit(",", 1)[0] + ",Null\r\n" for row in home("NULL")]
    rows = home("GOOD") + home("SHORT", 48 * 16) + constant + nothing
    (tmp_path / "a.csv").write_text(HEADER + "".join(rows))
    dataset = open_dataset("london", tmp_path)
    assert [one.name for one in dataset.series()] == ["GOOD"]
    excluded = {one.meter: (one.excluded, one.detail) for one in dataset.report.exclusions}
    assert excluded == {
        "SHORT": ("too_short", "16.0 days of data, fewer than 28"),
        "FLAT": ("constant", "the same value in all 1440 rows"),
        "NULL": ("no_values", "none of 1440 rows has a time and a number"),
    }


def test_files_of_another_layout_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no"):
        london_files(tmp_path)
    (tmp_path / "notes.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"notes\.csv: not a London file; expected `LCLid,tstp"):
        london_files(tmp_path)
    (tmp_path / "homes_1.csv").write_text(HEADER + "".join(home("MAC1")))
    dataset = open_dataset("london", tmp_path)
    assert len(list(dataset.series())) == 1
    assert dataset.report.other_files == ("notes.csv",)


def test_made_up_files_of_the_project_are_read_with_every_blemish_counted(tmp_path: Path) -> None:
    folder = make_files(LondonFiles(rows=150_000, files=7, seed=3, homes=2), tmp_path)
    truth = json.loads((folder / "truth.json").read_text())
    dataset = open_dataset("london", folder, None, ALL)
    intervals = sum(len(one.intervals) for one in dataset.series())
    total = dataset.report.total
    assert (total.rows, total.kept) == (150_000, intervals)
    assert total.missing == truth["null"]
    assert total.off_grid == truth["off_grid"]
    assert total.negative == truth["negative"]
    assert total.impossible == truth["impossible"]
    assert total.duplicates_equal + total.duplicates_conflicting == truth["duplicate"]


def test_the_homes_of_the_corpus_are_read_whole(corpus: Path) -> None:
    dataset = open_dataset("london", corpus / "forecast" / "london_lcl")
    found = list(dataset.series())
    total = dataset.report.total
    assert len(found) == 30
    assert total.found() == pytest.approx({"rows": 505_310, "kept": 505_310, "gaps": 62, "gap_hours": 90.5})
    assert sum(len(one.intervals) for one in found) == 505_310
    temperatures = np.concatenate([one.temperature_c for one in found if one.temperature_c is not None])
    assert len(temperatures) == 505_310
    assert np.isnan(temperatures).mean() < 0.001
    assert 5 < np.nanmean(temperatures) < 15


def test_a_home_of_the_corpus_cut_to_sixteen_days_is_left_out(corpus: Path, tmp_path: Path) -> None:
    source = corpus / "forecast" / "london_lcl" / "homes" / "MAC000002.csv.gz"
    lines = gzip.decompress(source.read_bytes()).decode().splitlines()[: 1 + 16 * 48]
    (tmp_path / "MAC000002.csv").write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"none of 1 meters is left \(1 too short\): MAC000002: 16\.0 days"):
        read(tmp_path)
