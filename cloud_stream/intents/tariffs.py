"""What a kilowatt-hour costs, and when: time-of-use tables in the site's time zone.

```toml
[[tariff]]
name = "evening-peak"
currency = "GBP"
standing_per_day = 0.53
[[tariff.rate]]
price = 0.22                              # neither days nor hours: whenever no other rate holds
[[tariff.rate]]
price = 0.41
days = ["mon-fri"]                        # mon..sun, mon-fri, weekend, holiday
from = "16:00"
to = "19:00"
[[tariff]]
name = "evening-peak"                     # the same tariff with other prices
valid_from = 2027-01-01
...
```

The hours of a rate belong to the day in which they fall: "22:00" to "06:00" on a Friday are two pieces of that Friday.
Public holidays of the site's country count as their weekday unless a rate of the table names `holiday`.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import gcd
from typing import Annotated, Final

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta, field

from cloud_stream.intents.periods import Period, days_of, midnight_ms
from cloud_stream.records import Floats, Int64s
from cloud_stream.sites import Currency, Site
from wattline.errors import ConfigError
from wattline.forecasting.calendar import local_calendar
from wattline.wire import Id

Price = Annotated[float, Meta(ge=-1e6, le=1e6)]
_CLOCK: Final = re.compile("([0-9]{2}):([0-5][0-9])")
_WEEK: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOLIDAY: Final = 7
_DAY_MINUTES: Final = 1440
_MINUTE_MS: Final = 60_000
_QUARTER_MS: Final = 900_000
"""No time zone of today is off by a fraction of it."""


class Hours(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Hours of days: of every day by default, the whole day by default."""

    days: tuple[str, ...] = ()
    start: str = field(default="00:00", name="from")
    end: str = field(default="24:00", name="to")


class Rate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One price.

    Attributes:
        price: Of a kWh, in the tariff's currency.
        name: For a person.
        days: When it holds; with `start` and `end` left out too: whenever no other rate holds.
        peak: These hours are to be avoided. Where no rate says so, those of the highest price are.
    """

    price: Price
    name: str = ""
    days: tuple[str, ...] = ()
    start: str | None = field(default=None, name="from")
    end: str | None = field(default=None, name="to")
    peak: bool = False

    @property
    def is_default(self) -> bool:
        """Whether it holds whenever no other rate does."""
        return not self.days and self.start is None and self.end is None

    @property
    def hours(self) -> Hours:
        """When it holds."""
        return Hours(days=self.days, start=self.start or "00:00", end=self.end or "24:00")


class TariffTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A `[[tariff]]` of the file: the prices from one date on.

    Attributes:
        standing_per_day: Whatever is used, each local day.
        valid_from: The first local date on which these prices hold; the earliest ones hold before it too.
    """

    name: Id
    currency: Currency
    standing_per_day: Price = 0.0
    valid_from: date | None = None
    rate: tuple[Rate, ...]


class Cost(msgspec.Struct, frozen=True):
    """What intervals cost, in the tariff's currency.

    Attributes:
        energy: float64[N]; NaN where consumption is unknown.
        standing: float64[N]: each interval's share of its day's standing charge.
    """

    energy: Floats
    standing: Floats


@dataclass(frozen=True, slots=True)
class _Prices:
    """A compiled table: of each kind of day (Monday to Sunday, holiday) and minute."""

    valid_from: date
    standing_per_day: float
    price: Floats
    peak: npt.NDArray[np.bool_]
    has_holidays: bool
    grain_ms: int


@dataclass(frozen=True, slots=True)
class Tariff:
    """A tariff with all its price changes; make it with `compile_tariffs`."""

    name: str
    currency: str
    versions: tuple[_Prices, ...]

    @property
    def has_peak(self) -> bool:
        """Whether some hours are dearer than others, or called a peak."""
        return any(version.peak.any() for version in self.versions)

    def price(self, site: Site, start_ms: Int64s, interval_ms: int) -> Floats:
        """The price of a kWh in intervals that begin at `start_ms`, in any order: the mean over each."""
        return _averaged(self.versions, site, start_ms, interval_ms, lambda version: version.price)

    def peak_share(self, site: Site, start_ms: Int64s, interval_ms: int) -> Floats:
        """Which share of each interval lies in a peak, 0 to 1."""
        return _averaged(self.versions, site, start_ms, interval_ms, lambda version: version.peak.astype(np.float64))

    def cost(self, site: Site, start_ms: Int64s, interval_ms: int, energy_kwh: Floats) -> Cost:
        """What consumption cost; energy is even over its interval.

        Args:
            site: Whose clock and holidays count.
            start_ms: int64[N], in any order.
            interval_ms: Of all.
            energy_kwh: float64[N].
        """
        starts, n = _slots(self.versions, start_ms, interval_ms)
        version = _version_at(self.versions, site.time_zone, starts)
        a_day = np.array([one.standing_per_day for one in self.versions])[version]
        standing = a_day * (interval_ms / n) / _day_length_ms(site.time_zone, starts)
        return Cost(self.price(site, start_ms, interval_ms) * energy_kwh, standing.reshape(-1, n).sum(axis=1))


