"""One place for each reading, whatever files a day has."""

import pytest

from cloud_stream.archive.layout import day_name, day_number, is_closed, minutes_of, parts_of, place_of

DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("day", "name"), [(0, "1970-01-01"), (-1, "1969-12-31"), (20_759, "2026-11-02"), (11_016, "2000-02-29")]
)
def test_days_and_their_names(day: int, name: str) -> None:
    assert day_name(day) == name
    assert day_number(name) == day


@pytest.mark.parametrize("name", ["", "2026-13-01", "2026-11-02.old", "__HIVE_DEFAULT_PARTITION__", "20261102"])
def test_what_is_no_day(name: str) -> None:
    assert day_number(name) is None


@pytest.mark.parametrize(("now_ms", "closed"), [(0, False), (2 * DAY_MS - 1, False), (2 * DAY_MS, True)])
def test_a_day_is_closed_a_day_after_its_end(now_ms: int, closed: bool) -> None:  # noqa: FBT001 (a column of the table)
    assert is_closed(0, now_ms) is closed


@pytest.mark.parametrize(
    ("names", "closed", "dense", "place"),
    [
        (set(), False, False, "hour-07.parquet"),
        ({"hour-03.parquet"}, False, False, "hour-07.parquet"),
        (set(), False, True, "hour-07-35.parquet"),
        ({"hour-07.parquet"}, False, True, "hour-07.parquet"),
        ({"hour-07-01.parquet"}, False, False, "hour-07-35.parquet"),
        ({"hour-08-01.parquet"}, False, False, "hour-07.parquet"),
        (set(), True, False, "day.parquet"),
        (set(), True, True, "day.parquet"),
        ({"hour-03.parquet"}, True, False, "hour-07.parquet"),
        ({"hour-03-59.parquet"}, True, True, "hour-07-35.parquet"),
        ({"day.parquet"}, True, True, "day.parquet"),
        ({"day.parquet"}, False, False, "day.parquet"),
        ({"day.parquet.new", "hour-03.parquet.damaged"}, True, False, "day.parquet"),
    ],
)
def test_the_place_of_a_reading(names: set[str], closed: bool, dense: bool, place: str) -> None:  # noqa: FBT001 (as above)
    assert place_of(7 * 60 + 35, names, closed=closed, dense=dense) == place


def test_the_files_of_hours_and_minutes() -> None:
    names = {"hour-11.parquet", "hour-02-07.parquet", "day.parquet", "hour-02.parquet.damaged", "hour-03.parquet.new"}
    assert parts_of(names | {"hour-02-06.parquet"}) == ["hour-02-06.parquet", "hour-02-07.parquet", "hour-11.parquet"]
    assert minutes_of(names) == {"hour-02.parquet": ["hour-02-07.parquet"]}
