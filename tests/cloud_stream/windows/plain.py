"""Windows computed the plain way, from the set of readings: the oracle.

Written from the definitions alone, with loops and fractions of time, sharing
no code with the product but its table of quantities and the names of the shards.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import pairwise
from typing import NamedTuple

from cloud_stream.sharding import shard_of
from wattline.quantities import Kind, RollUp, quantity

HOUR_MS = 3_600_000
RANK = {Kind.COUNTER: 0, Kind.AMOUNT: 1, Kind.GAUGE: 2}


class Value(NamedTuple):
    """One value of one quantity."""

    site: str
    meter: str
    quantity: str
    t_ms: int
    value: float
    interval_ms: int = 0


Key = tuple[str, str, str, int]
"""Level, site, meter, start of the window."""


def usage(
    values: Iterable[Value], width_ms: int, subs: Collection[tuple[str, str]] = ()
) -> dict[Key, dict[str, float]]:
    """All windows of all levels; `subs` are the (site, meter) that do not count towards their site."""
    rows: dict[Key, dict[str, float]] = {}
    by_series: dict[tuple[str, str, str], dict[int, Value]] = defaultdict(dict)
    for value in values:
        by_series[value.site, value.meter, value.quantity][value.t_ms] = value
    spoken: dict[Key, dict[str, tuple[int, float]]] = defaultdict(dict)
    for (site, meter, name), at in by_series.items():
        series = [at[t] for t in sorted(at)]
        if quantity(name).kind is Kind.GAUGE:
            for start, fields in gauge_windows(series, width_ms).items():
                rows.setdefault(("meter", site, meter, start), {}).update(fields)
        usage_name, rank = quantity(name).usage, RANK[quantity(name).kind]
        for start, amount in amount_windows(series, width_ms).items():
            key = ("meter", site, meter, start)
            if usage_name not in spoken[key] or spoken[key][usage_name][0] > rank:
                spoken[key][usage_name] = (rank, amount)
    for key, amounts in spoken.items():
        rows.setdefault(key, {}).update({n: a for n, (_, a) in amounts.items()})
    mains = {key: row for key, row in rows.items() if (key[1], key[2]) not in subs}
    sites = level_above(mains, lambda key: ("site", key[1], "", key[3]))
    shards = level_above(sites, lambda key: ("shard", shard_of(key[1]), "", key[3]))
    fleet = level_above(sites, lambda key: ("fleet", "", "", key[3]))
    return rows | sites | shards | fleet


def gauge_windows(series: list[Value], width_ms: int) -> dict[int, dict[str, float]]:
    """Statistics of a gauge per window."""
    windows: dict[int, list[float]] = defaultdict(list)
    for one in series:
        windows[one.t_ms - one.t_ms % width_ms].append(one.value)
    name = series[0].quantity
    return {
        start: {
            f"{name}_mean": math.fsum(seen) / len(seen),
            f"{name}_min": min(seen),
            f"{name}_max": max(seen),
            f"{name}_last": seen[-1],
            f"{name}_n": len(seen),
        }
        for start, seen in windows.items()
    }


def amount_windows(series: list[Value], width_ms: int) -> dict[int, float]:
    """Consumption per window of any kind that has one."""
    kind = quantity(series[0].quantity)
    windows: dict[int, float] = defaultdict(float)
    if kind.kind is Kind.AMOUNT:
        stretches = [(v.t_ms, v.t_ms + v.interval_ms, v.value) for v in series if v.interval_ms]
    elif kind.usage:
        pairs = pairwise(series)
        found = [stretch(kind.kind, a, b) for a, b in pairs]
        stretches = [one for one in found if one is not None]
    else:
        stretches = []
    for begin, end, amount in stretches:
        start = begin - begin % width_ms
        while start < end:
            share = (min(end, start + width_ms) - max(begin, start)) / (end - begin)
            windows[start] += amount * share
            start += width_ms
    return windows


def stretch(kind: Kind, a: Value, b: Value) -> tuple[int, int, float] | None:
    """What was used between two neighbouring readings."""
    elapsed = b.t_ms - a.t_ms
    if kind is Kind.GAUGE:
        if elapsed > HOUR_MS:
            return None
        return a.t_ms, b.t_ms, (max(a.value, 0) + max(b.value, 0)) / 2000 * elapsed / HOUR_MS
    if elapsed > 31 * 24 * HOUR_MS:
        return None
    used = b.value - a.value
    if used < 0:
        size = 10 ** math.ceil(math.log10(max(a.value, 1)))
        rolled = a.value > 0.9 * size and 0 <= b.value < 0.1 * size
        used = used + size if rolled else 0.0
    if used > quantity(a.quantity).max_per_hour * elapsed / HOUR_MS * (1 + 1e-12):
        used = 0.0
    return a.t_ms, b.t_ms, used


def level_above(rows: Mapping[Key, dict[str, float]], up: Callable[[Key], Key]) -> dict[Key, dict[str, float]]:
    """Roll rows up."""
    groups: dict[Key, list[dict[str, float]]] = defaultdict(list)
    for key, row in rows.items():
        groups[up(key)].append(row)
    rolled = {key: roll_up(group) for key, group in groups.items()}
    return {key: row for key, row in rolled.items() if row}


def roll_up(group: list[dict[str, float]]) -> dict[str, float]:
    """One row from those below it."""
    result: dict[str, float] = {}
    for field in {field for row in group for field in row}:
        have = [row[field] for row in group if field in row]
        base, _, statistic = field.rpartition("_")
        if statistic not in {"mean", "min", "max", "last", "n"}:
            result[field] = math.fsum(have)
            continue
        way = quantity(base).roll_up
        if way is RollUp.NONE or (way is RollUp.MEAN and statistic == "last"):
            continue
        if way is RollUp.SUM or statistic == "n":
            result[field] = math.fsum(have)
        elif statistic == "mean":
            weights = [(row[field], row[f"{base}_n"]) for row in group if field in row]
            result[field] = math.fsum(m * n for m, n in weights) / math.fsum(n for _, n in weights)
        else:
            result[field] = min(have) if statistic == "min" else max(have)
    return result