def compile_tariffs(tables: Sequence[TariffTable]) -> Mapping[str, Tariff]:
    """Check tables and make them quick to ask, by name.

    Raises:
        ConfigError: Hours without a price or with two, a day that there is not, two currencies or two tables for one
            date; `where` is such as ``tariff[1].rate[0].days``.
    """
    grouped: dict[str, list[tuple[int, TariffTable]]] = {}
    for index, table in enumerate(tables):
        grouped.setdefault(table.name, []).append((index, table))
    return {name: _tariff(name, group) for name, group in grouped.items()}


def hours_table(hours: Sequence[Hours], where: str) -> npt.NDArray[np.bool_]:
    """bool[8, 1440]: which minutes of which kind of day some hours name, to be asked with `in_hours`.

    Raises:
        ConfigError: A day that there is not.
    """
    table = np.zeros((8, _DAY_MINUTES), np.bool_)
    for index, one in enumerate(hours):
        for day in _days(one.days, f"{where}[{index}].days"):
            for first, after in _pieces(one, f"{where}[{index}]"):
                table[day, first:after] = True
    return table


def in_hours(table: npt.NDArray[np.bool_], site: Site, at_ms: Int64s) -> npt.NDArray[np.bool_]:
    """Whether instants lie in a table of `hours_table`; holidays count as such where the table has any."""
    day, minute = _places(site, at_ms, has_holidays=bool(table[_HOLIDAY].any()))
    found: npt.NDArray[np.bool_] = table[day, minute]
    return found


def minute_of(clock: str, where: str = "") -> int:
    """The minute of the day of a local time such as "07:30"; the end of a day is "24:00".

    Raises:
        ConfigError: It is no such time.
    """
    found = _CLOCK.fullmatch(clock)
    minute = int(found[1]) * 60 + int(found[2]) if found else _DAY_MINUTES + 1
    if minute > _DAY_MINUTES:
        raise ConfigError(where, f'{clock!r} is no time such as "07:30"')
    return minute


def _tariff(name: str, group: Sequence[tuple[int, TariffTable]]) -> Tariff:
    first_index, first = group[0]
    seen: dict[date, int] = {}
    versions = []
    for index, table in group:
        where = f"tariff[{index}]"
        if table.currency != first.currency:
            raise ConfigError(f"{where}.currency", f"{name!r} is in {first.currency} in tariff[{first_index}]")
        since = table.valid_from or date.min
        if since in seen:
            raise ConfigError(f"{where}.valid_from", f"{name!r} has two tables for one date, see tariff[{seen[since]}]")
        seen[since] = index
        versions.append(_compiled(table, where, since))
    return Tariff(name, first.currency, tuple(sorted(versions, key=lambda version: version.valid_from)))


def _compiled(table: TariffTable, where: str, since: date) -> _Prices:
    rate_of = _rate_table(table.rate, where)
    prices = np.array([rate.price for rate in table.rate])
    marked = any(rate.peak for rate in table.rate)
    flat = prices.min() == prices.max()
    peak = np.array([rate.peak if marked else (not flat and rate.price == prices.max()) for rate in table.rate])
    borders = [minute for rate in table.rate for piece in _pieces(rate.hours, where) for minute in piece]
    grain_ms = gcd(_QUARTER_MS, *(minute * _MINUTE_MS for minute in borders))
    has_holidays = _names_holidays(table.rate)
    return _Prices(since, table.standing_per_day, prices[rate_of], peak[rate_of], has_holidays, grain_ms)


def _rate_table(rates: Sequence[Rate], where: str) -> npt.NDArray[np.int64]:
    """int64[8, 1440]: which rate holds on which kind of day; where no rate names holidays, their row means nothing."""
    if not rates:
        raise ConfigError(f"{where}.rate", "has no rate")
    table = np.full((8, _DAY_MINUTES), -1, np.int64)
    default = -1
    for index, rate in enumerate(rates):
        if rate.is_default:
            if default >= 0:
                raise ConfigError(f"{where}.rate[{index}]", f"and rate[{default}] both hold whenever no other does")
            default = index
            continue
        _lay(table, rate, index, where)
    if not _names_holidays(rates):
        table[_HOLIDAY] = 0
    if default >= 0:
        table[table < 0] = default
    _refuse_gaps(table, where)
    return table


def _names_holidays(rates: Sequence[Rate]) -> bool:
    return any("holiday" in rate.days for rate in rates)


