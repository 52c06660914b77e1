"""From the options of a command to series of meters that can be used."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from model_export.commands.terminal import say
from model_export.dataset import MeterSeries
from model_export.errors import DataError

SIMULATED_HOMES: Final = 24
_DAY_MS: Final = 86_400_000


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
        faults_per_day: Faults of each kind that simulated meters have.
    """

    dataset: str
    data: Path | None
    interval_ms: int
    homes: int | None
    days: int
    seed: int
    value: str = ""
    quantity: str = ""
    faults_per_day: float = 0.0


@dataclass(frozen=True, slots=True)
class Opened:
    """Meters that can be used, and what could not.

    Attributes:
        name: The data set's.
        series: The meters.
        cleaning: Rows left out, by reason.
        excluded: Meters left out, name to reason.
    """

    name: str
    series: tuple[MeterSeries, ...]
    cleaning: dict[str, int]
    excluded: dict[str, str]

    @property
    def labelled(self) -> bool:
        """Whether the data speak of anomalies."""
        return any(one.labels is not None for one in self.series)

    def counts(self) -> dict[str, Any]:
        """What was read and what was left out, for JSON."""
        return {"cleaning": self.cleaning, "excluded": self.excluded}


def opened(wanted: Wanted, tick: Callable[[], None], least_days: int = 0) -> Opened:
    """Read or simulate the meters.

    Args:
        wanted: Which.
        tick: Called after each meter.
        least_days: Meters known for fewer days are left out.

    Raises:
        DataError: There is no such data set, it cannot be read, or no meter of it can be used.
    """
    kept, excluded = [], {}
    for one in _source(wanted):
        tick()
        if why := _useless(one, least_days):
            excluded[one.name] = why
        else:
            kept.append(one)
    if not kept:
        reasons = "; ".join(f"{name}: {why}" for name, why in list(excluded.items())[:3])
        raise DataError(f"no meter of {len(excluded)} can be used ({reasons or 'the data set is empty'})")
    return Opened(wanted.dataset, tuple(kept), {}, excluded)


def _useless(one: MeterSeries, least_days: int) -> str:
    """Why a meter cannot be used; "" where it can."""
    cut = one.intervals
    if len(cut) == 0:
        return "no usable value"
    days = (int(cut.start_ms[-1]) - int(cut.start_ms[0])) / _DAY_MS
    if days < least_days:
        return f"only {days:.0f} days, at least {least_days} are needed"
    if float(cut.high.max()) == float(cut.low.min()):
        return f"always {float(cut.low.min()):g}"
    return ""


def _source(wanted: Wanted) -> Iterator[MeterSeries]:
    if wanted.dataset == "simulated":
        from model_export.sources.simulated import Spec, simulated_series

        homes = wanted.homes or SIMULATED_HOMES
        return simulated_series(Spec(homes, wanted.days, wanted.interval_ms, wanted.seed, wanted.faults_per_day))
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
        yield MeterSeries(one.name, one.intervals, (), labels)


def tell(source: Opened) -> None:
    """Say on stderr what was left out."""
    counted = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in source.cleaning.items())
    if counted:
        say(f"{source.name}: {counted}")
    for name, why in source.excluded.items():
        say(f"left out: {name}: {why}")
