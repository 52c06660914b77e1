"""What intents expect of the world: a file that may change, the past, and what consumption goes along with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import nan
from typing import NamedTuple, Protocol

from cloud_stream.intents.wishes import Book
from cloud_stream.records import Floats, Int64s


class Edition(NamedTuple):
    """The intents in force.

    Attributes:
        number: Another one after every change of `book`.
        book: The newest that could be read.
        problem: What is wrong with a newer file that could not be; "" when there is none.
    """

    number: int
    book: Book
    problem: str = ""


IntentsSource = Callable[[], Edition]
"""Cheap enough to be called every second; never raises."""


class Correlation(NamedTuple):
    """What consumption of a site goes along with, see the measurement `correlation`; NaN cannot be said.

    Attributes:
        driver: `temperature`, `occupancy` or `hour`.
        r2: Share of the variance that it explains.
        slope_kwh_per_unit: `temperature`: kWh a day for each degree colder than `balance_c`.
        cooling_kwh_per_unit: `temperature`: kWh a day for each degree warmer than `cooling_balance_c`.
        base_kwh: `occupancy`: kWh an hour with nobody there.
        n: Days (`temperature`) or intervals it was computed from.
    """

    driver: str
    r2: float = nan
    slope_kwh_per_unit: float = nan
    cooling_kwh_per_unit: float = nan
    base_kwh: float = nan
    balance_c: float = nan
    cooling_balance_c: float = nan
    n: int = 0


Correlations = Callable[[str], Sequence[Correlation]]
"""The newest results of a site; never raises."""


@dataclass(frozen=True, slots=True)
class Past:
    """Utility intervals as the store has them: ascending, distinct; what is missing is missing.

    Attributes:
        start_ms: int64[N]. energy_kwh: float64[N], no NaN. temperature_c: float64[N]: outdoors, NaN is unknown.
    """

    start_ms: Int64s
    energy_kwh: Floats
    temperature_c: Floats


class History(Protocol):
    """The stored past of consumption."""

    def past(self, level: str, site: str, meter: str, start_ms: int, end_ms: int) -> Past:
        """The utility intervals that begin in [start, end).

        Args:
            level: `meter`, `site` or `fleet`.
            site: "" for the fleet.
            meter: "" but for a meter.
            start_ms: Inclusive, ms UTC.
            end_ms: Exclusive, ms UTC.

        Raises:
            StoreUnavailableError: It does not answer now.
        """