def _lay(table: npt.NDArray[np.int64], rate: Rate, index: int, where: str) -> None:
    for day in _days(rate.days, f"{where}.rate[{index}].days"):
        for first, after in _pieces(rate.hours, f"{where}.rate[{index}]"):
            taken = np.flatnonzero(table[day, first:after] >= 0)
            if taken.size:
                at = first + int(taken[0])
                other = int(table[day, at])
                raise ConfigError(f"{where}.rate[{index}]", f"and rate[{other}] both hold on {_moment(day, at)}")
            table[day, first:after] = index


def _refuse_gaps(table: npt.NDArray[np.int64], where: str) -> None:
    empty = np.argwhere(table < 0)
    if len(empty):
        day, minute = (int(number) for number in empty[0])
        raise ConfigError(f"{where}.rate", f"no rate holds on {_moment(day, minute)}: add one without days and hours")


def _moment(day: int, minute: int) -> str:
    return f"{[*_WEEK, 'holiday'][day]} at {minute // 60:02d}:{minute % 60:02d}"


def _days(names: Sequence[str], where: str) -> Iterator[int]:
    """The kinds of day that names stand for, each once; without names all seven of a week."""
    found: set[int] = set()
    for name in names or _WEEK:
        if name == "holiday":
            found.add(_HOLIDAY)
        elif name == "weekend":
            found |= {5, 6}
        else:
            found |= _day_range(name, where)
    yield from sorted(found)


def _day_range(name: str, where: str) -> set[int]:
    first, _, last = name.partition("-")
    last = last or first
    if first not in _WEEK or last not in _WEEK:
        raise ConfigError(where, f'{name!r} is none of mon..sun, a range such as "mon-fri", weekend, holiday')
    start, length = _WEEK.index(first), (_WEEK.index(last) - _WEEK.index(first)) % 7 + 1
    return {(start + step) % 7 for step in range(length)}


def _pieces(hours: Hours, where: str) -> list[tuple[int, int]]:
    """The minutes of a day, as one piece, or two where they reach over midnight."""
    first, after = minute_of(hours.start, f"{where}.from"), minute_of(hours.end, f"{where}.to")
    if first < after:
        return [(first, after)]
    return [piece for piece in ((0, after), (first, _DAY_MINUTES)) if piece[0] < piece[1]]


def _places(site: Site, at_ms: Int64s, *, has_holidays: bool) -> tuple[Int64s, Int64s]:
    """Kind of day and minute of the day of instants, in any order."""
    if not at_ms.size:
        return at_ms, at_ms
    ascending, row = np.unique(at_ms, return_inverse=True)
    calendar = local_calendar(site.time_zone, site.country if has_holidays else "", ascending)
    day = np.where(calendar.holiday, _HOLIDAY, calendar.day_of_week) if has_holidays else calendar.day_of_week
    return day[row], calendar.minute_of_day[row]


def _slots(versions: Sequence[_Prices], start_ms: Int64s, interval_ms: int) -> tuple[Int64s, int]:
    """The starts of N x n equal pieces of N intervals, none of which a border of the tables cuts, and n."""
    grain_ms = gcd(interval_ms, *(version.grain_ms for version in versions))
    n = interval_ms // grain_ms
    return (start_ms[:, None] + np.arange(n) * grain_ms).ravel(), n


def _version_at(versions: Sequence[_Prices], zone: str, at_ms: Int64s) -> Int64s:
    """int64[M]: which table holds; the earliest one before its date too."""
    since_ms = np.array([midnight_ms(zone, version.valid_from) for version in versions[1:]], np.int64)
    return np.searchsorted(since_ms, at_ms, side="right").astype(np.int64)


def _averaged(
    versions: Sequence[_Prices],
    site: Site,
    start_ms: Int64s,
    interval_ms: int,
    table_of: Callable[[_Prices], Floats],
) -> Floats:
    """float64[N]: the mean over each interval of what the table that holds says."""
    starts, n = _slots(versions, start_ms, interval_ms)
    version = _version_at(versions, site.time_zone, starts)
    values = np.empty(len(starts))
    for number, one in enumerate(versions):
        mine = version == number
        day, minute = _places(site, starts[mine], has_holidays=one.has_holidays)
        values[mine] = table_of(one)[day, minute]
    averaged: Floats = values.reshape(-1, n).mean(axis=1)
    return averaged


def _day_length_ms(zone: str, at_ms: Int64s) -> Floats:
    """float64[M]: the length of the local day that each instant is in."""
    if not at_ms.size:
        return np.empty(0)
    days = list(days_of(zone, Period(int(at_ms.min()), int(at_ms.max()) + 1)))
    starts = np.array([day.start_ms for day in days], np.int64)
    lengths = np.array([day.end_ms - day.start_ms for day in days], np.float64)
    found: Floats = lengths[np.searchsorted(starts, at_ms, side="right") - 1]
    return found
