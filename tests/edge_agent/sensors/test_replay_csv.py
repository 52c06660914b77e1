"""What a table's columns mean, and which of its rows are readings."""

import pytest

from edge_agent.sensors.replay_csv import WEEK_MS, RowReader, TableError, TimeReader, Wanted, shift_ms, understand
from wattline.reading import Reading

HALF_HOUR_MS = 1_800_000
LONDON = ["LCLid,tstp,energy(kWh/hh)", "MAC1,2013-01-01 00:00:00, 0.2 ", "MAC1,2013-01-01 00:30:00, 0.3 "]


def readings(lines: list[str], wanted: Wanted) -> tuple[list[Reading], dict[str, int]]:
    layout = understand(lines, wanted)
    reader = RowReader("m", layout, TimeReader(wanted.time_format, wanted.zone))
    return list(reader.readings(lines[1:])), {reason: n for reason, n in reader.bad.items() if n}


def iso_ms(text: str) -> int:
    return TimeReader("auto", "UTC").t_ms(text)


def test_a_london_home_speaks_for_itself() -> None:
    found, bad = readings(LONDON, Wanted())
    assert found == [
        Reading("m", iso_ms("2013-01-01T00:00Z"), {"energy_kwh": 0.2}, HALF_HOUR_MS),
        Reading("m", iso_ms("2013-01-01T00:30Z"), {"energy_kwh": 0.3}, HALF_HOUR_MS),
    ]
    assert bad == {}


@pytest.mark.parametrize(
    ("header", "row", "wanted", "values"),
    [
        ("timestamp,power_w", "2016-01-01 00:00:00,5", Wanted(), {"power_w": 5.0}),
        ("time;gas_m3;voltage_v", "2016-01-01T00:00:00+01:00;5;230", Wanted(), {"gas_m3": 5.0, "voltage_v": 230.0}),
        ("t\tvalue", "2016-01-01\t7", Wanted(quantity="power_w"), {"power_w": 7.0}),
        ("t,a,b", "2016-01-01,7,8", Wanted(value_column="a", quantity="power_w"), {"power_w": 7.0}),
        ("t,a,b", "2016-01-01,7,8", Wanted(columns={"b": "power_w", "a": "gas_m3"}), {"power_w": 8.0, "gas_m3": 7.0}),
        ("epoch,Power [W]", "1700000000,7", Wanted(time_format="epoch_s"), {"power_w": 7.0}),
        ("day,power_w", "31.12.2016 10:00,7", Wanted(time_format="%d.%m.%Y %H:%M"), {"power_w": 7.0}),
    ],
)
def test_columns_are_understood(header: str, row: str, wanted: Wanted, values: dict[str, float]) -> None:
    found, _ = readings([header, row], wanted)
    assert [reading.values for reading in found] == [values]


@pytest.mark.parametrize(
    ("lines", "wanted", "problem"),
    [
        ([], Wanted(), "empty"),
        (["a,b", "x,y"], Wanted(), "no column holds times"),
        (["t,b", "2016-01-01,7"], Wanted(), "set options.value_column and options.quantity"),
        (["t,b", "2016-01-01,7"], Wanted(value_column="c"), "no column 'c'; there are t, b"),
        (["t,b", "2016-01-01,7"], Wanted(time_column="c"), "no column 'c'"),
        (["t,b", "2016-01-01,7"], Wanted(quantity="happiness"), "'happiness' is no quantity"),
        (["t,energy_kwh", "2016-01-01,7"], Wanted(), "set options.interval"),
    ],
)
def test_what_is_not_clear_says_which_option_helps(lines: list[str], wanted: Wanted, problem: str) -> None:
    with pytest.raises(TableError, match=problem.replace("(", r"\(")):
        understand(lines, wanted)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("MAC1,2013-01-01 01:00:00, Null ", "value"),
        ("MAC1,2013-01-01 01:00:00,", "value"),
        ("MAC1,2013-01-01 01:00:00,inf", "value"),
        ("MAC1,2013-01-01 00:30:00, 0.3 ", "repeated"),
        ("MAC1,2013-01-01 00:00:00, 0.3 ", "repeated"),
        ("MAC1,once upon a time, 0.3 ", "time"),
        ("MAC1,2013-01-01 01:00:00", "short"),
    ],
)
def test_a_bad_row_is_left_out_and_counted(row: str, reason: str) -> None:
    found, bad = readings([*LONDON, row, "MAC1,2013-01-01 02:00:00, 0.4 "], Wanted())
    assert [reading.values["energy_kwh"] for reading in found] == [0.2, 0.3, 0.4]
    assert bad == {reason: 1}


def test_the_interval_is_the_most_frequent_distance_or_given() -> None:
    lines = ["t,energy_kwh", *(f"2016-01-01 {hour:02}:00:00,1" for hour in (0, 1, 2, 5, 6))]
    assert understand(lines, Wanted()).interval_ms == 3_600_000
    assert understand(lines, Wanted(interval_ms=900_000)).interval_ms == 900_000
    assert understand(["t,power_w", *lines[1:]], Wanted()).interval_ms == 0


def test_local_times_through_both_changes_of_the_clock() -> None:
    spring = ["t,power_w", "2016-03-27 01:30:00,1", "2016-03-27 02:30:00,2", "2016-03-27 03:30:00,3"]
    found, bad = readings(spring, Wanted(zone="Europe/Brussels"))
    assert [r.t_ms for r in found] == [iso_ms("2016-03-27T00:30Z"), iso_ms("2016-03-27T01:30Z")]
    assert bad == {"time": 1}
    autumn = ["t,power_w", "2016-10-30 02:30:00,1", "2016-10-30 02:30:00,2", "2016-10-30 03:30:00,3"]
    found, bad = readings(autumn, Wanted(zone="Europe/Brussels"))
    assert [r.t_ms for r in found] == [iso_ms(f"2016-10-30T{hour:02}:30Z") for hour in (0, 1, 2)]
    assert bad == {}


NOW = iso_ms("2026-11-20T12:00Z")
FIRST, LAST = iso_ms("2013-01-01"), iso_ms("2014-01-01")


def test_a_shift_is_whole_weeks_and_ends_in_the_past_week() -> None:
    shift = shift_ms(FIRST, LAST, NOW, 0)
    assert shift % WEEK_MS == 0
    assert NOW - WEEK_MS < LAST + shift <= NOW


def test_a_shift_with_a_history_leaves_the_rest_to_be_played_live() -> None:
    history_ms = 2 * WEEK_MS
    shift = shift_ms(FIRST, LAST, NOW, history_ms)
    assert NOW - history_ms - WEEK_MS < FIRST + shift <= NOW - history_ms
    assert LAST + shift > NOW


def test_a_history_longer_than_the_data_is_all_there_is() -> None:
    assert shift_ms(FIRST, LAST, NOW, 1_000 * WEEK_MS) == shift_ms(FIRST, LAST, NOW, 0)
