"""CSV files are found in the order of their numbers, and read in batches, gzipped or not."""

import gzip
from pathlib import Path

import pytest

from model_export.errors import DataError
from model_export.sources.files import batches, columns_of, stem, table_files


def test_files_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("v2_10.csv", "v2_2.csv", "v2_1.CSV.gz", "notes.txt"):
        (tmp_path / name).write_text("a\n1\n")
    assert [file.name for file in table_files(tmp_path)] == ["v2_1.CSV.gz", "v2_2.csv", "v2_10.csv"]
    assert stem(tmp_path / "v2_1.CSV.gz") == "v2_1"


@pytest.mark.parametrize("path", ["", "nowhere", "nowhere.csv"])
def test_where_there_is_none_it_is_said(tmp_path: Path, path: str) -> None:
    with pytest.raises(DataError, match=r"holds no \.csv|there is no such"):
        table_files(tmp_path / path)


@pytest.mark.parametrize("packed", [False, True])
def test_rows_keep_their_order_over_batches(tmp_path: Path, *, packed: bool) -> None:
    content = ("a,b\n" + "".join(f"{i},x\n" for i in range(20_000))).encode()
    file = tmp_path / ("rows.csv.gz" if packed else "rows.csv")
    file.write_bytes(gzip.compress(content) if packed else content)
    assert columns_of(file) == ["a", "b"]
    read = [int(one) for rows in batches(file, ["a"], batch_rows=1_000) for one in rows["a"]]
    assert read == list(range(20_000))


WHOLE = ("a,b\n" + "".join(f"{i},{i * 7919 % 10007}\n" for i in range(9_000))).encode()


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("empty.csv", b"", "is empty"),
        ("cut.csv.gz", gzip.compress(WHOLE)[:2_000], "cut.csv.gz: "),
        ("broken.csv.gz", gzip.compress(WHOLE)[:5_000] + bytes(5_000), "broken.csv.gz: "),
        ("quote.csv", WHOLE + b'1,"2\n' + WHOLE, "quote.csv: "),
    ],
)
def test_a_broken_file_is_named_in_one_line(tmp_path: Path, name: str, content: bytes, problem: str) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(DataError, match=problem) as caught:
        list(batches(file, columns_of(file)[:1]))
    assert "\n" not in str(caught.value)
