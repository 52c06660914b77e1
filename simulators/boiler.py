"""An electric boiler: a tank, what people draw from it, its thermostat, and the relay in its supply.

Unlike the rest of a simulated home it remembers: what it takes now depends on when it could heat before. The tank is
one well-mixed body of water; source: the single-node tank of Duffie and Beckman, Solar Engineering of Thermal
Processes, 4th edition, section 8.3.
"""

import bisect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import msgspec
import numpy as np

from simulators.randomness import Columns, FloatArray, IntArray, stream
from simulators.residents import SLOT_MS, SLOTS, SLOTS_PER_HOUR, Presence
from simulators.weather import DAY_MS

WATER_WH_PER_L_K: Final = 1.163
COLD_C: Final = 12.0
TAP_C: Final = 40.0
ROOM_C: Final = 20.0
_STEP_MS: Final = 10_000
_SHOWER_L_PER_MIN: Final = 7.5
_TAP_L_PER_MIN: Final = 4.0
_TRACE: Final = 8192
_MIN_PER_SLOT: Final = SLOT_MS / 60_000


class BoilerOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A boiler behind a meter.

    Attributes:
        name: The relay of this name switches it; unique in a process.
        element_w: What it takes while it heats.
        set_c: Where the thermostat ends heating. band_c: so far below it begins again.
        loss_w: What the full tank loses at `set_c`.
        start_c: Where the water is at first; 0 is as warm as the thermostat keeps it.
        draw: How much is drawn, 1 being usual; 0 nothing.
    """

    name: str = "boiler"
    tank_l: Annotated[float, msgspec.Meta(gt=0, le=10_000)] = 150.0
    element_w: Annotated[float, msgspec.Meta(gt=0, le=1e6)] = 2000.0
    set_c: Annotated[float, msgspec.Meta(ge=30, le=95)] = 60.0
    band_c: Annotated[float, msgspec.Meta(gt=0, le=30)] = 5.0
    loss_w: Annotated[float, msgspec.Meta(ge=0, le=5000)] = 60.0
    start_c: Annotated[float, msgspec.Meta(ge=0, le=95)] = 0.0
    draw: Annotated[float, msgspec.Meta(ge=0, le=100)] = 1.0


class BoilerState(msgspec.Struct):
    """A boiler at one moment: local time, water, thermostat, and the energy taken since it was new."""

    t_ms: int
    water_c: float
    heating: bool
    used_wh: float = 0.0


class Switch:
    """The contact in a boiler's supply; closed at first."""

    def __init__(self) -> None:
        self.on = True


_switches: dict[str, Switch] = {}


def switch_named(name: str) -> Switch:
    """The one contact of that name in this process: between a meter that sees it and a relay that moves it."""
    return _switches.setdefault(name, Switch())


