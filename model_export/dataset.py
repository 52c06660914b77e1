"""Where training data comes from: series of intervals, one per meter.

A source is an iterable of `MeterSeries`; `feature_table` turns any source into
the rows that a model learns from, with the edge's own feature function.
"""

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from model_export.errors import DataError
from wattline.features import NAMES, WARM_UP_MS, FeatureState
from wattline.intervals import Floats, Integers, Intervals, concatenate

Bools = npt.NDArray[np.bool_]

BLOCK_INTERVALS: Final = 2_000_000
"""About 1 GB while their features are made; larger blocks are not faster."""


@dataclass(frozen=True, slots=True)
class FaultSpan:
    """One injected or labelled fault: [start, end) in ms UTC."""

    kind: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Building:
    """What is known of the building that a meter is in.

    Attributes:
        site: The site that weather is told for; "" where none is named.
        use: What it is used for, in the data's own words; "" where unknown.
        floor_m2: Its floor area in square metres; NaN where unknown.
    """

    site: str = ""
    use: str = ""
    floor_m2: float = math.nan


@dataclass(frozen=True, slots=True)
class MeterSeries:
    """The intervals of one meter in time order, and what is known to be wrong in them.

    Attributes:
        name: The meter.
        intervals: N intervals; `meter` is ignored.
        faults: Labelled faults; training takes unlabelled series.
        labels: Which intervals are labelled as anomalous, bool[N]; None where the data speak of no anomalies.
        temperature_c: Outdoor temperature, float64[N], NaN where unknown; None where the data have none.
        occupancy: People present, or their share, float64[N], NaN where unknown; None where the data have none.
        building: What is known of the building; None for nothing.
    """

    name: str
    intervals: Intervals
    faults: tuple[FaultSpan, ...] = ()
    labels: Bools | None = None
    temperature_c: Floats | None = None
    occupancy: Floats | None = None
    building: Building | None = None


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """Rows that may be learned from or judged, of all meters.

    Attributes:
        matrix: float32[N, F].
        meter: Index of the meter, int64[N].
        start_ms: Start of the interval, int64[N].
        interval_ms: Length of all intervals.
        names: Meters by index.
    """

    matrix: npt.NDArray[np.float32]
    meter: Integers
    start_ms: Integers
    interval_ms: int
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.matrix)

    def of_meters(self, chosen: Sequence[int]) -> "FeatureTable":
        """Only the rows of the chosen meters; indices stay."""
        rows = np.isin(self.meter, np.asarray(chosen))
        return replace(self, matrix=self.matrix[rows], meter=self.meter[rows], start_ms=self.start_ms[rows])

    def meter_weeks(self) -> float:
        """How many weeks of one meter the rows make up."""
        return len(self) * self.interval_ms / (7 * 86_400_000)

    def digest(self) -> str:
        """SHA-256 of the rows, so that a model names what it was trained on."""
        return hashlib.sha256(np.ascontiguousarray(self.matrix).tobytes()).hexdigest()


def feature_table(
    source: Iterable[MeterSeries], *, warm_up_ms: int = WARM_UP_MS, block_intervals: int = BLOCK_INTERVALS
) -> FeatureTable:
    """Features of every interval after its meter's warm-up.

    Args:
        source: Series whose intervals all have one length; read once, and not kept.
        warm_up_ms: How long a meter is only watched at first.
        block_intervals: Meters are worked through together up to about so many intervals: the more, the faster, and
            the more memory. The rows do not depend on it.

    Raises:
        DataError: There is no series, or none is longer than the warm-up, or lengths differ.
    """
    names: list[str] = []
    lengths: set[int] = set()
    matrices: list[npt.NDArray[np.float32]] = []
    keys: list[npt.NDArray[np.int64]] = []
    for block in _blocks(source, block_intervals):
        everything = concatenate(_judged(one, i) for i, one in enumerate(block))
        lengths.update(np.unique(everything.length_ms).tolist())
        if len(lengths) > 1:
            raise DataError(f"intervals of several lengths ({sorted(lengths)} ms); a model is trained for one")
        rows = FeatureState(len(block)).advance(everything)
        ready = rows.ready(warm_up_ms)
        matrices.append(rows.matrix[ready])
        keys.append(np.stack([everything.meter[ready] + len(names), everything.start_ms[ready]]))
        names += [one.name for one in block]
    if not lengths:
        raise DataError("the data set holds no intervals")
    meter, start_ms = np.concatenate(keys, axis=1)
    matrix = _stacked(matrices)
    if not len(matrix):
        raise DataError(f"none of {len(names)} meters has more history than the warm-up of {warm_up_ms / 3.6e6:g} h")
    return FeatureTable(matrix, meter, start_ms, lengths.pop(), tuple(names))


def _stacked(parts: list[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    """All rows in one array; `parts` is used up, so that nothing is there twice."""
    whole = np.empty((sum(len(part) for part in parts), len(NAMES)), np.float32)
    end = len(whole)
    while parts:
        part = parts.pop()
        whole[end - len(part) : end] = part
        end -= len(part)
    return whole


def _blocks(source: Iterable[MeterSeries], block_intervals: int) -> Iterator[list[MeterSeries]]:
    block: list[MeterSeries] = []
    intervals = 0
    for one in source:
        block.append(one)
        intervals += len(one.intervals)
        if intervals >= block_intervals:
            yield block
            block, intervals = [], 0
    if block:
        yield block


def _judged(one: MeterSeries, meter: int) -> Intervals:
    """The intervals of a series as features take them: of that row, with what is known of the site."""
    cut = one.intervals
    return replace(
        cut,
        meter=np.full(len(cut), meter),
        temperature_c=cut.temperature_c if one.temperature_c is None else one.temperature_c,
        occupancy=cut.occupancy if one.occupancy is None else one.occupancy,
    )
