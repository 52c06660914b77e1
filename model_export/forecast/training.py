"""From series to the file of a forecaster."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from model_export.errors import DataError
from model_export.forecast.boosting import Ensemble, train
from model_export.forecast.examples import MOST_ROWS, examples
from model_export.forecast.graph import build, check_parity, with_metadata
from model_export.forecast.groups import random_sums
from model_export.forecast.table import SeriesTable, Span
from wattline.forecasting.onnx_forecaster import LEVELS
from wattline.forecasting.port import HORIZON_MS, Floats32

METER, AGGREGATE = LEVELS
STEPS: Final = 10
FEWEST_SERIES: Final = 2
_PARITY_ROWS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be trained.

    Attributes:
        level: `METER` or `AGGREGATE`.
        seed: Decides everything random.
        facts: Go into the file's metadata.
        most_rows: Examples to learn from at most.
    """

    level: str
    seed: int
    facts: Mapping[str, str]
    most_rows: int = MOST_ROWS


@dataclass(frozen=True, slots=True)
class Made:
    """A forecaster's file and what its metadata say."""

    model: bytes
    facts: dict[str, str]


def train_forecaster(table: SeriesTable, span: Span, wish: Wish, tick: Callable[[], None]) -> Made:
    """Train on a span of a table.

    Args:
        table: Single meters, for whichever level.
        span: What is learned from.
        wish: What is wanted.
        tick: Called `STEPS` times.

    Raises:
        DataError: There are too few or too short series, or their intervals are too short or too long.
        ParityError: The exported graph is not the trained model.
    """
    check_interval(table.interval_ms)
    if len(table) < FEWEST_SERIES:
        raise DataError(
            f"{len(table)} meter; a forecaster for all learns from {FEWEST_SERIES} at least, better from 20"
        )
    learned = table if wish.level == METER else random_sums(table, span, wish.seed)
    rows = examples(learned, span, wish.seed, wish.most_rows)
    if len(np.unique(rows.series)) < FEWEST_SERIES:
        raise DataError("only one meter is known for long enough; a forecaster for all learns from 2 at least")
    tick()
    ensemble = train(rows, wish.seed, tick)
    made = _file(ensemble, learned, rows.matrix[:_PARITY_ROWS], wish, len(rows))
    tick()
    return made


def check_interval(interval_ms: int) -> None:
    """Refuse lengths of interval that are not forecast.

    Raises:
        DataError: It is another than half an hour or an hour.
    """
    if interval_ms not in {1_800_000, 3_600_000}:
        raise DataError("--interval: forecasts are of half hours or hours: 30m or 1h")


def _file(ensemble: Ensemble, table: SeriesTable, sample: Floats32, wish: Wish, rows: int) -> Made:
    graph = build(ensemble)
    parity = check_parity(with_metadata(graph, {}), ensemble, sample)
    digest = table.digest()
    facts = {
        "task": "forecast",
        "level": wish.level,
        "interval_ms": str(table.interval_ms),
        "horizon_ms": str(HORIZON_MS),
        "version": digest[:8],
        "trained_on": digest,
        "series": str(len(table)),
        "examples": str(rows),
        "parity": f"{parity:.2g}",
        "band_below": f"{ensemble.below:.4f}",
        "band_above": f"{ensemble.above:.4f}",
        "seed": str(wish.seed),
        **wish.facts,
    }
    return Made(with_metadata(graph, facts), facts)