class Boiler:
    """One boiler. Not thread-safe, but for its switch.

    Args:
        options: What it is.
        draw_w: Gives the heat that people draw in every slot of a local day, float64[SLOTS], in W.
        switch: In its supply.
    """

    def __init__(self, options: BoilerOptions, draw_w: Callable[[int], FloatArray], switch: Switch) -> None:
        self._options = options
        self._draw_w = draw_w
        self._switch = switch
        self._capacity_wh_per_k = options.tank_l * WATER_WH_PER_L_K
        self._day: tuple[int, FloatArray] | None = None
        self._times: list[int] = []
        self._trace: list[tuple[float, float, float]] = []
        self.state: BoilerState | None = None

    def at(self, t_ms: IntArray) -> Columns:
        """`power_w`, `energy_wh` and `water_c` at local times; the past is remembered for some thousand answers."""
        rows = np.array([self._at(t) for t in t_ms.tolist()]).reshape(len(t_ms), 3)
        return {"power_w": rows[:, 0], "energy_wh": rows[:, 1], "water_c": rows[:, 2]}

    def _at(self, t_ms: int) -> tuple[float, float, float]:
        if self.state is None:
            start_c = self._options.start_c or self._options.set_c - self._options.band_c / 2
            self.state = BoilerState(t_ms, start_c, heating=False)
        if self._times and t_ms < self._times[-1]:
            return self._trace[max(0, bisect.bisect_right(self._times, t_ms) - 1)]
        state = self.state
        while state.t_ms < t_ms:
            self._step(state, min(_STEP_MS, t_ms - state.t_ms))
        row = (self._power_w(state), state.used_wh, state.water_c)
        self._remember(t_ms, row)
        return row

    def _step(self, state: BoilerState, step_ms: int) -> None:
        options, hours = self._options, step_ms / 3_600_000
        power_w = self._power_w(state)
        warmth = np.clip((state.water_c - COLD_C) / (TAP_C - COLD_C), 0.0, 1.0)
        loss_w = options.loss_w * (state.water_c - ROOM_C) / (options.set_c - ROOM_C)
        gain_w = power_w - self._drawn_w(state.t_ms) * float(warmth) - loss_w
        state.water_c += gain_w * hours / self._capacity_wh_per_k
        state.used_wh += power_w * hours
        state.t_ms += step_ms

    def _power_w(self, state: BoilerState) -> float:
        """What it takes now: the thermostat stands behind the switch, and feels the water with or without current."""
        options = self._options
        if state.water_c >= options.set_c:
            state.heating = False
        elif state.water_c <= options.set_c - options.band_c:
            state.heating = True
        return options.element_w if state.heating and self._switch.on else 0.0

    def _drawn_w(self, t_ms: int) -> float:
        day = t_ms // DAY_MS
        if self._day is None or self._day[0] != day:
            self._day = (day, self._draw_w(day))
        return float(self._day[1][(t_ms - day * DAY_MS) // SLOT_MS])

    def _remember(self, t_ms: int, row: tuple[float, float, float]) -> None:
        self._times.append(t_ms)
        self._trace.append(row)
        if len(self._times) > 2 * _TRACE:
            del self._times[:-_TRACE], self._trace[:-_TRACE]


def draw_off_w(seed: int, day: int, presence: Presence, scale: float) -> FloatArray:
    """The heat that people draw in every slot of a local day: float64[SLOTS], in W.

    Showers in the hour after getting up and in the hours before bed, hands and dishes whenever somebody is awake.
    """
    flow = np.zeros(SLOTS)
    awake = np.flatnonzero(presence.awake > 0)
    if not len(awake) or not scale:
        return flow
    rng = stream(seed, "boiler", day)
    people = float(presence.home.max())
    up, bed = int(awake[0]), int(awake[-1])
    morning = up + rng.uniform(0, SLOTS_PER_HOUR, rng.poisson(0.5 * people * scale))
    evening = bed - rng.uniform(0, 3 * SLOTS_PER_HOUR, rng.poisson(0.4 * people * scale))
    for start in np.concatenate([morning, evening]).astype(np.int64).tolist():
        _run(flow, start, rng.uniform(4, 9), _SHOWER_L_PER_MIN)
    for start in rng.choice(awake, rng.poisson((3 + 2 * people) * scale)).tolist():
        _run(flow, start, rng.uniform(0.3, 2), _TAP_L_PER_MIN)
    return flow * 60 * WATER_WH_PER_L_K * (TAP_C - COLD_C)


def _run(flow: FloatArray, start: int, minutes: float, l_per_min: float) -> None:
    start = max(0, start)
    flow[start : start + max(1, round(minutes / _MIN_PER_SLOT))] += l_per_min


def load_state(file: Path) -> BoilerState | None:
    """What an earlier process left; None where there is nothing usable."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=BoilerState)
    except (OSError, ValueError):
        return None


def save_state(file: Path, state: BoilerState) -> None:
    """Leave a boiler to the next process.

    Raises:
        OSError: The file cannot be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f"{file.name}.new")
    fresh.write_bytes(msgspec.json.encode(state))
    fresh.replace(file)
