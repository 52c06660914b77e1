"""From the options of a command to series of meters that can be used."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from model_export.cleaning_report import CleaningReport
from model_export.dataset import MeterSeries
from model_export.errors import DataError
from model_export.sources.catalog import USUAL_INTERVAL_MS, Options, open_dataset
from model_export.sources.simulated import Spec
from model_export.sources.tables import Names
from model_export.terminal import say

SIMULATED_HOMES: Final = 24
MOST_METERS: Final = 200
"""Of real ones, where nobody asks for more: they are enough, and their rows fit into memory."""
_CORPUS: Final = {"london": "forecast/london_lcl/homes", "lead": "anomaly/lead10"}
_QUANTITY: Final = {"london": "energy_kwh", "lead": "energy_kwh"}
_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which data a person asked for.

    Attributes:
        dataset: What they are.
        data: Where they lie; None for simulated ones and for the corpus.
        interval_ms: Length of the intervals.
        homes: How many meters at most; None for `most`.
        days: Days of simulated meters.
        seed: Decides simulated meters.
        value: Column of values in a CSV file.
        quantity: What they are.
        labels: A file of labels; None where they are in the data, or nowhere.
        faults_per_day: Faults of each kind that simulated meters have.
        most: How many real meters where nobody says how many.
    """

    dataset: str
    data: Path | None
    interval_ms: int
    homes: int | None
    days: int
    seed: int
    value: str = ""
    quantity: str = ""
    labels: Path | None = None
    faults_per_day: float = 0.0
    most: int = MOST_METERS


@dataclass(frozen=True, slots=True)
class Opened:
    """Meters that can be used, and what could not.

    Attributes:
        name: The data set's.
        interval_ms: Length of the intervals.
        quantity: What its meters measure; "" where they differ or it is not known.
        series: The meters.
        report: What cleaning found.
        unused: Meters that are too short for what is wanted, name to reason.
    """

    name: str
    interval_ms: int
    quantity: str
    series: tuple[MeterSeries, ...]
    report: CleaningReport
    unused: dict[str, str]

    @property
    def labelled(self) -> bool:
        """Whether the data speak of anomalies."""
        return any(one.labels is not None for one in self.series)

    @property
    def cleaning(self) -> dict[str, float]:
        """What cleaning counted, by name."""
        counted: dict[str, float] = dict(self.report.total.found()) if self.report.meters else {}
        counted["labels_unmatched"] = self.report.labels_unmatched
        counted["labels_without_reading"] = self.report.labels_without_reading
        return {name: number for name, number in counted.items() if number}

    @property
    def excluded(self) -> dict[str, str]:
        """Meters left out, by cleaning or as too short, name to reason."""
        return {one.meter: one.detail or one.excluded for one in self.report.exclusions} | self.unused

    def counts(self) -> dict[str, Any]:
        """What was read and what was left out, for JSON."""
        other = {"other_files": list(self.report.other_files)} if self.report.other_files else {}
        return {"cleaning": self.cleaning, "excluded": self.excluded, **other}


def opened(wanted: Wanted, tick: Callable[[], None], least_days: int = 0) -> Opened:
    """Read or simulate the meters.

    Args:
        wanted: Which.
        tick: Called after each meter.
        least_days: Meters known for fewer days are left out.

    Raises:
        DataError: There is no such data set, it cannot be read, or no meter of it can be used.
    """
    dataset = open_dataset(wanted.dataset, _path(wanted), wanted.interval_ms, _options(wanted))
    kept, unused = [], {}
    for one in _ticked(dataset.series(), tick):
        days = len(one.intervals) * wanted.interval_ms / _DAY_MS
        if days < least_days:
            unused[one.name] = f"{days:.0f} days of data; {least_days} are needed"
        else:
            kept.append(_with_conditions(one))
    if not kept:
        name, why = next(iter(unused.items()))
        raise DataError(f"no meter can be used: {name} has {why}" + (f", {len(unused)} meters" * (len(unused) > 1)))
    if wanted.homes is None and len(kept) + len(unused) == wanted.most and wanted.dataset != "simulated":
        say(f"the first {wanted.most} meters are taken; --homes takes more")
    quantity = wanted.quantity or _QUANTITY.get(wanted.dataset, "")
    return Opened(dataset.name, dataset.interval_ms, quantity, tuple(kept), dataset.report, unused)


def tell(source: Opened) -> None:
    """Say on stderr what was left out."""
    lines = source.report.lines() if source.report.meters else []
    for line in [*lines, *(f"left out {name}: {why}" for name, why in source.unused.items())]:
        say(line)


def _ticked(series: Iterator[MeterSeries], tick: Callable[[], None]) -> Iterator[MeterSeries]:
    for one in series:
        tick()
        yield one


def _with_conditions(one: MeterSeries) -> MeterSeries:
    """The series with what is known of its site in its intervals, which may then be taken apart."""
    cut = replace(one.intervals, temperature_c=one.temperature_c, occupancy=one.occupancy)
    return replace(one, intervals=cut, temperature_c=None, occupancy=None)


def _path(wanted: Wanted) -> Path | None:
    """Where the data are: as told, or in the corpus."""
    if wanted.dataset == "simulated":
        # Commands recorded in older model files say `--data simulated`.
        if wanted.data is not None and wanted.data != Path("simulated"):
            raise DataError(
                f"--data {wanted.data}: which kind of data is that? say --dataset lead, london, csv or archive"
            )
        return None
    if wanted.dataset not in USUAL_INTERVAL_MS:
        raise DataError(f"--dataset {wanted.dataset}: there are {', '.join(USUAL_INTERVAL_MS)}")
    if wanted.data is None and wanted.dataset in _CORPUS:
        corpus = Path(os.environ.get("WATTLINE_CORPUS") or "../shared/data") / _CORPUS[wanted.dataset]
        if corpus.exists():
            return corpus
    if wanted.data is None:
        raise DataError(f"--dataset {wanted.dataset}: say with --data where the files are")
    return wanted.data


def _options(wanted: Wanted) -> Options:
    homes = wanted.homes or SIMULATED_HOMES
    return Options(
        meters=wanted.homes or (0 if wanted.dataset == "simulated" else wanted.most),
        labels=wanted.labels,
        names=Names(value=wanted.value, quantity=wanted.quantity),
        simulated=Spec(homes, wanted.days, wanted.interval_ms, wanted.seed, wanted.faults_per_day),
    )
