"""Temperatures find their intervals, and are not stretched over what nobody measured."""

from pathlib import Path

import numpy as np
import pytest

from model_export.sources.weather import Observations, weather_in
from wattline.intervals import from_amounts

HOUR = 3_600_000
T0 = 1_356_998_400_000


@pytest.mark.parametrize(
    ("observed_minutes", "interval_ms", "expected"),
    [
        ([0, 60, 120], HOUR, [60.0, 120.0, 120.0]),
        ([0, 60, 120], HOUR // 2, [0.0, 60.0, 60.0]),
        ([0, 30, 59, 90], HOUR, [59.0, 90.0, 90.0]),
        ([-120], HOUR, [-120.0, np.nan, np.nan]),
        ([-121], HOUR, [np.nan] * 3),
        ([130], HOUR, [np.nan, np.nan, 130.0]),
        ([], HOUR, [np.nan] * 3),
    ],
)
def test_an_interval_has_the_newest_observation_at_its_end_as_on_the_edge(
    observed_minutes: list[int], interval_ms: int, expected: list[float]
) -> None:
    minutes = np.array(observed_minutes, np.int64)
    intervals = from_amounts(0, T0 + interval_ms * np.arange(3), np.ones(3), interval_ms)
    over = Observations(T0 + 60_000 * minutes, minutes.astype(np.float64)).over(intervals)
    assert over.tolist() == pytest.approx(expected, nan_ok=True)


def test_weather_files_are_read_by_site(tmp_path: Path) -> None:
    (tmp_path / "weather_train.csv").write_text(
        "site_id,timestamp,air_temperature\n"
        "1,2013-01-01 01:00:00,3\n1,2013-01-01 00:00:00,2\n1,2013-01-01 00:00:00,2.5\n0,2013-01-01 00:00:00,\n"
    )
    (tmp_path / "weather_note.csv").write_text("text\nfine\n")
    (tmp_path / "other.csv").write_text("time,temperature\n2013-01-01,9\n")
    found = weather_in(tmp_path)
    assert list(found) == ["1"]
    assert found["1"].t_ms.tolist() == [T0, T0 + HOUR]
    assert found["1"].values.tolist() == [2.5, 3.0]


def test_without_weather_there_is_none(tmp_path: Path) -> None:
    assert weather_in(tmp_path) == weather_in(tmp_path / "nowhere") == {}
