"""What a run leaves behind."""

from pathlib import Path
from typing import Final

import msgspec

from model_export.whole_files import write_whole

DAILY: Final = "daily.parquet"
FORECAST: Final = "forecast.parquet"
ANOMALIES: Final = "anomalies.parquet"
SUMMARY: Final = "summary.json"


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of each kind. A row is of the first kind that fits, in this order; what fits none is used.

    Attributes:
        rows: All.
        null: Without a value.
        unreadable: Without a home or a possible time, with a value that is no number, or with more columns than the
            header has (as 0,25 makes).
        off_grid: Not at a full or a half hour.
        negative: Below 0.
        impossible: More than `MOST_KWH`.
        duplicate: Another row of the same home and half hour came first.
    """

    rows: int = 0
    null: int = 0
    unreadable: int = 0
    off_grid: int = 0
    negative: int = 0
    impossible: int = 0
    duplicate: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        """Rows of both."""
        return Counts(**{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__})


class ForecastFit(msgspec.Struct, frozen=True, kw_only=True):
    """The model and how good it is.

    Attributes:
        split_day: Days since 1970; learnt from are the days before.
        trained: Home-days that it learnt from; `tested`: those that it is judged by.
        mae_kwh: Mean absolute error over the tested days.
        week_ago_mae_kwh: The same for the use of seven days ago: what a forecast must beat.
        intercept: In kWh.
        coefficients: By feature.
    """

    split_day: int
    trained: int
    tested: int
    mae_kwh: float
    week_ago_mae_kwh: float
    intercept: float
    coefficients: dict[str, float]


class ClusterFit(msgspec.Struct, frozen=True, kw_only=True):
    """The kinds of days, the largest first.

    Attributes:
        days: How many days are of each kind.
        centres: kWh of the `SHAPE`, of each kind.
        thresholds: The distance from which a day is unusual.
        inertia: Sum of the squared distances.
        anomalies: Days that are unusual.
    """

    days: list[int]
    centres: list[list[float]]
    thresholds: list[float]
    inertia: float
    anomalies: int


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """One run.

    Attributes:
        engine: What it ran on, with the version.
        counts: Rows read, and those left out by reason.
        homes: How many there are; `days`: their days; `whole_days`: those with 48 half hours.
        forecast: None where there is too little to learn from.
        clusters: None where the days are too few or all alike.
        seconds: From the first file to the last result, the start of the engine not counted; `steps_s`: parts of them.
    """

    engine: str
    counts: Counts
    homes: int
    days: int
    whole_days: int
    forecast: ForecastFit | None
    clusters: ClusterFit | None
    seconds: float
    steps_s: dict[str, float] = {}


def read_summary(folder: Path) -> Summary:
    """The summary of the run that wrote to that folder."""
    return msgspec.json.decode((folder / SUMMARY).read_bytes(), type=Summary)


def write_summary(summary: Summary, folder: Path) -> None:
    """Write it last: a folder with a summary has all results."""
    content = msgspec.json.format(msgspec.json.encode(summary))
    write_whole(folder / SUMMARY, lambda fresh: fresh.write_bytes(content))
