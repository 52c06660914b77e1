"""From stored rows to series: gateways merged, holes left out, times distinct."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from cloud_stream.ports import Series
from cloud_stream.records import Floats, Int64s
from wattline.quantities import Kind, quantity


@dataclass(frozen=True, slots=True)
class Rows:
    """Stored rows of one meter.

    Attributes:
        gateway: Who delivered them.
        t_ms: int64[N].
        interval_ms: float64[N], NaN where the row has none; None when no row has one.
        values: Quantity to float64[N]; NaN is a missing value.
    """

    gateway: str
    t_ms: Int64s
    interval_ms: Floats | None
    values: Mapping[str, Floats]


def merge(rows: Iterable[Rows]) -> dict[str, Series]:
    """Put the rows of a meter together, quantity by quantity.

    Where two gateways delivered the same time, the first by name is believed:
    any rule would do, but it must not depend on the order of the rows.
    """
    ordered = sorted(rows, key=lambda some: some.gateway)
    names = sorted({name for some in ordered for name in some.values})
    merged = {name: _series(name, [some for some in ordered if name in some.values]) for name in names}
    return {name: series for name, series in merged.items() if len(series.t_ms)}


def _series(name: str, rows: list[Rows]) -> Series:
    t_ms = np.concatenate([some.t_ms for some in rows])
    values = np.concatenate([some.values[name] for some in rows])
    present = ~np.isnan(values)
    # `unique` keeps the first of equal times, and the rows come in the order of their gateways.
    distinct, first = np.unique(t_ms[present], return_index=True)
    return Series(distinct, values[present][first], _interval_ms(name, rows))


def _interval_ms(name: str, rows: list[Rows]) -> int:
    """The interval of the newest row that has one; only amounts have any."""
    if quantity(name).kind is not Kind.AMOUNT:
        return 0
    newest = (-1, 0)
    for some in rows:
        if some.interval_ms is not None:
            known = np.flatnonzero(~np.isnan(some.interval_ms) & ~np.isnan(some.values[name]))
            if len(known):
                last = known[np.argmax(some.t_ms[known])]
                newest = max(newest, (int(some.t_ms[last]), int(some.interval_ms[last])))
    return newest[1]
