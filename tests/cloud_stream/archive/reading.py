"""Reading an archive as its users do: with polars, with DuckDB, and row by row."""

import re
from pathlib import Path
from typing import NamedTuple

import duckdb
import polars as pl

from cloud_stream.archive.target import ArchiveTarget


class Reading(NamedTuple):
    """One row of the archive without its gateway and interval."""

    site: str
    meter: str
    quantity: str
    t: int
    value: float


class Total(NamedTuple):
    """How many rows an archive has, and their sum."""

    rows: int
    value: float


def copied(target: ArchiveTarget, folder: Path) -> Path:
    """The visible files of an archive, in a folder of this machine."""
    for day in target.days():
        for name in target.names(day):
            if name.endswith(".parquet"):
                (folder / f"date={day}").mkdir(parents=True, exist_ok=True)
                with target.reading(day, name) as path:
                    (folder / f"date={day}" / name).write_bytes(path.read_bytes())
    return folder


def files(root: Path) -> list[str]:
    """What a reader that looks everywhere finds."""
    return sorted(str(path.relative_to(root)) for path in root.glob("**/*.parquet"))


def rows(root: Path) -> list[Reading]:
    """All rows in the order of their key; a reading that is there twice comes twice."""
    if not files(root):
        return []
    frames = [pl.read_parquet(root / file, hive_partitioning=False) for file in files(root)]
    found = pl.concat(frames).sort("site", "meter", "quantity", "t", "value")
    return [Reading(*row) for row in found.select(Reading._fields).iter_rows()]


def by_polars(root: Path) -> Total:
    found = pl.scan_parquet(f"{root}/date=*/*.parquet").select(pl.len(), pl.col("value").sum()).collect()
    return Total(*found.row(0))


def by_duckdb(root: Path) -> Total:
    with duckdb.connect() as db:
        db.execute("SELECT count(*), sum(value) FROM read_parquet($1)", [f"{root}/date=*/*.parquet"])
        found = db.fetchone()
    assert found is not None
    return Total(*found)


def days_by_duckdb(root: Path) -> dict[str, int]:
    """Rows of each day, told by the folder's name and by the rows' times; both must say the same."""
    with duckdb.connect() as db:
        query = """SELECT strftime(date, '%Y-%m-%d'), strftime(make_timestamp(t * 1000), '%Y-%m-%d'), count(*)
        FROM read_parquet($1, hive_partitioning = true) GROUP BY ALL ORDER BY ALL"""
        found = db.execute(query, [f"{root}/date=*/*.parquet"]).fetchall()
    assert all(folder == day for folder, day, _ in found)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", folder) for folder, _, _ in found)
    return {folder: count for folder, _, count in found}
