"""What cleaning found: counts per meter and in all, and the meters left out with the reason."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from functools import reduce
from operator import add
from typing import Any


@dataclass(frozen=True, slots=True)
class Counts:
    """What was found among rows.

    Attributes:
        rows: Rows read.
        kept: Rows left after cleaning; those of excluded meters included.
        bad_times: Rows whose time cannot be read.
        missing: Rows without a value, or with "Null".
        not_numbers: Rows with a value that is no finite number.
        duplicates_equal: Rows that say again what another says of the same time.
        duplicates_conflicting: Rows that say otherwise; the last one sent is believed.
        off_grid: Amounts whose time lies between the meter's intervals; left out: nobody knows what they cover.
        shifted: Amounts on a grid of the meter's own, moved back onto the clock's.
        negative: Amounts below zero.
        impossible: Values, or growths of a register, that no meter of its kind reaches.
        rolled_back: Registers that went back.
        gaps: Stretches without a row.
        gap_hours: How long they are together.
    """

    rows: int = 0
    kept: int = 0
    bad_times: int = 0
    missing: int = 0
    not_numbers: int = 0
    duplicates_equal: int = 0
    duplicates_conflicting: int = 0
    off_grid: int = 0
    shifted: int = 0
    negative: int = 0
    impossible: int = 0
    rolled_back: int = 0
    gaps: int = 0
    gap_hours: float = 0.0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))

    def found(self) -> dict[str, float]:
        """The counts that are not zero, by name, rows first."""
        return {name: number for name, number in asdict(self).items() if number or name in {"rows", "kept"}}


@dataclass(frozen=True, slots=True)
class MeterFindings:
    """What was found in the rows of one meter.

    Attributes:
        meter: Its name; "" for rows that name none.
        counts: What was found.
        excluded: Why the meter is left out whole: `no_values`, `too_coarse`, `too_short`, `constant`, `no_meter`; ""
            where it is not.
        detail: The circumstances of that, for a person.
    """

    meter: str
    counts: Counts
    excluded: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class CleaningReport:
    """What cleaning found in a data set, as far as it was read.

    Attributes:
        dataset: Which one.
        meters: What was found in each meter, in the order of reading.
        other_files: Files beside the data that are of another layout, and were not read.
        labels_unmatched: Rows of a labels file, or windows in it, that speak of no reading.
        labels_without_reading: Rows labelled as anomalous that were left out: no detector can find them.
    """

    dataset: str = ""
    meters: tuple[MeterFindings, ...] = ()
    other_files: tuple[str, ...] = ()
    labels_unmatched: int = 0
    labels_without_reading: int = 0

    @property
    def total(self) -> Counts:
        """The counts of all meters together."""
        return reduce(add, (one.counts for one in self.meters), Counts())

    @property
    def exclusions(self) -> tuple[MeterFindings, ...]:
        """The meters that are left out whole."""
        return tuple(one for one in self.meters if one.excluded)

    @property
    def reasons(self) -> dict[str, int]:
        """How many meters are left out for each reason."""
        return dict(Counter(one.excluded for one in self.exclusions))

    def as_dict(self) -> dict[str, Any]:
        """The report for JSON: totals, exclusions, and the meters in which something was found."""
        return {
            "dataset": self.dataset,
            "meters": len(self.meters) - len(self.exclusions),
            "total": self.total.found(),
            "excluded": [{"meter": one.meter, "reason": one.excluded, "detail": one.detail} for one in self.exclusions],
            "other_files": list(self.other_files),
            "labels_unmatched": self.labels_unmatched,
            "labels_without_reading": self.labels_without_reading,
        }

    def lines(self, most_exclusions: int = 10) -> list[str]:
        """The report for a person, one finding a line.

        Args:
            most_exclusions: How many excluded meters are named.
        """
        lines = [f"{self.dataset}: {len(self.meters) - len(self.exclusions)} of {len(self.meters)} meters"]
        lines += [f"{_words(name)}: {_figure(number)}" for name, number in self.total.found().items()]
        lines += [f"left out {one.meter}: {one.detail}" for one in self.exclusions[:most_exclusions]]
        if (more := len(self.exclusions) - most_exclusions) > 0:
            lines.append(f"left out {more} more meters ({_listed(self.reasons)})")
        if self.other_files:
            lines.append(f"not read, of another layout: {_shortened(self.other_files)}")
        if self.labels_unmatched:
            lines.append(f"labels that speak of no reading: {self.labels_unmatched:,}")
        if self.labels_without_reading:
            lines.append(f"anomalies labelled where there is no reading: {self.labels_without_reading:,}")
        return lines


def _words(name: str) -> str:
    return name.replace("_", " ")


def _figure(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:,.1f}"


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{_words(name)}: {number}" for name, number in counts.items())


def _shortened(names: Iterable[str], most: int = 5) -> str:
    first = list(names)
    return ", ".join(first[:most]) + (f" and {len(first) - most} more" if len(first) > most else "")
