"""Simulated homes as training data, and with faults as evaluation data.

The generator is named by string, so that this package does not depend on the
simulators: anything with their constructors and columns will do.
"""

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from model_export.dataset import FaultSpan, MeterSeries
from model_export.errors import DataError
from wattline.intervals import HOUR_MS, Floats, Integers, Intervals, aggregate, from_amounts

HOUSEHOLDS: Final = "simulators.household"
FAULTS: Final = "simulators.faults"
FAULT_KINDS: Final = ("spike", "stuck", "drop_out", "drift", "night_load")
DAY_MS: Final = 24 * HOUR_MS
YEAR_START_MS: Final = 1_735_689_600_000
"""2025-01-01T00:00Z: homes begin at any day of that year."""
_GAPS_PER_WEEK: Final = 1.0
_GAP_MS: Final = 20 * 60_000
"""Links fail now and then for some minutes: that is ordinary, not a fault."""

Columns = Mapping[str, Floats]
Source = Callable[[Integers], Columns]


@dataclass(frozen=True, slots=True)
class Spec:
    """Which homes to simulate.

    Attributes:
        homes: How many meters.
        days: How long each is watched.
        interval_ms: Length of the intervals.
        seed: Decides everything; another seed gives other homes.
        faults_per_day: Faults of each kind per meter and day, after the warm-up.
    """

    homes: int
    days: int
    interval_ms: int
    seed: int
    faults_per_day: float = 0.0


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a kind of meter is sampled: what it reads, in which steps, every how many ms."""

    reads: str
    quantity: str
    resolution: float
    step_ms: int


_KINDS: Final = {
    "power": _Kind("electricity", "power_w", 1.0, 10_000),
    "slow-power": _Kind("electricity", "power_w", 1.0, 60_000),
    "energy": _Kind("electricity", "energy_import_kwh", 0.001, 60_000),
    "gas": _Kind("gas", "gas_m3", 0.001, 60_000),
}


class _Fault(Protocol):
    """A label of the faults' generator."""

    kind: str
    start_ms: int
    end_ms: int


def simulated_series(spec: Spec) -> Iterator[MeterSeries]:
    """Series of simulated meters, of the kinds that gateways read.

    Raises:
        DataError: The simulators are not installed.
    """
    for number in range(spec.homes):
        name = tuple(_KINDS)[number % len(_KINDS)]
        yield _series(spec, number, f"{name}-{number:04d}", _KINDS[name])


def _series(spec: Spec, number: int, name: str, kind: _Kind) -> MeterSeries:
    module, seed = _module(HOUSEHOLDS), spec.seed * 100_000 + number
    rng = np.random.default_rng((spec.seed, number))
    start_ms = YEAR_START_MS + int(rng.integers(0, 365)) * DAY_MS
    home = module.Household(module.HouseholdOptions(seed=seed, weather_seed=seed, origin_ms=start_ms))
    step_ms = min(kind.step_ms, spec.interval_ms)
    t_ms = start_ms + np.arange(0, spec.days * DAY_MS, step_ms, dtype=np.int64)
    t_ms = t_ms[_kept(t_ms, rng)]
    source: Source = getattr(home, kind.reads)
    t_ms, values, faults = _injected(spec, name, source, t_ms, kind)
    values = np.floor(values / kind.resolution + 0.5) * kind.resolution
    cut = aggregate if kind.quantity == "power_w" else _growth
    return MeterSeries(name, cut(0, t_ms, values, spec.interval_ms), faults)


def _injected(
    spec: Spec, name: str, source: Source, t_ms: Integers, kind: _Kind
) -> tuple[Integers, Floats, tuple[FaultSpan, ...]]:
    """The values with faults of every kind that the meter can have, and their labels."""
    if not spec.faults_per_day:
        return t_ms, source(t_ms)[kind.quantity], ()
    module = _module(FAULTS)
    kinds = [module.FaultKind(one) for one in FAULT_KINDS]
    rules = [module.FaultRule(kind=one, per_day=spec.faults_per_day) for one in kinds]
    fitting = tuple(rule for rule in rules if not module.check_rules([rule], [kind.quantity]))
    plan = module.FaultPlan(rules=fitting, seed=spec.seed, meter=name, origin_ms=int(t_ms[0]))
    faulted = plan.inject(source, t_ms)
    labels: tuple[_Fault, ...] = faulted.labels
    spans = tuple(FaultSpan(str(label.kind), label.start_ms, label.end_ms) for label in labels)
    return faulted.t_ms, faulted.columns[kind.quantity], spans


def _growth(meter: int, t_ms: Integers, register: Floats, interval_ms: int) -> Intervals:
    """What a register grew by between readings on the grid, as the edge sees it."""
    on_grid = t_ms % interval_ms == 0
    t_ms, register = t_ms[on_grid], register[on_grid]
    whole = np.diff(t_ms) == interval_ms
    growth = np.maximum(np.diff(register)[whole], 0.0)
    return from_amounts(meter, t_ms[:-1][whole], growth, interval_ms)


def _kept(t_ms: Integers, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """All samples but those of a few short breaks in transmission."""
    weeks = (t_ms[-1] - t_ms[0]) / (7 * DAY_MS)
    kept = np.ones(len(t_ms), np.bool_)
    for _ in range(int(rng.poisson(_GAPS_PER_WEEK * weeks))):
        start = rng.integers(t_ms[0], t_ms[-1])
        kept &= (t_ms < start) | (t_ms >= start + _GAP_MS * rng.lognormal(0.0, 1.0))
    return kept


def _module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise DataError(f"the simulated homes are not installed ({error})") from None
