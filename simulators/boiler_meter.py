"""A home's electricity meter with a boiler behind it: the home is a function of time, the boiler has a past."""

import logging
from functools import lru_cache
from pathlib import Path
from typing import Final

from simulators.boiler import Boiler, BoilerOptions, draw_off_w, load_state, save_state, switch_named
from simulators.faults import Source
from simulators.household import Household
from simulators.randomness import Columns, FloatArray, IntArray
from simulators.weather import DAY_MS

_LOG: Final = logging.getLogger("simulators")
_TOO_OLD_MS: Final = 7 * DAY_MS
_AHEAD_MS: Final = 3_600_000


class BoilerBehindMeter:
    """Adds a boiler to what a home's meter shows.

    Args:
        options: The boiler.
        home: Whose people draw from it.
        source: What the meter shows without it.
        file: Remembers it over a restart; None forgets it.
    """

    def __init__(self, options: BoilerOptions, home: Household, source: Source, file: Path | None) -> None:
        seed, scale = home.options.seed, options.draw

        @lru_cache(maxsize=2)
        def draw_w(day: int) -> FloatArray:
            return draw_off_w(seed, day, home.presence(day), scale)

        self._boiler = Boiler(options, draw_w, switch_named(options.name))
        self._offset_ms = home.options.utc_offset_ms
        self._source = source
        self._file = file
        self._saved = True

    def columns(self, t_ms: IntArray) -> Columns:
        """The meter with the boiler at UTC times, and the water's temperature."""
        columns, boiler = self._source(t_ms), self._boiler.at(t_ms + self._offset_ms)
        columns["power_w"] = columns["power_w"] + boiler["power_w"]
        columns["energy_import_kwh"] = columns["energy_import_kwh"] + boiler["energy_wh"] / 1000
        columns["water_c"] = boiler["water_c"]
        return columns

    def restore(self, now_ms: int) -> int:
        """Go on where an earlier process ended; returns until when (UTC) its readings were given, 0 for none.

        What was drawn and heated in between is made up for; a past of more than a week, or a future, is left.
        """
        state = load_state(self._file) if self._file is not None else None
        if state is None:
            return 0
        until_ms = state.t_ms - self._offset_ms
        if not now_ms - _TOO_OLD_MS <= until_ms <= now_ms + _AHEAD_MS:
            return 0
        self._boiler.state = state
        return until_ms

    def save(self) -> None:
        """Remember the boiler as it is; a file that cannot be written does not stop the meter."""
        if self._file is None or self._boiler.state is None:
            return
        try:
            save_state(self._file, self._boiler.state)
        except OSError as error:
            if self._saved:
                _LOG.warning("event=boiler_not_saved file=%s error=%s", self._file, error)
            self._saved = False
