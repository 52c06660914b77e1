"""Meters that fall silent and registers that go back: told once, and only when it is the meter's doing."""

import csv
import gzip
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from edge_agent.live_rules import LiveRules, counter_step
from wattline.reading import Reading
from wattline.wire import Event

T0 = 1_700_000_000_000
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def rules(*meters: str) -> LiveRules:
    return LiveRules(lambda _meter: 15 * MINUTE, meters=meters)


def reading(t_ms: int, meter: str = "m", **values: float) -> Reading:
    return Reading(meter, t_ms, values or {"power_w": 300.0})


def arrive(live: LiveRules, times: Sequence[int], meter: str = "m") -> list[Event]:
    """Readings that come as soon as they are taken, with a look at the clock each minute between them."""
    events, now_ms = [], times[0]
    for t_ms in times:
        events += wait(live, now_ms, t_ms)
        live.add([reading(t_ms, meter)])
        events += live.events(t_ms)
        now_ms = t_ms
    return events


def wait(live: LiveRules, from_ms: int, to_ms: int) -> list[Event]:
    """Only the clock goes on."""
    return [event for now_ms in range(from_ms, to_ms, MINUTE) for event in live.events(now_ms)]


def kinds(events: Sequence[Event]) -> list[tuple[str, int]]:
    """Kind, and minutes since `T0`."""
    return [(event.kind, (event.t - T0) // MINUTE) for event in events]


def every(distance_ms: int, n: int, from_ms: int = T0) -> list[int]:
    return [from_ms + i * distance_ms for i in range(n)]


def test_silence_is_told_once_while_it_lasts_and_once_when_it_ends() -> None:
    live = rules()
    assert arrive(live, every(MINUTE, 30)) == []
    silent = wait(live, T0 + 29 * MINUTE, T0 + 300 * MINUTE)
    back = arrive(live, every(MINUTE, 5, T0 + 300 * MINUTE))
    assert kinds(silent) == [("meter_silent", 45)]
    assert kinds(back) == [("meter_back", 300)]
    assert silent[0].reason == "no reading for 16 min, usually one within 60 s"
    assert back[0].reason == "readings again after 4.5 h"
    assert [(event.detector, event.score, event.threshold) for event in silent + back] == [
        ("rule-silent", 1.0, 1.0),
        ("rule-silent", 0.0, 1.0),
    ]


@pytest.mark.parametrize(
    ("distance_ms", "silence_ms", "told"),
    [
        (1_000, 14 * MINUTE, []),
        (1_000, 20 * MINUTE, ["meter_silent"]),
        (30 * MINUTE, 80 * MINUTE, []),
        (30 * MINUTE, 100 * MINUTE, ["meter_silent"]),
        (DAY, 2 * DAY, []),
        (DAY, 4 * DAY, ["meter_silent"]),
    ],
)
def test_silence_is_measured_by_the_distance_that_is_usual(distance_ms: int, silence_ms: int, told: list[str]) -> None:
    live = rules()
    last_ms = T0 + 19 * distance_ms
    assert arrive(live, every(distance_ms, 20)) == []
    assert [event.kind for event in wait(live, last_ms, last_ms + silence_ms)] == told


def test_a_long_outage_does_not_deafen() -> None:
    live = rules()
    arrive(live, every(MINUTE, 60))
    arrive(live, every(MINUTE, 60, T0 + 5 * DAY))
    last_ms = T0 + 5 * DAY + 59 * MINUTE
    assert kinds(wait(live, last_ms, last_ms + HOUR)) == [("meter_silent", (last_ms - T0) // MINUTE + 24)]


def test_a_history_read_at_once_does_not_make_slow_readings_strange() -> None:
    live = rules()
    for chunk in range(10):
        live.add([reading(t_ms) for t_ms in every(30 * MINUTE, 50, T0 - DAY * 30 + chunk * 50 * 30 * MINUTE)])
        live.events(T0 + chunk * 100)
    assert arrive(live, every(30 * MINUTE, 10, T0 + 10 * MINUTE)) == []


def test_an_expected_meter_that_never_sends_is_told_after_hours() -> None:
    live = rules("dead")
    told = wait(live, T0, T0 + DAY)
    assert kinds(told) == [("meter_silent", 181)]
    assert told[0].meter == "dead"
    assert told[0].reason == "no reading for 3.0 h"
    assert [event.reason for event in arrive(live, [T0 + DAY], "dead")] == ["readings again after 24.0 h"]


def test_a_clock_that_is_set_makes_nobody_silent() -> None:
    live = rules("never")
    arrive(live, every(MINUTE, 10))
    live.clock_set(3 * DAY)
    assert live.events(T0 + 3 * DAY + 11 * MINUTE) == []
    assert live.events(5_000) == []


@pytest.mark.parametrize("first_ms", [10_000, 946_684_900_000, T0 - 400 * DAY], ids=["1970", "2000", "a year ago"])
def test_a_clock_that_begins_long_ago_and_is_set_does_not_deafen(first_ms: int) -> None:
    live = rules("m")
    arrive(live, [first_ms])
    live.clock_set(T0 - first_ms)
    assert arrive(live, every(MINUTE, 30 * 24 * 60)) == []
    assert [event.kind for event in wait(live, T0 + 30 * DAY, T0 + 32 * DAY)] == ["meter_silent"]


def test_a_meter_can_be_left_out() -> None:
    live = LiveRules(lambda meter: float("inf") if meter == "boat" else 15 * MINUTE, meters=["boat"])
    arrive(live, every(MINUTE, 5), "boat")
    assert wait(live, T0, T0 + 30 * DAY) == []


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([100.0, 100.1, 100.1, 100.2], []),
        ([100.0, 95.0, 95.1], [("counter_rollback", 1)]),
        ([8_000.0, 12.5, 8_000.1, 8_000.2], [("counter_rollback", 1)]),
        ([8_000.0, 12.5] * 20, [("counter_rollback", 1)]),
        ([8_000.0, 12.5] * 40, [("counter_rollback", 1), ("counter_rollback", 61)]),
        ([99_999.8, 0.3, 0.4], [("counter_rollover", 1)]),
        ([5_000.0, 0.0, 0.1], [("counter_rollback", 1)]),
        ([100.0, 90_000.0, 90_000.1], [("counter_jump", 1)]),
        ([100.0, 90_000.0, 100.1], [("counter_jump", 1)]),
        ([1e6, 1e6 - 0.06, 1e6], []),
        ([100.0, float("nan"), 100.1], []),
        ([100.0, float("inf"), 100.1, 1e15], []),
        ([float("nan"), 0.0, 5_000.0], [("counter_jump", 2)]),
    ],
    ids=[
        "grows",
        "corrected",
        "one wrong reading",
        "flapping",
        "flapping for more than an hour",
        "rolled over",
        "replaced",
        "jumps",
        "one wrong reading upwards",
        "single precision",
        "no number",
        "no end",
        "first a gap",
    ],
)
def test_a_register_only_grows(values: list[float], found: list[tuple[str, int]]) -> None:
    live = rules()
    live.add([reading(T0 + i * MINUTE, energy_import_kwh=value) for i, value in enumerate(values)])
    assert kinds(live.events(T0 + len(values) * MINUTE)) == found


@pytest.mark.parametrize(
    ("name", "before", "value", "passed_ms", "kind", "why"),
    [
        ("gas_m3", 812.4, 807.1, HOUR, "counter_rollback", "went back by 5.3: gas_m3 from 812.4 to 807.1"),
        ("gas_m3", 512.4, 0.1, HOUR, "counter_rollback", "began again, a replaced or reset meter: gas_m3 from 512.4"),
        ("gas_m3", 9999.9, 0.4, HOUR, "counter_rollover", "rolled over at 10000: gas_m3 from 9999.9 to 0.4"),
        ("gas_m3", 10.0, 700.0, HOUR, "counter_jump", "implausible jump: gas_m3 from 10 to 700"),
        ("gas_m3", 10.0, 700.0, 2 * HOUR, "", ""),
        ("gas_m3", 10.0, 20.0, 1000, "", ""),
    ],
)
def test_a_reason_says_from_where_to_where(
    name: str, before: float, value: float, passed_ms: int, kind: str, why: str
) -> None:
    found = counter_step(name, before, value, passed_ms)
    assert found[0] == kind
    assert found[1].startswith(why)


def test_readings_that_arrive_late_or_twice_are_no_roll_back() -> None:
    live = rules()
    in_order = [reading(T0 + i * MINUTE, energy_import_kwh=100.0 + i) for i in range(50)]
    shuffled = np.random.default_rng(1).permutation(50).tolist()
    live.add([in_order[i] for i in shuffled] + in_order)
    assert live.events(T0 + HOUR) == []


def test_registers_that_fall_together_are_one_event() -> None:
    live = rules()
    live.add(
        [reading(T0, energy_import_kwh=500.0, gas_m3=40.0), reading(T0 + 1000, energy_import_kwh=1.0, gas_m3=30.0)]
    )
    [event] = live.events(T0 + 2000)
    assert "energy_import_kwh from 500 to 1" in event.reason
    assert "gas_m3 from 40 to 30" in event.reason
    assert (event.detector, event.score) == ("rule-rollback", 1.0)


def test_a_time_that_cannot_be_believed_blocks_nothing() -> None:
    live = rules()
    live.add([reading(T0, energy_import_kwh=100.0), reading(T0 + 400 * DAY, energy_import_kwh=50.0)])
    assert live.events(T0 + MINUTE) == []
    live.add([reading(T0 + 2 * MINUTE, energy_import_kwh=40.0)])
    assert kinds(live.events(T0 + 3 * MINUTE)) == [("counter_rollback", 2)]


def test_real_registers_that_went_back_are_told(corpus: Path) -> None:
    with (corpus / "anomaly/spain_prime/non_monotonic_values.csv").open() as file:
        steps = {
            (f"{row['meterId']}-{name}-{row['timestamp']}", float(row[name]))
            for row in csv.DictReader(file)
            for name in ("R1a", "R4a")
        }
    live = rules()
    for meter, step in steps:
        daily = (20_000.0, 20_003.0, 20_003.0 + step, 20_007.0 + step)
        live.add([reading(T0 + i * DAY, meter, energy_import_kwh=value) for i, value in enumerate(daily)])
    fallen = {meter for meter, step in steps if step < 0}
    found = [(event.kind, event.meter, event.t) for event in live.events(T0 + 4 * DAY)]
    assert sorted(found) == sorted(("counter_rollback", meter, T0 + 2 * DAY) for meter in fallen)
    assert len(fallen) > 50


def test_a_real_register_in_the_order_of_its_file_or_in_none_is_left_alone(corpus: Path) -> None:
    with gzip.open(corpus / "anomaly/spain_prime/meter_data_CIR0141414821_S05.csv.gz", "rt") as file:
        rows = [(int(datetime.fromisoformat(row["timestamp"]).timestamp() * 1000), row) for row in csv.DictReader(file)]
    live = rules()
    for order in (range(len(rows)), np.random.default_rng(2).permutation(len(rows)).tolist()):
        live.add([reading(rows[i][0], energy_import_kwh=float(rows[i][1]["R4a"])) for i in order])
    assert live.events(max(t_ms for t_ms, _ in rows)) == []
    assert len(rows) == 600


def restarted(live: LiveRules, *meters: str) -> LiveRules:
    fresh = rules(*meters)
    fresh.restore(live.export())
    return fresh


def test_a_restart_after_weeks_is_no_burst_and_forgets_no_register() -> None:
    live = rules()
    for i in range(5):
        live.add([reading(T0 + i * MINUTE, f"m{n}", energy_import_kwh=100.0 + i) for n in range(20)])
        live.events(T0 + i * MINUTE)
    live = restarted(live)
    later_ms = T0 + 30 * DAY
    assert wait(live, later_ms, later_ms + 14 * MINUTE) == []
    live.add([reading(later_ms, f"m{n}", energy_import_kwh=20.0 if n == 7 else 150.0) for n in range(20)])
    assert [(event.kind, event.meter) for event in live.events(later_ms + 14 * MINUTE)] == [("counter_rollback", "m7")]
    silent = wait(live, later_ms + 14 * MINUTE, later_ms + HOUR)
    assert {event.kind for event in silent} == {"meter_silent"}
    assert len(silent) == 20


def test_a_silence_told_before_a_restart_is_not_told_again_but_its_end_is() -> None:
    live = rules("m")
    arrive(live, every(MINUTE, 10))
    assert len(wait(live, T0 + 10 * MINUTE, T0 + HOUR)) == 1
    live = restarted(live, "m")
    assert wait(live, T0 + 2 * HOUR, T0 + 5 * HOUR) == []
    assert kinds(arrive(live, [T0 + 5 * HOUR])) == [("meter_back", 300)]


def test_meters_that_were_taken_out_of_the_configuration_are_forgotten() -> None:
    live = rules("old", "kept")
    arrive(live, every(MINUTE, 5), "old")
    live = restarted(live, "kept")
    assert [event.meter for event in wait(live, T0 + DAY, T0 + 2 * DAY)] == ["kept"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda arrays: {**arrays, "meters": np.array([], np.str_)},
        lambda arrays: {**arrays, "numbers": arrays["numbers"] * np.nan},
        lambda arrays: {**arrays, "values": arrays["values"] + [[5.0, 0.0, 0.0]]},
        lambda arrays: {**arrays, "registers": np.array(["power_w"])},
        lambda arrays: {**arrays, "values": arrays["values"] * np.nan},
    ],
    ids=["no meters", "no numbers", "a register of no meter", "no register", "no values"],
)
def test_a_broken_memory_is_refused(spoil: Callable[[Mapping[str, object]], Mapping[str, object]]) -> None:
    live = rules()
    live.add([reading(T0, energy_import_kwh=1.0)])
    with pytest.raises(ValueError, match="memory of live rules"):
        rules().restore(spoil(live.export()))  # type: ignore[arg-type]


def test_memory_is_bounded() -> None:
    live = rules()
    live.add([reading(T0 + i, f"m{i}", energy_import_kwh=float(i)) for i in range(5_000)])
    assert len(live.export()["meters"]) == 4_096
    live.add([reading(T0 + DAY * (i + 1), "m0", energy_import_kwh=float(-i - 1)) for i in range(5_000)])
    assert len(live.events(T0 + DAY * 6_000)) <= 1_000
