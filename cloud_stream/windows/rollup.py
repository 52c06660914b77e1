"""From cells to the fields of a usage row, and from rows to the level above.

At every level a row has, for gauges, ``<gauge>_mean``, ``_min``, ``_max``,
``_last`` and ``_n``, and amounts under their own name. Rolling up is the same
function from meters to a site, sites to a shard and shards to the fleet:

* gauges that add up: means, lasts and n add up; so do minima and maxima, which
  are bounds then, since the meters' peaks need not coincide;
* gauges that average: the mean weighted by n, the least minimum, the greatest
  maximum; a last has no meaning and is left out;
* gauges that do neither (voltages) are left out; amounts add up.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum, auto
from functools import lru_cache
from typing import Final, NamedTuple

from cloud_stream.windows.fold import Cells
from wattline.errors import DecodeError
from wattline.quantities import USAGE_PRECEDENCE, Kind, Quantity, RollUp, quantity

Fields = Mapping[str, float]
STATISTICS: Final = ("mean", "min", "max", "last", "n")


class GaugeFields(NamedTuple):
    """The field names of one gauge."""

    mean: str
    min: str
    max: str
    last: str
    n: str


@lru_cache(maxsize=4096)
def gauge_fields(name: str) -> GaugeFields:
    """The field names of the gauge `name`."""
    return GaugeFields(*(f"{name}_{statistic}" for statistic in STATISTICS))


def meter_rows(
    cells: Cells, quantities: Sequence[Quantity], meters: Sequence[str]
) -> dict[tuple[str, int], dict[str, float]]:
    """The fields of meters' windows.

    Args:
        cells: Cells of one width and one site.
        quantities: By the number of the series.
        meters: By the number of the series.

    Returns:
        (meter, window number) to fields. Where several kinds speak for one
        amount, the register wins over amounts, and they over integrated power.
    """
    rows: dict[tuple[str, int], dict[str, float]] = {}
    ranks: dict[tuple[str, int, str], int] = {}
    columns = (cells.n, cells.total, cells.low, cells.high, cells.last)
    values = zip(*(column.tolist() for column in columns), strict=True)
    usage = zip(cells.amount.tolist(), cells.covered_ms.tolist(), strict=True)
    places = zip(cells.series.tolist(), cells.window.tolist(), strict=True)
    for (series, window), gauge, (amount, covered) in zip(places, values, usage, strict=True):
        kind = quantities[series]
        row = rows.setdefault((meters[series], window), {})
        if kind.kind is Kind.GAUGE and gauge[0]:
            _put_gauge(row, kind.name, gauge)
        if covered and kind.usage:
            key = (meters[series], window, kind.usage)
            rank = USAGE_PRECEDENCE.index(kind.kind)
            if rank < ranks.get(key, len(USAGE_PRECEDENCE)):
                ranks[key] = rank
                row[kind.usage] = amount
    return {key: row for key, row in rows.items() if row}


def _put_gauge(row: dict[str, float], name: str, gauge: tuple[float, float, float, float, float]) -> None:
    n, total, low, high, last = gauge
    names = gauge_fields(name)
    row[names.mean] = total / n
    row[names.min] = low
    row[names.max] = high
    row[names.last] = last
    row[names.n] = n


class _Way(Enum):
    """How values of a field become one of the level above."""

    ADD = auto()
    WEIGHT = auto()
    LEAST = auto()
    GREATEST = auto()
    LEAVE_OUT = auto()


_ADD: Final = _Way.ADD
_AVERAGING: Final = {"mean": _Way.WEIGHT, "min": _Way.LEAST, "max": _Way.GREATEST, "n": _Way.ADD}


@lru_cache(maxsize=4096)
def _way(field: str) -> _Way:
    base, _, statistic = field.rpartition("_")
    if statistic not in STATISTICS or not base:
        return _Way.ADD
    roll_up = _roll_up_of(base)
    if roll_up is RollUp.MEAN:
        return _AVERAGING.get(statistic, _Way.LEAVE_OUT)
    return _Way.ADD if roll_up is RollUp.SUM else _Way.LEAVE_OUT


@lru_cache(maxsize=4096)
def _weight_of(field: str) -> str:
    return f"{field.removesuffix('_mean')}_n"


def _roll_up_of(name: str) -> RollUp:
    try:
        return quantity(name).roll_up
    except DecodeError:
        return RollUp.NONE


def roll_up(rows: Iterable[Fields]) -> dict[str, float]:
    """The fields of the level above from those of the level below."""
    result: dict[str, float] = {}
    weighted: set[str] = set()
    for row in rows:
        for field, value in row.items():
            way = _way(field)
            if way is _ADD:
                result[field] = result.get(field, 0.0) + value
            elif way is _Way.WEIGHT:
                weighted.add(field)
                result[field] = result.get(field, 0.0) + value * row.get(_weight_of(field), 1.0)
            elif way is _Way.LEAST:
                result[field] = min(result.get(field, value), value)
            elif way is _Way.GREATEST:
                result[field] = max(result.get(field, value), value)
    for field in weighted:
        result[field] /= result.get(_weight_of(field), 1.0) or 1.0
    return result


def roll_up_site(
    site: str,
    rows: Mapping[tuple[str, int], Fields],
    is_main: Callable[[str, str], bool],
) -> dict[int, dict[str, float]]:
    """A site's windows from its meters': (meter, window) to fields, main meters only."""
    mains: dict[int, list[Fields]] = {}
    for (meter, window), fields in rows.items():
        if is_main(site, meter):
            mains.setdefault(window, []).append(fields)
    rolled = {window: roll_up(fields) for window, fields in mains.items()}
    return {window: fields for window, fields in rolled.items() if fields}
