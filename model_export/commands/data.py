"""From the options of a command to series of meters."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from model_export.alarm_matching import Bools
from model_export.dataset import MeterSeries
from model_export.errors import DataError


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which data a person asked for.

    Attributes:
        dataset: What they are.
        data: Where they lie; None for simulated ones and the corpus.
        interval_ms: Length of the intervals.
        homes: How many meters at most; None for the data set's own number.
        days: Days of simulated meters.
        seed: Decides simulated meters.
        value: Column of values in a CSV file.
        quantity: What they are.
    """

    dataset: str
    data: Path | None
    interval_ms: int
    homes: int | None
    days: int
    seed: int
    value: str = ""
    quantity: str = ""


@dataclass(frozen=True, slots=True)
class LabelledSeries(MeterSeries):
    labels: Bools = field(default_factory=lambda: np.zeros(0, np.bool_))


SIMULATED_HOMES = 24


def series_of(wanted: Wanted, tick: Callable[[], None], faults_per_day: float = 0.0) -> list[MeterSeries]:
    """Read or simulate the meters.

    Raises:
        DataError: There is no such data set, or it cannot be read.
    """
    series = []
    for one in _source(wanted, faults_per_day):
        series.append(one)
        tick()
    return series


def _source(wanted: Wanted, faults_per_day: float) -> Iterator[MeterSeries]:
    if wanted.dataset == "simulated":
        from model_export.sources.simulated import Spec, simulated_series

        homes = wanted.homes or SIMULATED_HOMES
        return simulated_series(Spec(homes, wanted.days, wanted.interval_ms, wanted.seed, faults_per_day))
    from model_export.sources.tables import table_files, table_series

    if wanted.dataset == "london":
        corpus = Path(os.environ.get("WATTLINE_CORPUS", "../shared/data"))
        files = table_files(wanted.data or corpus / "forecast" / "london_lcl" / "homes")
    elif wanted.data is None:
        raise DataError(f"--dataset {wanted.dataset}: expected simulated, london, or csv with --data")
    else:
        files = table_files(wanted.data)
    series = table_series(files[: wanted.homes], wanted.interval_ms, wanted.value, wanted.quantity)
    return _labelled(series, files) if wanted.dataset == "lead" else series


def _labelled(series, files):
    frame = pl.concat(
        [pl.read_csv(file, try_parse_dates=True).select("timestamp", "building_id", "anomaly") for file in files]
    )
    for one in series:
        rows = frame.filter(pl.col("building_id").cast(pl.Utf8) == one.name).sort("timestamp")
        t = rows["timestamp"].dt.epoch("ms").to_numpy()
        labels = rows["anomaly"].to_numpy().astype(bool)[np.searchsorted(t, one.intervals.start_ms)]
        yield LabelledSeries(one.name, one.intervals, (), labels)
