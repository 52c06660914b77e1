"""Forecasters tried on homes that they have not learned from, in months that they have not learned from."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from model_export.errors import DataError
from model_export.forecast.evaluation import Judge, Trial, attempt
from model_export.forecast.groups import sums
from model_export.forecast.table import DAY_MS, SeriesTable, Span
from model_export.forecast.training import AGGREGATE, FEWEST_SERIES, METER, STEPS, Wish, train_forecaster
from model_export.terminal import Step
from wattline.forecasting.onnx_forecaster import OnnxForecaster
from wattline.forecasting.port import Bools, Int64s

FOLDS: Final = 5
HALVES: Final = 2
_KNOWN_SHARE: Final = 0.97
"""Of the last weeks and of the tested time must a meter be known to be part of a sum."""


@dataclass(frozen=True, slots=True)
class Times:
    """What is learned from, and what is tested.

    Attributes:
        learned: Intervals before the tested ones.
        tested: Intervals.
    """

    learned: Span
    tested: Span


@dataclass(frozen=True, slots=True)
class Trials:
    """What was tried.

    Attributes:
        meters: Each home by a model of other homes.
        meters_with_weather: The same models, told the temperature that was then measured; None where none was.
        halves: The sum of each half of the homes, by a model of sums of the other half.
        halves_with_weather: The same; None where no temperature was measured.
        whole: The sum of all homes, by a model of sums of the same homes in earlier months.
    """

    meters: Trial
    meters_with_weather: Trial | None
    halves: Trial | None
    halves_with_weather: Trial | None
    whole: Trial | None


def try_all(table: SeriesTable, times: Times, seed: int, step: Step) -> Trials:
    """Train and try models of single meters and of sums.

    Args:
        table: The meters.
        times: What is learned from and what is tested.
        seed: Decides who is learned from for whom, and everything random in learning.
        step: Shows progress.

    Raises:
        DataError: There are too few meters, or they are known for too short a time.
    """
    if len(table) < FEWEST_SERIES:
        raise DataError(
            f"{len(table)} meter; with 2 or more, each can be forecast by a model that learned from the others"
        )
    folds = _parts(len(table), min(FOLDS, len(table)), seed)
    judges = _crossed(table, times.learned, folds, METER, (seed, step))
    meters = attempt(table.without_weather(), times.tested, judges, step("forecasting homes", None))
    warm = (
        attempt(table, times.tested, judges, step("forecasting homes with weather", None)) if _weather(table) else None
    )
    return Trials(meters, warm, *_sums(table, times, seed, step))


def try_known(table: SeriesTable, tested: Span, path: Path, step: Step) -> tuple[Trial, Trial | None]:
    """Try a model file as it is, on single meters or on their sum, without weather and, where there is any, with it."""
    forecaster = OnnxForecaster(path)
    if forecaster.level == AGGREGATE:
        table = sums(table, _complete(table, tested)[None], tested.begin)
    judges = [Judge(np.arange(len(table)), forecaster)]
    cold = attempt(table.without_weather(), tested, judges, step("forecasting", None))
    warm = attempt(table, tested, judges, step("forecasting with weather", None)) if _weather(table) else None
    return cold, warm


def _sums(table: SeriesTable, times: Times, seed: int, step: Step) -> tuple[Trial | None, Trial | None, Trial | None]:
    complete = np.flatnonzero(_complete(table, times.tested))
    if len(complete) < HALVES * FEWEST_SERIES:
        return None, None, None
    parts = [complete[part] for part in _parts(len(complete), HALVES, seed)]
    chosen = np.zeros((HALVES + 1, len(table)), np.bool_)
    for row, part in zip(chosen, [*parts, complete], strict=True):
        row[part] = True
    summed = sums(table, chosen, times.tested.begin)
    judges = []
    for i, part in enumerate(parts):
        others = np.setdiff1d(np.arange(len(table)), part)
        judges.append(Judge(np.array([i]), _trained(table.of(others), times.learned, AGGREGATE, (seed, step))))
    everybody = Judge(np.array([HALVES]), _trained(table, times.learned, AGGREGATE, (seed, step)))
    tick = step("forecasting sums", None)
    halves, whole = summed.of(range(HALVES)), summed.of([HALVES])
    alone = [replace(everybody, rows=np.array([0]))]
    return (
        attempt(halves.without_weather(), times.tested, judges, tick),
        attempt(halves, times.tested, judges, tick) if _weather(table) else None,
        attempt(whole.without_weather(), times.tested, alone, tick),
    )


def _crossed(
    table: SeriesTable, learned: Span, parts: Sequence[Int64s], level: str, how: tuple[int, Step]
) -> list[Judge]:
    everybody = np.arange(len(table))
    return [Judge(part, _trained(table.of(np.setdiff1d(everybody, part)), learned, level, how)) for part in parts]


def _trained(table: SeriesTable, learned: Span, level: str, how: tuple[int, Step]) -> OnnxForecaster:
    seed, step = how
    made = train_forecaster(table, learned, Wish(level, seed, {}), step(f"training: {level}", STEPS))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        path.write_bytes(made.model)
        return OnnxForecaster(path)


def _parts(count: int, parts: int, seed: int) -> list[Int64s]:
    shuffled = np.random.default_rng(seed).permutation(count)
    return [np.sort(shuffled[part::parts]) for part in range(parts)]


def _complete(table: SeriesTable, tested: Span) -> Bools:
    """Which meters are known nearly throughout the tested time and the weeks before it, bool[N]."""
    seen = table.energy_kwh[:, tested.begin : table.history + tested.end]
    complete: Bools = np.isfinite(seen).mean(axis=1) >= _KNOWN_SHARE
    return complete


def _weather(table: SeriesTable) -> bool:
    return bool((table.place >= 0).any())


def times_of(table: SeriesTable, learn_from_ms: int | None, test_from_ms: int | None, test_days: int | None) -> Times:
    """Which intervals are learned from and which are tested.

    Args:
        table: The series.
        learn_from_ms: Nothing earlier is learned from; None for the beginning.
        test_from_ms: What is tested begins here; None for the last fifth of the time, 61 days at most.
        test_days: How long it lasts; None for up to 61 days.

    Raises:
        DataError: The series are too short for that.
    """
    per_day = table.per_day
    if test_from_ms is None:
        days = test_days or min(_MOST_TEST_DAYS, max(table.length // per_day // 5, 1))
        begin = table.length - days * per_day
    else:
        begin, days = (test_from_ms - table.start_ms) // table.interval_ms, test_days or _MOST_TEST_DAYS
    end = min(begin + days * per_day, table.length)
    first = 0 if learn_from_ms is None else max((learn_from_ms - table.start_ms) // table.interval_ms, 0)
    known = table.length * table.interval_ms / DAY_MS
    if begin <= first or end - begin < per_day:
        raise DataError(f"{known:.0f} days of data leave nothing to learn from or to test")
    return Times(Span(first, begin), Span(begin, end))


_MOST_TEST_DAYS: Final = 61
