"""Real homes with real weather: together they use more when it is cold."""

import csv
import gzip
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from cloud_stream.correlation.drivers import hour_finding, temperature_finding
from cloud_stream.correlation.history import day_means_of_hours, on_grid, span_before
from tests.cloud_stream.correlation.series import HALF_HOUR, history


def at_ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def rows(file: Path, time: str, value: str) -> tuple[list[int], list[float]]:
    with gzip.open(file, "rt") as lines:
        found = [(at_ms(row[time]), float(row[value])) for row in csv.DictReader(lines) if row[value].strip()]
    return [t for t, _ in found], [v for _, v in found]


@pytest.mark.parametrize(
    ("end", "days", "strongest_r"),
    [("2013-04-30", 90, -0.75), ("2013-12-31", 90, -0.65), ("2013-12-31", 360, -0.75)],
)
def test_london_uses_more_when_it_is_cold(corpus: Path, end: str, days: int, strongest_r: float) -> None:
    folder = corpus / "forecast" / "london_lcl"
    span = span_before("UTC", at_ms(end), days, HALF_HOUR)
    homes = [
        on_grid(span, *rows(file, "tstp", "energy(kWh/hh)")) for file in sorted((folder / "homes").glob("*.csv.gz"))
    ]
    energy = np.nanmean(np.array(homes), axis=0)
    warmth = day_means_of_hours(span, *rows(folder / "weather_hourly_darksky.csv.gz", "time", "temperature"))
    london = history(span, energy, temperature_c=warmth, temperature_source="weather service")
    found, fit = temperature_finding(london)
    assert found.r is not None
    assert found.r < strongest_r
    assert fit is not None
    assert 0.2 < fit.heating_kwh < 0.6
    if days == 360:
        assert fit.balance_c == pytest.approx(14, abs=2)
    assert hour_finding(london).peak_hour == 19
