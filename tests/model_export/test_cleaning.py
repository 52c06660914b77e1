"""Every row that is left out is counted, and nothing real is taken for a flaw."""

import math
from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_export.cleaning import Cleaned, Rules, clean, largest_rate
from model_export.cleaning_report import CleaningReport, Counts, MeterFindings

HALF_HOUR = 1_800_000
DAY = 86_400_000
T0 = 1_700_006_400_000 // DAY * DAY
Row = tuple[str, int | None, float | None]


def half_hours(values: Sequence[float | None], meter: str = "a", start_ms: int = T0) -> list[Row]:
    return [(meter, start_ms + i * HALF_HOUR, value) for i, value in enumerate(values)]


def cleaned(
    rows: Sequence[Row],
    quantity: str = "energy_kwh",
    *,
    shortest_days: float = 0.0,
    keep_impossible: bool = False,
) -> Cleaned:
    frame = pl.DataFrame(rows, schema={"meter": pl.String, "t": pl.Int64, "v": pl.Float64}, orient="row")
    rules = Rules(quantity, HALF_HOUR, shortest_days=shortest_days, keep_impossible=keep_impossible)
    return clean(frame, rules)


def found(rows: Sequence[Row], quantity: str = "energy_kwh") -> dict[str, float]:
    [one] = cleaned(rows, quantity).findings
    return {name: count for name, count in one.counts.found().items() if name not in {"rows", "kept"}}


HOUSE = [0.1, 0.2, 0.3, 0.5] * 30
REGISTER = [100.0 + 0.2 * i for i in range(40)]


@pytest.mark.parametrize(
    ("flaw", "rows", "counts"),
    [
        ("nothing", half_hours(HOUSE), {}),
        ("a value is missing", half_hours([*HOUSE, None, 0.1]), {"missing": 1, "gaps": 1, "gap_hours": 0.5}),
        ("a value is no number", half_hours([*HOUSE, math.nan]), {"not_numbers": 1}),
        ("a time cannot be read", [*half_hours(HOUSE), ("a", None, 1.0)], {"bad_times": 1}),
        ("rows were sent twice", [*half_hours(HOUSE), *half_hours(HOUSE)[-1:]], {"duplicates_equal": 1}),
        ("rows contradict", [*half_hours(HOUSE), ("a", T0 + 119 * HALF_HOUR, 9.0)], {"duplicates_conflicting": 1}),
        ("a value and none", [*half_hours(HOUSE), ("a", T0 + 119 * HALF_HOUR, None)], {"missing": 1}),
        ("an odd second", [*half_hours(HOUSE), ("a", T0 + 119 * HALF_HOUR + 1000, 0.1)], {"off_grid": 1}),
        ("half a day away", half_hours(HOUSE) + half_hours(HOUSE, start_ms=T0 + 3 * DAY), {"gaps": 1, "gap_hours": 12}),
        ("negative consumption", half_hours([*HOUSE, -0.1]), {"negative": 1}),
        ("a megawatt in a flat", half_hours([*HOUSE, 1_000.0]), {"impossible": 1}),
        ("gigawatts", half_hours([*HOUSE, 1e9, -1e9]), {"negative": 1, "impossible": 1}),
        ("an oven, in a flat that stood empty", half_hours([0.001] * 500 + [2.5]), {}),
        ("a spike of 40 times", half_hours([*HOUSE, 20.0]), {}),
        ("a meter that always speaks of absurd sizes", half_hours(HOUSE + [1e300, 1e22] * 40), {"impossible": 80}),
        ("a campus that always draws 20 MW", half_hours([10_000.0, 11_000.0, 12_000.0] * 20), {}),
    ],
)  # fmt: skip
def test_flaws_are_counted(flaw: str, rows: list[Row], counts: dict[str, float]) -> None:
    assert found(rows) == counts, flaw


@pytest.mark.parametrize(
    ("quantity", "values", "counts"),
    [
        ("energy_import_kwh", REGISTER, {}),
        ("energy_import_kwh", [*REGISTER, 3.0, 3.2], {"rolled_back": 1}),
        ("energy_import_kwh", [*REGISTER, 1e6], {"impossible": 1}),
        ("power_w", [-2000.0, 500.0, 300.0], {}),
        ("power_w", [500.0, 300.0, 400.0, 1e9], {"impossible": 1}),
        ("temperature_c", [20.0, -10.0, 1e9], {}),
    ],
)
def test_each_kind_of_quantity_has_flaws_of_its_own(
    quantity: str, values: list[float], counts: dict[str, float]
) -> None:
    assert found(half_hours(values), quantity) == counts


def test_of_contradicting_rows_the_last_sent_is_kept() -> None:
    rows = [("a", T0, 1.0), ("a", T0, 2.0), ("a", T0 + HALF_HOUR, 3.0)]
    assert cleaned(rows).rows["v"].to_list() == [2.0, 3.0]


def test_for_evaluation_faults_stay_and_are_only_counted() -> None:
    rows = half_hours([*HOUSE, 1_000.0, -1.0, 0.2])
    assert len(cleaned(rows).rows) == len(rows) - 2
    kept = cleaned(rows, keep_impossible=True)
    assert len(kept.rows) == len(rows)
    assert kept.findings[0].counts.found() == {"rows": 123, "kept": 123, "negative": 1, "impossible": 1}


