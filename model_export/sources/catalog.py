"""The one way to a data set by name: simulated, london, lead, csv, archive."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Final

from model_export.cleaning import SHORTEST_DAYS, Rules
from model_export.cleaning_report import CleaningReport
from model_export.dataset import MeterSeries
from model_export.errors import DataError
from model_export.sources import lead, london
from model_export.sources.grouping import ORDERED_ROWS
from model_export.sources.labels import read_labels
from model_export.sources.reading import Labelling, Ledger, nothing_left, read_series
from model_export.sources.simulated import Spec, simulated_series
from model_export.sources.tables import Names, table_files, tables
from model_export.sources.weather import weather_in

USUAL_INTERVAL_MS: Final = {
    "simulated": 60_000,
    "london": london.STEP_MS,
    "lead": lead.STEP_MS,
    "csv": 1_800_000,
    "archive": 1_800_000,
}
"""The data sets, and the length of their intervals where nobody asks for another."""


@dataclass(frozen=True, slots=True)
class Options:
    """What is wanted of a data set.

    Attributes:
        meters: Most series to give; 0 for all.
        shortest_days: Meters with fewer days of data are left out.
        keep_impossible: Whether negative and impossible values stay in the series, only counted; None to keep them
            where there are labels, and nowhere else.
        labels: A file of labels; None where they are in the data, or nowhere.
        names: What is known of the columns of `csv`.
        simulated: Which homes `simulated` makes; its `interval_ms` and `homes` give way to the arguments here.
    """

    meters: int = 0
    shortest_days: float = SHORTEST_DAYS
    keep_impossible: bool | None = None
    labels: Path | None = None
    names: Names = field(default_factory=Names)
    simulated: Spec | None = None


_Reader = Callable[[Ledger], Iterator[MeterSeries]]


class Dataset:
    """A data set that is ready to be read, any number of times.

    Attributes:
        name: Its name in the catalogue.
        where: Where it lies.
        interval_ms: Length of its intervals.
    """

    def __init__(self, name: str, where: str, interval_ms: int, reader: _Reader, most: int = 0) -> None:
        self.name, self.where, self.interval_ms = name, where, interval_ms
        self._reader, self._most, self._ledger = reader, most, Ledger()

    @property
    def report(self) -> CleaningReport:
        """What cleaning found in the last reading, as far as it went."""
        return self._ledger.report(self.name)

    def series(self) -> Iterator[MeterSeries]:
        """Read the data set from its beginning, one meter after the other.

        Raises:
            DataError: A file cannot be read, or no meter is left after cleaning.
        """
        self._ledger = ledger = Ledger()
        found = False
        for one in islice(self._reader(ledger), self._most or None):
            found = True
            yield one
        if not found:
            raise nothing_left(ledger, self.where)


def open_dataset(
    name: str, path: Path | None = None, interval_ms: int | None = None, options: Options | None = None
) -> Dataset:
    """A data set by its name in the catalogue.

    Args:
        name: `simulated`, `london`, `lead`, `csv` or `archive`.
        path: A file, or a folder of them; not for `simulated`.
        interval_ms: Length of the intervals wanted; None for the data set's usual one.
        options: What else is wanted of it.

    Raises:
        DataError: There is no such data set, or `path` holds another.
    """
    chosen = options or Options()
    if name not in USUAL_INTERVAL_MS:
        raise DataError(f"{name}: no such data set; there are {', '.join(USUAL_INTERVAL_MS)}")
    if chosen.labels and name in {"simulated", "archive"}:
        raise DataError(f"{chosen.labels}: labels go with files, not with {name}")
    length_ms = interval_ms or USUAL_INTERVAL_MS[name]
    if name == "simulated":
        return _simulated(length_ms, chosen)
    if path is None:
        raise DataError(f"{name}: the path of its files is needed")
    reader = {"london": _london, "lead": _lead, "csv": _csv, "archive": _archive}[name](path, length_ms, chosen)
    return Dataset(name, str(path), length_ms, reader, chosen.meters)


def _simulated(interval_ms: int, options: Options) -> Dataset:
    spec = options.simulated or Spec(homes=24, days=21, interval_ms=interval_ms, seed=1)
    spec = replace(spec, interval_ms=interval_ms, homes=options.meters or spec.homes)
    return Dataset("simulated", "simulated homes", interval_ms, lambda _: simulated_series(spec))


def _rules(quantity: str, interval_ms: int, options: Options, step_ms: int = 0, *, labelled: bool = False) -> Rules:
    keep = options.keep_impossible
    kept = (labelled or options.labels is not None) if keep is None else keep
    return Rules(quantity, interval_ms, step_ms, options.shortest_days, kept)


def _labels(options: Options) -> Labelling | None:
    return read_labels(options.labels) if options.labels else None


def _london(path: Path, interval_ms: int, options: Options) -> _Reader:
    files, others = london.london_files(path)
    rules = _rules(london.QUANTITY, interval_ms, options, london.STEP_MS)
    labels, folder = _labels(options), path if path.is_dir() else path.parent

    def read(ledger: Ledger) -> Iterator[MeterSeries]:
        ledger.other_files.extend(others)
        weather = (weather_in(folder) or weather_in(folder.parent)).get("")
        rows = london.london_rows(files)
        for one in read_series(rows, rules, ledger, str(path), labels, held_rows=ORDERED_ROWS):
            yield replace(one, temperature_c=weather.over(one.intervals)) if weather else one

    return read


def _lead(path: Path, interval_ms: int, options: Options) -> _Reader:
    files, others = lead.lead_files(path)
    labelled = any("anomaly" in file.columns for file in files)
    rules = _rules(lead.QUANTITY, interval_ms, options, lead.STEP_MS, labelled=labelled)
    labels, folder = _labels(options), path if path.is_dir() else path.parent

    def read(ledger: Ledger) -> Iterator[MeterSeries]:
        ledger.other_files.extend(others)
        buildings, weather = lead.buildings_beside(folder), weather_in(folder)
        for one in read_series(lead.lead_rows(files), rules, ledger, str(path), labels):
            building = buildings.get(lead.building_of(one.name))
            observed = weather.get(building.site if building else "")
            warmth = observed.over(one.intervals) if observed else None
            yield replace(one, building=building, temperature_c=warmth)

    return read


def _csv(path: Path, interval_ms: int, options: Options) -> _Reader:
    files, rules, labels = table_files(path), _rules("", interval_ms, options), _labels(options)
    return lambda ledger: tables(files, options.names, rules, ledger, labels)


def _archive(path: Path, interval_ms: int, options: Options) -> _Reader:
    from model_export.sources.archive import archive_series

    rules = _rules("", interval_ms, options)
    return lambda ledger: archive_series(path, rules, ledger)
