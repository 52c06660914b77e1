"""What a forecaster is given, and what it gives."""

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

Floats32 = npt.NDArray[np.float32]
Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

HORIZON_MS: Final = 48 * 3_600_000
"""How far ahead every forecast reaches."""
HISTORY_MS: Final = 28 * 86_400_000
"""How much of the past a forecaster is shown."""
BAND: Final = 0.8
"""Share of true values that shall lie between `lower` and `upper`."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """Local time of the H intervals of the past and the K that follow; one entry an interval, oldest first.

    Attributes:
        minute_of_day: int64[H + K]: local wall-clock minutes at the interval's start.
        day_of_week: int64[H + K]: 0 is Monday.
        day_of_year: int64[H + K]: 1 is the first of January.
        holiday: bool[H + K]: public holidays of the site's country.
    """

    minute_of_day: Int64s
    day_of_week: Int64s
    day_of_year: Int64s
    holiday: Bools


@dataclass(frozen=True, slots=True)
class Scene:
    """What is known of N series at the instant at which they are forecast.

    H is `HISTORY_MS / interval_ms`, K is `HORIZON_MS / interval_ms`. Nothing of it may come from after `issued_ms`, but
    for the calendar and weather that was forecast by then.

    Attributes:
        issued_ms: ms UTC, a multiple of `interval_ms`: the end of the newest interval of the past.
        interval_ms: Length of the intervals: half an hour, or an hour.
        energy_kwh: float32[N, H]: consumption, oldest first; NaN is missing.
        calendar: Of the one place where all N series are.
        temperature_c: float32[P, H + K]: outdoor temperature at P places, measured in the past and forecast for what
            follows; NaN is unknown.
        place: int64[N]: row of `temperature_c`; -1 for none.
        floor_m2: float32[N]: floor area of the building; NaN is unknown.
        members: float32[N]: how many meters add up to the series; 1 for a meter.
    """

    issued_ms: int
    interval_ms: int
    energy_kwh: Floats32
    calendar: Calendar
    temperature_c: Floats32
    place: Int64s
    floor_m2: Floats32
    members: Floats32


@dataclass(frozen=True, slots=True)
class Forecast:
    """What N series will consume in the K intervals from `issued_ms` on.

    Attributes:
        energy_kwh: float32[N, K]: the middle: the true value is above as often as below; NaN where nothing can be said.
        lower: float32[N, K]. upper: float32[N, K]: the band, see `BAND`.
        by_model: bool[N]: False where history did not suffice and the same time a week (or a day) before was taken.
        mean_kwh: float32[N, K]: the mean to be expected; None where it is the middle. See `expected_kwh`.
    """

    energy_kwh: Floats32
    lower: Floats32
    upper: Floats32
    by_model: Bools
    mean_kwh: Floats32 | None = None

    @property
    def expected_kwh(self) -> Floats32:
        """What to add up over hours, days or meters, float32[N, K].

        A home uses little in most half hours and much in some: sums of middles fall short by a fifth.
        """
        return self.energy_kwh if self.mean_kwh is None else self.mean_kwh


class Forecaster(Protocol):
    """Forecasts many series at once. No state, no clock: the same scene gives the same forecast."""

    @property
    def name(self) -> str:
        """Which model this is, for the record: a name and a version."""

    def forecast(self, scene: Scene) -> Forecast:
        """Forecast every series of the scene; the rows of one do not depend on the others."""
