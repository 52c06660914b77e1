"""Made-up labelled buildings, as series and as files in the LEAD layout."""

from pathlib import Path

import numpy as np

from model_export.dataset import MeterSeries
from wattline.intervals import HOUR_MS, from_amounts

T0 = 1_451_606_400_000
"""2016-01-01T00:00Z"""
HEADER = "timestamp,building_id,meter_reading,anomaly"


def labelled_building(number: int, days: int = 60, faulty_from_day: int = 45, seed: int = 1) -> MeterSeries:
    """Hourly amounts with a rhythm of days and weeks; every fifth night from some day on is lost, and labelled."""
    rng = np.random.default_rng((seed, number))
    n = days * 24
    hour, day = np.arange(n) % 24, np.arange(n) // 24
    amount = (2.0 + np.sin((hour - 9) / 24 * 2 * np.pi) - 0.5 * (day % 7 > 4)) * 10.0 ** (number % 4)
    amount = amount * rng.lognormal(0.0, 0.05, n)
    labels = (day >= faulty_from_day) & (day % 5 == 0) & (hour < 5)
    amount[labels] *= 0.02
    t_ms = T0 + HOUR_MS * np.arange(n, dtype=np.int64)
    return MeterSeries(str(number), from_amounts(0, t_ms, amount, HOUR_MS), labels=labels)


def write_building(folder: Path, building: MeterSeries, header: str = HEADER) -> Path:
    """A file of one building in the LEAD layout, or with fewer of its columns."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = building.labels if building.labels is not None else np.zeros(len(building.intervals), np.bool_)
    columns = {
        "timestamp": np.datetime_as_string(
            (building.intervals.start_ms * 1_000_000).astype("datetime64[ns]"), unit="s"
        ),
        "building_id": np.full(len(labels), building.name),
        "meter_reading": building.intervals.mean.astype(np.str_),
        "anomaly": labels.astype(np.int64).astype(np.str_),
    }
    rows = zip(*(columns[name] for name in header.split(",")), strict=True)
    file = folder / f"building_{building.name}.csv"
    file.write_text("\n".join([header, *(",".join(row) for row in rows)]) + "\n")
    return file
