"""Cleaning of meter data, with counts: nothing leaves a data set unseen.

Everything here is a pure function over frames. A frame of raw rows has the
columns `meter` (text), `t` (ms UTC; null where the time could not be read) and
`v` (null where a value is missing, NaN where it is no number), all meters
contiguous and each in the order of time; further columns travel along.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

import polars as pl

from model_export.cleaning_report import Counts, MeterFindings
from wattline.intervals import HOUR_MS
from wattline.quantities import MAX_KWH_PER_HOUR, MAX_M3_PER_HOUR, Kind, quantity

DAY_MS: Final = 24 * HOUR_MS
SHORTEST_DAYS: Final = 28.0
"""The four weeks that features look back on: a shorter series never shows a whole one."""

OWN_BOUND: Final = 1_000.0
"""More than this multiple of what a meter exceeds in one of a hundred intervals is no consumption ..."""
HOUSE_SHARE: Final = 0.01
"""... if it is also more than a house connection: this share of the largest believable rate (100 kW, a G4 gas meter).
So the first use of a flat that stood empty stays."""
LARGE_BOUND: Final = 10.0
"""Beyond the largest believable rate (10 MW) this multiple is enough. A campus that always draws more stays."""
MOST_LARGE: Final = 1_000.0
"""Beyond this multiple of it (10 GW, a large country's use) even a meter that says so always is not believed: one such
meter would spoil a model for all."""
MOST_KEPT: Final = 1e6
"""Beyond this multiple (10 TW) not even a spike that is to be found stays: no feature can be made of it."""
RARE: Final = 0.99
_GRID_SLACK: Final = 2
"""Sampled values come with jitter: only a distance of more than two steps between them is a gap."""


class Rules(NamedTuple):
    """What is expected of the rows.

    Attributes:
        quantity: What the values are.
        interval_ms: Length of the intervals wanted; amounts must not be coarser.
        step_ms: Distance of the rows in time; 0 to take each meter's own median distance.
        shortest_days: Meters with fewer days of data are excluded.
        keep_impossible: Whether negative and impossible values stay, only counted. They do for evaluation: a spike
            may be just the fault that is to be found. Beyond `MOST_KEPT` they never stay: no feature can be made.
    """

    quantity: str
    interval_ms: int
    step_ms: int = 0
    shortest_days: float = SHORTEST_DAYS
    keep_impossible: bool = False


class Cleaned(NamedTuple):
    """What is left of raw rows.

    Attributes:
        rows: Columns `meter`, `t`, `v`, `step` and those that travelled along: finite, distinct, in time order, only
            of meters that are not excluded.
        findings: What was found, of every meter of the raw rows.
    """

    rows: pl.DataFrame
    findings: tuple[MeterFindings, ...]


def clean(rows: pl.DataFrame, rules: Rules) -> Cleaned:
    """Leave out what cannot be used, and count it."""
    kind = quantity(rules.quantity).kind
    counted = [_unreadable(rows)]
    usable = rows.filter(pl.col("t").is_not_null() & pl.col("v").is_finite())
    usable = _counted(usable, _DUPLICATES, counted)
    usable = _with_step(usable, rules)
    if kind is Kind.AMOUNT:
        usable = _counted(_on_phase(usable, counted), _OFF_GRID, counted)
    usable = _counted(_judged(usable, rules.quantity), _implausible(kind, rules), counted)
    counted.append(_extent(usable, kind))
    table = counted[0]
    for more in counted[1:]:
        table = table.join(more, on="meter", how="left", maintain_order="left")
    findings = tuple(_findings(row, rules, kind) for row in table.fill_null(0).iter_rows(named=True))
    return Cleaned(_without(usable, {one.meter for one in findings if one.excluded}), findings)


class _Flags(NamedTuple):
    """Conditions by the name of their count, and the condition to leave a row out."""

    counts: dict[str, pl.Expr]
    leave_out: pl.Expr


_OFF_GRID: Final = _Flags({"off_grid": pl.col("off_grid")}, pl.col("off_grid"))
_SAME_METER: Final = pl.col("meter") == pl.col("meter").shift()
_AGAIN: Final = (_SAME_METER & (pl.col("t") == pl.col("t").shift())).fill_null(value=False)
_EQUAL: Final = pl.col("v") == pl.col("v").shift()
# Of rows with one time, the last that was sent stays.
_DUPLICATES: Final = _Flags(
    {"duplicates_equal": _AGAIN & _EQUAL, "duplicates_conflicting": _AGAIN & ~_EQUAL},
    _AGAIN.shift(-1, fill_value=False),
)


def _counted(rows: pl.DataFrame, flags: _Flags, counted: list[pl.DataFrame]) -> pl.DataFrame:
    """The rows that no flag leaves out; the flags' counts per meter go to `counted`."""
    marked = rows.with_columns(**flags.counts, _leave_out=flags.leave_out.fill_null(value=False))
    sums = pl.any_horizontal(*flags.counts)
    flagged = marked.filter(sums)
    if len(flagged):
        counted.append(flagged.group_by("meter", maintain_order=True).agg(pl.col(*flags.counts).sum()))
    if marked["_leave_out"].any():
        marked = marked.filter(~pl.col("_leave_out"))
    return marked.drop("_leave_out", *flags.counts, *(name for name in _MARKS if name in marked.columns))


_MARKS: Final = ("_bound", "_rate")


def _unreadable(rows: pl.DataFrame) -> pl.DataFrame:
    timed, value = pl.col("t").is_not_null(), pl.col("v")
    return rows.group_by("meter", maintain_order=True).agg(
        rows=pl.len(),
        bad_times=(~timed).sum(),
        missing=(timed & value.is_null()).sum(),
        not_numbers=(timed & ~value.is_finite()).sum(),
    )


def _with_step(rows: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """Adds `step`, the usual distance of a meter's rows in ms; that of the intervals wanted for a single row."""
    if rules.step_ms:
        return rows.with_columns(step=pl.lit(rules.step_ms, pl.Int64))
    distance = pl.when(_SAME_METER).then(pl.col("t").diff())
    steps = rows.with_columns(_distance=distance).group_by("meter").agg(step=pl.col("_distance").median())
    steps = steps.with_columns(pl.col("step").fill_null(rules.interval_ms).cast(pl.Int64))
    return rows.join(steps, on="meter", how="left", maintain_order="left")


def _on_phase(rows: pl.DataFrame, counted: list[pl.DataFrame]) -> pl.DataFrame:
    """Marks times off a meter's grid as `off_grid`; a grid that is off as a whole is shifted onto the epoch's."""
    off = (pl.col("t") % pl.col("step")).alias("_phase")
    marked = rows.with_columns(off)
    astray = marked.filter(pl.col("_phase") != 0)["meter"].unique()
    if astray.is_empty():
        return marked.drop("_phase").with_columns(off_grid=pl.lit(value=False))
    phases = marked.filter(pl.col("meter").is_in(astray.implode())).group_by("meter")
    grid = phases.agg(_grid=pl.col("_phase").mode().min())
    marked = marked.join(grid, on="meter", how="left", maintain_order="left").with_columns(pl.col("_grid").fill_null(0))
    shifted = marked.filter((pl.col("_grid") != 0) & (pl.col("_phase") == pl.col("_grid")))
    if len(shifted):
        counted.append(shifted.group_by("meter", maintain_order=True).agg(shifted=pl.len()))
    off_grid = pl.col("_phase") != pl.col("_grid")
    return marked.with_columns(t=pl.col("t") - pl.col("_grid"), off_grid=off_grid).drop("_phase", "_grid")


def largest_rate(name: str) -> float:
    """The largest believable rate of a quantity, per hour or in its own unit; infinite where none is stated."""
    known = quantity(name)
    if known.max_per_hour:
        return known.max_per_hour
    if known.integral_per_hour:
        return MAX_KWH_PER_HOUR / known.integral_per_hour
    if known.kind is Kind.AMOUNT:
        return {"kwh": MAX_KWH_PER_HOUR, "m3": MAX_M3_PER_HOUR}.get(name.rsplit("_", 1)[-1], float("inf"))
    return float("inf")


def _judged(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    """Adds `_rate` and, for gauges and amounts, `_bound`: the value that the meter cannot reach."""
    kind, most = quantity(name).kind, largest_rate(name)
    hours = pl.col("step") / HOUR_MS
    if kind is Kind.COUNTER:
        grown = pl.when(_SAME_METER).then(pl.col("v").diff() * HOUR_MS / pl.col("t").diff())
        return rows.with_columns(_bound=pl.lit(most), _rate=grown)
    rate = pl.col("v") / hours if kind is Kind.AMOUNT else pl.col("v")
    rated = rows.with_columns(_rate=rate)
    peaks = rated.filter(pl.col("_rate").abs() > most * HOUSE_SHARE)["meter"].unique()
    size = pl.col("_rate") if kind is Kind.AMOUNT else pl.col("_rate").abs()
    rare = size.quantile(RARE, interpolation="lower").clip(0.0)
    bounds = rated.filter(pl.col("meter").is_in(peaks.implode())).group_by("meter").agg(_rare=rare)
    own = pl.max_horizontal(pl.col("_rare") * OWN_BOUND, pl.lit(most * HOUSE_SHARE))
    large = pl.max_horizontal(pl.col("_rare") * LARGE_BOUND, pl.lit(most))
    bounds = bounds.select("meter", _bound=pl.min_horizontal(own, large, pl.lit(most * MOST_LARGE)))
    return rated.join(bounds, on="meter", how="left", maintain_order="left")


def _implausible(kind: Kind, rules: Rules) -> _Flags:
    """A register that goes back or leaps stays: the next reading counts from there, as on the edge."""
    rate, never = pl.col("_rate"), pl.lit(value=False)
    beyond = (rate.abs() > pl.col("_bound")).fill_null(value=False)
    if kind is Kind.COUNTER:
        back = (rate < 0).fill_null(value=False)
        return _Flags({"rolled_back": back, "impossible": beyond & ~back}, never)
    absurd = rate.abs() > largest_rate(rules.quantity) * MOST_KEPT
    if kind is Kind.GAUGE:
        return _Flags({"impossible": beyond}, absurd if rules.keep_impossible else beyond)
    negative = (rate < 0).fill_null(value=False)
    left_out = absurd if rules.keep_impossible else negative | beyond
    return _Flags({"negative": negative, "impossible": beyond & ~negative}, left_out)


def _extent(rows: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    """Per meter: how much is kept, how long it is, what is missing within."""
    distance = pl.when(_SAME_METER).then(pl.col("t").diff())
    usual = pl.col("step") * (1 if kind is Kind.AMOUNT else _GRID_SLACK)
    lost = pl.when(distance > usual).then(distance - pl.col("step"))
    grouped = rows.select("meter", "t", "v", "step", _lost=lost).group_by("meter", maintain_order=True)
    lowest, highest = pl.col("v").min(), pl.col("v").max()
    return grouped.agg(
        kept=pl.len(),
        gaps=pl.col("_lost").count(),
        gap_hours=pl.col("_lost").sum() / HOUR_MS,
        _step=pl.col("step").first(),
        _covered=pl.col("t").last() - pl.col("t").first() + pl.col("step").first() - pl.col("_lost").sum(),
        _constant=lowest == highest,
    )


def _findings(row: dict[str, float], rules: Rules, kind: Kind) -> MeterFindings:
    """One row of all counts, and whether the meter is left out whole."""
    numbers = {name: row[name] for name in Counts.__dataclass_fields__ if name in row}
    counts = Counts(**numbers)  # type: ignore[arg-type]  # the frame's columns have the fields' types
    return MeterFindings(str(row["meter"]), counts, *_exclusion(row, rules, kind))


def _exclusion(row: dict[str, float], rules: Rules, kind: Kind) -> tuple[str, str]:
    """The reason to leave a meter out, and its circumstances; twice "" for none."""
    step_ms, days = int(row["_step"]), row["_covered"] / DAY_MS
    if not row["meter"]:
        return "no_meter", f"{row['rows']} rows name no meter"
    if not row["kept"]:
        return "no_values", f"none of {row['rows']} rows has a time and a number"
    if kind is not Kind.GAUGE and step_ms > rules.interval_ms:
        asked = f"intervals of {rules.interval_ms / 60_000:g} min"
        return "too_coarse", f"a value every {step_ms / 60_000:g} min is too coarse for {asked}"
    if days < rules.shortest_days:
        return "too_short", f"{days:.1f} days of data, fewer than {rules.shortest_days:g}"
    if row["_constant"] and row["kept"] > 1:
        return "constant", f"the same value in all {row['kept']} rows"
    return "", ""


def _without(rows: pl.DataFrame, meters: Iterable[str]) -> pl.DataFrame:
    left_out = list(meters)
    return rows.filter(~pl.col("meter").is_in(left_out)) if left_out else rows
