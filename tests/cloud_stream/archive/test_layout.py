"""One place for each reading, whatever files a day has."""

import pytest

from cloud_stream.archive.layout import day_name, day_number, hours_of, is_closed, place_of

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
    ("names", "closed", "place"),
    [
        (set(), False, "hour-07.parquet"),
        ({"hour-03.parquet"}, False, "hour-07.parquet"),
        (set(), True, "day.parquet"),
        ({"hour-03.parquet"}, True, "hour-07.parquet"),
        ({"day.parquet"}, True, "day.parquet"),
        ({"day.parquet"}, False, "day.parquet"),
        ({"day.parquet.new", "hour-03.parquet.damaged"}, True, "day.parquet"),
    ],
)
def test_the_place_of_a_reading(names: set[str], closed: bool, place: str) -> None:  # noqa: FBT001 (as above)
    assert place_of(7, names, closed=closed) == place


def test_the_files_of_hours() -> None:
    names = {"hour-11.parquet", "hour-02.parquet", "day.parquet", "hour-02.parquet.damaged", "hour-03.parquet.new"}
    assert hours_of(names) == ["hour-02.parquet", "hour-11.parquet"]
