"""What a forecaster learns from: features of scenes at many instants, and what was used then."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from model_export.errors import DataError
from model_export.forecast.table import SeriesTable, Span
from wattline.forecasting.features import LEAST_DAYS, NAMES, Plan, features, levels
from wattline.forecasting.port import Bools, Floats32, Int64s, Scene

MOST_ROWS: Final = 250_000
"""50 MB of features, a quarter of a minute of learning; more did not make better forecasters."""
_LEADS: Final = 8
"""Intervals that are taken of each scene: those of one scene resemble each other."""
_SHORT_SHARE: Final = 0.15
"""Of the scenes are shown without their oldest weeks, as of a meter that is new."""
_WEATHERLESS_SHARE: Final = 0.4
"""Of the scenes are shown without any weather, as where nobody tells it."""


@dataclass(frozen=True, slots=True)
class Examples:
    """R intervals of some series, each with what was known one to 96 intervals before.

    Attributes:
        matrix: float32[R, F]; see `wattline.forecasting.features`.
        target: float32[R]: what was used, relative to the level.
        level: float32[R]: kWh.
        series: int64[R]: rows of the table.
        issued: int64[R]: interval at which the example was forecast.
    """

    matrix: Floats32
    target: Floats32
    level: Floats32
    series: Int64s
    issued: Int64s

    def __len__(self) -> int:
        return len(self.target)

    def where(self, chosen: Bools) -> "Examples":
        """Only some rows."""
        kept, issued = self.series[chosen], self.issued[chosen]
        return Examples(self.matrix[chosen], self.target[chosen], self.level[chosen], kept, issued)


def examples(table: SeriesTable, span: Span, seed: int, most_rows: int = MOST_ROWS) -> Examples:
    """Examples of a table, at instants spread evenly over its time and over the hours of the day.

    Args:
        table: The series.
        span: Nothing is taken from its end on, neither shown nor asked for.
        seed: Decides which leads are taken, and whose history is cut.
        most_rows: So many examples at most.

    Raises:
        DataError: No series is known for long enough.
    """
    rng = np.random.default_rng(seed)
    first, last = span.begin + LEAST_DAYS * table.per_day, span.end - table.horizon
    if last <= first:
        days = max(span.end - span.begin, 0) / table.per_day
        raise DataError(
            f"{days:.0f} days to learn from; forecasts need {LEAST_DAYS + 3} at least, five weeks to be good"
        )
    count = max(most_rows // (_LEADS * len(table)), 1)
    instants = np.unique(np.linspace(first, last, min(count, last - first)).astype(np.int64))
    parts = [_at(table, int(at), rng) for at in instants]
    matrix, target, level, series = (np.concatenate(column) for column in zip(*parts, strict=True))
    whole = Examples(matrix, target, level, series, np.repeat(instants, [len(part[1]) for part in parts]))
    found = whole.where(np.isfinite(target) & np.isfinite(level))
    if not len(found):
        raise DataError(f"none of {len(table)} meters is known for {LEAST_DAYS} days in a row and longer")
    return found


def _at(table: SeriesTable, at: int, rng: np.random.Generator) -> tuple[Floats32, Floats32, Floats32, Int64s]:
    scene = table.scene(at)
    if rng.random() < _SHORT_SHARE:
        scene = _shortened(scene, table.per_day * int(rng.integers(LEAST_DAYS, 28)))
    if rng.random() < _WEATHERLESS_SHARE:
        scene = replace(scene, temperature_c=np.full_like(scene.temperature_c, np.nan))
    leads = np.sort(rng.choice(table.horizon, _LEADS, replace=False))
    level = levels(scene.energy_kwh)
    with np.errstate(invalid="ignore"):
        matrix = features(scene, Plan.of(scene, leads), slice(None), level)
        target = table.truth(at)[:, leads] / level[:, None]
    repeated = np.repeat(level, len(leads)), np.repeat(np.arange(len(table)), len(leads))
    return matrix.reshape(-1, len(NAMES)), target.ravel(), *repeated


def _shortened(scene: Scene, kept: int) -> Scene:
    energy = scene.energy_kwh.copy()
    energy[:, : energy.shape[1] - kept] = np.nan
    return replace(scene, energy_kwh=energy)