def test_not_even_for_evaluation_stays_what_no_feature_can_be_made_of() -> None:
    kept = cleaned(half_hours([*HOUSE, 1e300, -1e300, 1_000.0]), keep_impossible=True)
    assert len(kept.rows) == len(HOUSE) + 1
    assert kept.findings[0].counts.found() | {"gaps": 0, "gap_hours": 0} == {
        "rows": 123, "kept": 121, "negative": 1, "impossible": 2, "gaps": 0, "gap_hours": 0,
    }  # fmt: skip


def test_a_grid_of_the_meters_own_is_moved_onto_the_clocks() -> None:
    late = [(meter, t + 300_000 if t else t, v) for meter, t, v in half_hours(HOUSE)]
    result = cleaned([*late, ("a", T0 + 200 * HALF_HOUR, 1.0)])
    assert (result.rows["t"] % HALF_HOUR == 0).all()
    assert result.findings[0].counts.found() == {"rows": 121, "kept": 120, "shifted": 120, "off_grid": 1}


@pytest.mark.parametrize(
    ("rows", "reason", "detail"),
    [
        (half_hours([None] * 100), "no_values", "none of 100 rows"),
        (half_hours([math.nan] * 100), "no_values", "none of 100 rows"),
        (half_hours([0.5] * 48 * 40), "constant", "the same value in all 1920 rows"),
        (half_hours(HOUSE * 6), "too_short", "15.0 days of data, fewer than 28"),
        ([("a", T0 + i * DAY, 1.0 + i) for i in range(50)], "too_coarse", "a value every 1440 min"),
        (half_hours(HOUSE * 12, meter=""), "no_meter", "1440 rows name no meter"),
        (half_hours(HOUSE * 12), "", ""),
    ],
)
def test_meters_that_teach_nothing_are_left_out_with_the_reason(rows: list[Row], reason: str, detail: str) -> None:
    result = cleaned([*rows, *half_hours(HOUSE * 12, meter="good")], shortest_days=28.0)
    first = result.findings[0]
    assert first.excluded == reason
    assert detail in first.detail
    assert set(result.rows["meter"].to_list()) == ({"good"} if reason else {"a", "good"})


def test_a_long_silence_does_not_make_a_series_long() -> None:
    rows = half_hours(HOUSE * 4) + half_hours(HOUSE * 4, start_ms=T0 + 300 * DAY)
    assert cleaned(rows, shortest_days=28.0).findings[0].detail == "20.0 days of data, fewer than 28"


_VALUE = st.one_of(st.none(), st.just(math.nan), st.floats(-1e12, 1e12), st.sampled_from([0.1, 0.2]))
_TIME = st.one_of(st.none(), st.integers(0, 60).map(lambda i: T0 + i * HALF_HOUR // 2))


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), _TIME, _VALUE), max_size=60))
def test_rows_are_kept_or_counted_whatever_they_are(rows: list[Row]) -> None:
    ordered = sorted(rows, key=lambda row: (row[0], row[1] or 0))
    result = cleaned(ordered)
    total = CleaningReport("", result.findings).total
    assert total.rows == len(rows)
    lost = total.bad_times + total.missing + total.not_numbers + total.duplicates_equal
    lost += total.duplicates_conflicting + total.off_grid + total.negative + total.impossible
    assert total.kept == total.rows - lost
    assert (
        result.rows.group_by("meter").agg(pl.col("t").is_duplicated().any()).select(pl.col("t").any()).item()
        is not True
    )
    assert result.rows["v"].is_finite().all()


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("energy_import_kwh", 10_000.0),
        ("energy_kwh", 10_000.0),
        ("power_w", 10_000_000.0),
        ("gas_used_m3", 650.0),
        ("voltage_v", math.inf),
    ],
)
def test_the_largest_believable_rate_goes_by_the_unit(name: str, most: float) -> None:
    assert largest_rate(name) == most


def test_a_report_adds_up_and_names_what_is_left_out() -> None:
    meters = (
        MeterFindings("a", Counts(rows=10, kept=9, missing=1)),
        MeterFindings("b", Counts(rows=2_000, kept=2_000, gap_hours=1.5), "constant", "the same value"),
        MeterFindings("c", Counts(rows=1), "no_values", "none"),
    )
    report = CleaningReport("london", meters, ("readme.csv",), labels_unmatched=3, labels_without_reading=2)
    assert report.total == Counts(rows=2_011, kept=2_009, missing=1, gap_hours=1.5)
    assert report.reasons == {"constant": 1, "no_values": 1}
    assert report.as_dict()["excluded"][0] == {"meter": "b", "reason": "constant", "detail": "the same value"}
    assert report.lines(most_exclusions=1) == [
        "london: 1 of 3 meters",
        "rows: 2,011",
        "kept: 2,009",
        "missing: 1",
        "gap hours: 1.5",
        "left out b: the same value",
        "left out 1 more meters (constant: 1, no values: 1)",
        "not read, of another layout: readme.csv",
        "labels that speak of no reading: 3",
        "anomalies labelled where there is no reading: 2",
    ]
