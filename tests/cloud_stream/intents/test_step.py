"""Budgets, reductions, dear hours, the file, and what survives a restart: the step as the flow sees it."""

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cloud_stream.errors import StoreUnavailableError
from cloud_stream.intents.ports import Correlation, Edition, Past
from cloud_stream.intents.settings import IntentSettings
from cloud_stream.intents.step import IntentStep
from cloud_stream.intents.store_correlations import StoreCorrelations
from cloud_stream.intents.store_history import StoreHistory
from cloud_stream.measurements import problem
from cloud_stream.records import Notice, Point, PointColumns
from cloud_stream.sites import Site
from cloud_stream.stores.sqlite import SqliteStore
from tests.cloud_stream.intents.rig import HOUR_MS, LONDON, T0_MS, TWO_RATES, book_of, parts, sites_of, step_of

STEP_MS = HOUR_MS // 2
DAY_MS = 24 * HOUR_MS
DAILY = '[[intent]]\nname = "daily"\nkind = "budget"\nper = "day"\nlimit_kwh = 12\n'
MONTHLY = '[[intent]]\nname = "bill"\nkind = "budget"\nper = "month"\nlimit_money = 90\n'
LESS = '[[intent]]\nname = "less"\nkind = "reduction"\npercent = 10\nper = "week"\nweeks = 4\n'
DEAR = '[[intent]]\nname = "dear"\nkind = "shift"\n'


def _usage(at_ms: int, kwh: float, warm: float = float("nan"), **tags: str) -> Point:
    fields = {"energy_kwh": kwh} | ({} if warm != warm else {"temperature_c_mean": warm})  # noqa: PLR0124 (NaN)
    return Point("usage", {"level": "site", "site": "house-1", "meter": "", "window": "30m"} | tags, at_ms, fields)


def _forecast(from_ms: int, kwh: float, n: int = 96) -> tuple[Point, ...]:
    tags = {"level": "site", "site": "house-1", "meter": "", "lead": "latest"}
    return tuple(Point("forecast", tags, from_ms + k * STEP_MS, {"energy_kwh": kwh}) for k in range(n))


def _live(step: IntentStep, start_ms: int, kwh: Sequence[float]) -> tuple[list[Point], list[Notice]]:
    """Interval after interval closes, and is booked."""
    told: tuple[list[Point], list[Notice]] = ([], [])
    for number, value in enumerate(kwh):
        at_ms = start_ms + number * STEP_MS
        points, notices, _ = parts(step.on_batch([(_usage(at_ms, value),)], at_ms + STEP_MS + 61_000))
        told[0].extend(points)
        told[1].extend(notices)
    return told


def _states(points: Sequence[Point]) -> list[str]:
    """The states that follow each other, each once."""
    states = [str(point.fields["state"]) for point in points if point.measurement == "intent"]
    return [state for number, state in enumerate(states) if number == 0 or states[number - 1] != state]


class Stored:
    """A past of half hours, of one site."""

    def __init__(self, start_ms: int, kwh: Sequence[float], warm: Sequence[float] = ()) -> None:
        self.start_ms = start_ms + np.arange(len(kwh)) * STEP_MS
        self.kwh = np.array(kwh, float)
        self.warm = np.array(warm, float) if len(warm) else np.full(len(kwh), np.nan)
        self.asked = 0
        self.away = False

    def past(self, level: str, site: str, meter: str, start_ms: int, end_ms: int) -> Past:
        assert (level, site, meter) == ("site", "house-1", "")
        self.asked += 1
        if self.away:
            raise StoreUnavailableError("away")
        part = (self.start_ms >= start_ms) & (self.start_ms < end_ms)
        return Past(self.start_ms[part], self.kwh[part], self.warm[part])


@pytest.mark.parametrize(
    ("kwh", "states", "told"),
    [
        ([0.2] * 48, ["on_track", "met"], []),
        ([0.5] * 48, ["at_risk", "broken"], ["firing", "firing"]),
        ([0.5] * 4 + [0.2] * 44, ["at_risk", "on_track", "met"], ["firing", "resolved"]),
        ([0.2] * 24 + [0.6] * 24, ["on_track", "at_risk", "broken"], ["firing", "firing"]),
        ([0.2] * 96, ["on_track", "met", "on_track", "met"], []),
        ([0.5] * 48 + [0.1] * 48, ["at_risk", "broken", "at_risk", "on_track", "met"], ["firing"] * 3 + ["resolved"]),
    ],
    ids=[
        "kept",
        "broken, at risk before",
        "saved in time",
        "broken late",
        "every day anew",
        "a new day begins as the last days were",
    ],
)
def test_a_daily_budget(kwh: list[float], states: list[str], told: list[str]) -> None:
    points, notices = _live(step_of(DAILY), T0_MS, kwh)
    assert _states(points) == states
    assert [notice.state for notice in notices if "/state/" in notice.key] == told
    assert len({notice.key for notice in notices}) == len(notices)


@pytest.mark.parametrize(
    ("known", "kwh", "state"),
    [
        (range(48), 0.2, "met"),
        (range(0, 48, 2), 0.4, "unknown"),
        (range(40, 48), 2.0, "broken"),
        (range(40, 48), 0.2, "unknown"),
    ],
    ids=["all is known", "the gaps may hide what breaks it", "what is known is too much", "too little is known"],
)
def test_a_budget_is_not_called_kept_when_missing_readings_may_break_it(known: range, kwh: float, state: str) -> None:
    step = step_of(DAILY)
    facts = tuple(_usage(T0_MS + number * STEP_MS, kwh) for number in known)
    points, notices, _ = parts(step.on_batch([facts], T0_MS + DAY_MS + 61_000))
    assert _states(points) == [state]
    assert [notice.state for notice in notices if "/state/" in notice.key] == ["firing"] * (state == "broken")


def test_nobody_is_told_to_save_what_is_used_already() -> None:
    points, _ = _live(step_of(DAILY), T0_MS, [0.2] * 40 + [20.0])
    (advice,) = [point.fields for point in points if point.tags.get("advice") == "allowance"]
    assert str(advice["text"]).startswith("Use at most 0.0 kWh for the rest of the day")
    assert advice["saving_kwh_per_day"] == pytest.approx(7 * 28 / 41)


@pytest.mark.parametrize("hours", [3, 30])
def test_a_clock_that_is_set_back_stops_nothing(hours: int) -> None:
    step = step_of(DAILY)
    _live(step, T0_MS + hours * HOUR_MS, [0.2])
    points, _ = _live(step, T0_MS, [0.2] * 2)
    assert [point.t_ms for point in points if point.measurement == "intent"] == [T0_MS, T0_MS + STEP_MS]


LIMIT = '[[intent]]\nname = "limit"\nkind = "power_limit"\nlimit_w = 3000\n'
MINUTE_MS = 60_000


def _power(at_ms: int, watts: float) -> Point:
    tags = {"level": "site", "site": "house-1", "meter": "", "window": "5m"}
    return Point("usage", tags, at_ms, {"power_w_mean": watts, "power_w_last": watts})


def _load(at_ms: int, mode: str = "auto") -> Point:
    tags = {"site": "house-1", "gateway": "gw-1", "load": "b1"}
    fields = {"meter": "", "control": "cloud", "mode": mode, "state": "on"}
    return Point("load", tags, at_ms, {"power_w": 2000.0, **fields})


@pytest.mark.parametrize(
    ("before", "ordered"),
    [
        ([], 1),
        ([_power(T0_MS + k * HOUR_MS, 100.0) for k in range(2, 12)], 1),
        ([_load(T0_MS + 20 * HOUR_MS), _load(T0_MS + 1, "manual")], 0),
        ([_load(T0_MS + 20 * HOUR_MS, "manual"), _load(T0_MS + 1)], 1),
        ([Point("gateway", {"gateway": "gw-1"}, T0_MS, {"status": "offline", "session": "3"})], 0),
    ],
    ids=[
        "all clocks are right",
        "a meter's was ahead",
        "a gateway's was ahead, then a hand took over",
        "a gateway's was ahead, then it is automatic again",
        "the gateway is gone",
    ],
)
def test_who_gets_an_order_whatever_clocks_said(before: list[Point], ordered: int) -> None:
    step = step_of(LIMIT)
    step.on_batch([(_load(T0_MS - 1),)], T0_MS)
    step.on_batch([tuple(before)], T0_MS + 1)
    _, _, orders = parts(step.on_batch([(_power(T0_MS, 4000.0),)], T0_MS + 3 * MINUTE_MS))
    assert len(orders) == ordered


def test_what_a_load_got_before_it_was_known_is_not_called_missed() -> None:
    text = '[[intent]]\nname = "s"\nkind = "shift"\n[[intent.peak]]\nfrom = "18:00"\nto = "20:00"\n'
    step = step_of(text + '[[intent.load]]\nid = "b1"\nhours = "3h"\nby = "07:00"\n')
    states = {}
    for hours in (6.5, 7.5, 31, 31.5):
        now_ms = T0_MS + round(hours * HOUR_MS)
        switched = {"state": "off"} if hours == 7.5 else {}
        heard = replace(_load(now_ms), fields={**_load(now_ms).fields, **switched})
        points, _, _ = parts(step.on_batch([(heard, _usage(now_ms - STEP_MS, 0.1))], now_ms))
        states[hours] = [str(point.fields["state"]) for point in points if "need_h" in point.fields]
    assert states == {6.5: ["at_risk"], 7.5: ["on_track"], 31: ["broken"], 31.5: ["broken"]}


def test_every_point_is_one_that_a_store_takes_and_each_interval_has_one() -> None:
    text = TWO_RATES + DAILY + MONTHLY + LESS + DEAR
    history = Stored(T0_MS - 40 * DAY_MS, [0.3] * 1920, list(range(20)) * 96)
    step = step_of(
        text, LONDON, history=history, correlations=lambda _: [Correlation("temperature", -0.8, -0.9, 70, 9)]
    )
    points, _ = _live(step, T0_MS, [0.5] * 48)
    assert {problem(point) for point in points} == {""}
    newest = {(point.measurement, *point.tags.values(), point.t_ms) for point in points}
    daily = [key for key in newest if key[:2] == ("intent", "daily")]
    assert len(daily) == 48


def test_the_forecast_warns_before_anything_is_used() -> None:
    step = step_of(DAILY)
    step.on_batch([_forecast(T0_MS, 0.4)], T0_MS - 1000)
    points, notices = _live(step, T0_MS, [0.1])
    point = [one for one in points if one.measurement == "intent"][-1]
    assert point.fields["state"] == "at_risk"
    assert point.fields["expected"] == pytest.approx(0.1 + 47 * 0.4)
    assert point.fields["forecast_share"] == 1
    assert notices[0].text == "0.10 kWh so far this day, 18.90 kWh expected at its end, at most 12.00 kWh wanted"


def test_forecasts_by_the_column_say_the_same() -> None:
    by_point, by_column = step_of(DAILY), step_of(DAILY)
    points = _forecast(T0_MS, 0.4, 40)
    by_point.on_batch([points], T0_MS - 1000)
    tags = [
        {"level": "site", "site": "house-1", "meter": "", "lead": "day_ahead"},
        {"level": "site", "site": "house-1", "meter": "", "lead": "latest"},
        {"level": "meter", "site": "house-1", "meter": "m", "lead": "latest"},
    ]
    kwh = np.full((3, 48), 7.0)
    kwh[1] = [0.4] * 40 + [np.nan] * 8
    columns = PointColumns("forecast", tags, T0_MS + np.arange(48) * STEP_MS, {"energy_kwh": kwh, "lower": kwh}, {})
    by_column.on_batch([columns], T0_MS - 1000)
    assert by_column.snapshot(0)["ledgers"][0][0] == ("site", "house-1", "")
    told = [_live(step, T0_MS, [0.1])[0] for step in (by_point, by_column)]
    assert told[0] == told[1]
    (share,) = [one.fields["forecast_share"] for one in told[0] if one.measurement == "intent" and one.t_ms == T0_MS]
    assert share == pytest.approx(39 / 47)


def test_beyond_the_forecast_every_day_is_as_usual() -> None:
    history = Stored(T0_MS - 10 * DAY_MS, [0.25] * 480)
    step = step_of(TWO_RATES + MONTHLY, LONDON, history=history)
    step.on_batch([_forecast(T0_MS + STEP_MS, 0.5)], T0_MS + STEP_MS)
    points, _ = _live(step, T0_MS, [0.5])
    point = next(one for one in points if one.measurement == "intent")
    # Since the first of November, which is a Sunday: one day before T0, 28 whole days after its own.
    days, forecast_days = 30, 2
    cost = {kwh: kwh * (14 * 0.1 + 34 * 0.3) for kwh in (0.25, 0.5)}
    expected = days * 0.5 + (days - forecast_days) * cost[0.25] + forecast_days * cost[0.5]
    # The forecast reaches half an hour into the third day; T0's first half hour is a seventh of what is usual then.
    expected += 0.25 * 0.1 + 26 * 0.25 / 7 * 0.1
    assert point.fields["expected"] == pytest.approx(expected)
    assert point.fields["actual"] == pytest.approx(0.5 + cost[0.25] + 0.5 * 0.1 + 0.5 / 48)
    assert point.fields["currency"] == "GBP"


def test_a_month_is_known_from_the_store_after_a_fresh_start() -> None:
    history = Stored(T0_MS - 33 * DAY_MS, [0.2] * (48 * 47))
    text = MONTHLY.replace("limit_money = 90", "limit_kwh = 400")
    points, _ = _live(step_of(text, history=history), T0_MS + 14 * DAY_MS, [0.3])
    point = next(one for one in points if one.measurement == "intent")
    assert point.fields["actual"] == pytest.approx(15 * 48 * 0.2 + 0.3)
    assert history.asked == 1


def test_a_store_that_is_away_is_asked_again_later() -> None:
    history = Stored(T0_MS - DAY_MS, [0.2] * 48)
    history.away = True
    step = step_of(DAILY, history=history)
    now_ms = T0_MS + STEP_MS + 61_000
    assert parts(step.on_batch([(_usage(T0_MS, 0.3),)], now_ms))[0] == []
    assert not step.settled
    assert step.on_timer(now_ms + 1000) == []
    assert (history.asked, step.counts["history_unavailable"]) == (1, 1)
    history.away = False
    assert len(parts(step.on_timer(now_ms + 31_000))[0]) == 1
    assert step.settled


def test_a_reduction_is_measured_against_the_weather_of_the_weeks_before() -> None:
    warm = [15.5 - day % 7 for day in range(28) for _ in range(48)]
    kwh = [(10 + 0.5 * (day % 7)) / 48 for day in range(28) for _ in range(48)]
    history = Stored(T0_MS - 28 * DAY_MS, kwh + [0.3] * 48, [*warm, *([5.5] * 48)])
    step = step_of(LESS, history=history)
    points, notices = _live(step, T0_MS, [0.3])
    point = next(one for one in points if one.measurement == "intent")
    assert "degree days of the 4 weeks before" in str(point.fields["method"])
    # Half an hour of frost says nothing of Monday: all days that are not over are as warm as the last seven.
    lately = sum(15.5 - degrees for degrees in range(7)) / 7
    assert point.fields["baseline_kwh"] == pytest.approx(7 * (10 + 0.5 * (15.5 - lately)))
    assert point.fields["limit"] == pytest.approx(0.9 * float(point.fields["baseline_kwh"]))
    assert point.fields["state"] == "at_risk"
    assert [notice.state for notice in notices] == ["firing", "info"]


def test_a_day_is_judged_in_the_end_by_its_own_weather() -> None:
    warm = [15.5 - day % 7 for day in range(28) for _ in range(48)]
    kwh = [(10 + 0.5 * (day % 7)) / 48 for day in range(28) for _ in range(48)]
    history = Stored(T0_MS - 28 * DAY_MS, kwh + [0.3] * 48, [*warm, *([-4.5] * 48)])
    points, _ = _live(step_of(LESS.replace("week", "day", 1), history=history), T0_MS, [0.3] * 48)
    found = [float(point.fields["baseline_kwh"]) for point in points if point.measurement == "intent"]
    assert found == pytest.approx([10 + 0.5 * 3] * 47 + [10 + 0.5 * 20])


def test_a_reduction_without_a_past_says_that_it_does_not_know() -> None:
    points, notices = _live(step_of(LESS), T0_MS, [0.3])
    assert _states(points) == ["unknown"]
    assert points[0].fields["method"] == "too few days are known"
    assert notices == []


def test_a_shift_without_loads_tells_once_a_day_what_moving_would_save() -> None:
    history = Stored(T0_MS - 7 * DAY_MS, [0.5] * 336)
    step = step_of(TWO_RATES + DEAR, LONDON, history=history)
    points, notices = _live(step, T0_MS, [0.5] * 60)
    advice = [point for point in points if point.measurement == "recommendation"]
    assert len(advice) == 2
    in_peak = 34 * 0.5
    assert advice[0].fields["shifted_kwh_per_day"] == pytest.approx(in_peak / 3)
    assert advice[0].fields["saving_money_per_day"] == pytest.approx(in_peak / 3 * 0.2)
    assert [notice.state for notice in notices] == ["info", "info"]


@pytest.mark.parametrize("kwh", [0.45, 0.55])
def test_a_day_above_the_usual_is_no_alarm(kwh: float) -> None:
    history = Stored(T0_MS - 7 * DAY_MS, [0.5] * 336)
    points, notices = _live(step_of(TWO_RATES + DEAR, LONDON, history=history), T0_MS, [kwh] * 48)
    assert _states(points) == ["on_track", "met"]
    assert {notice.state for notice in notices} == {"info"}


def test_correlations_become_advice_when_a_budget_is_at_risk() -> None:
    found = [
        Correlation("temperature", 0.62, 0.9, 0.0, balance_c=15.2, n=70),
        Correlation("occupancy", 0.05, base_kwh=0.4, n=900),
    ]
    points, _ = _live(step_of(DAILY, correlations=lambda _: found), T0_MS, [0.5])
    advice = {point.tags["advice"]: point.fields for point in points if point.measurement == "recommendation"}
    assert advice["heating"]["text"] == (
        "Heating explains 62% of how consumption varies; 1 degree less of it saves about 0.9 kWh a day while it is "
        "colder than 15 degrees outdoors."
    )
    assert advice["heating"]["saving_kwh_per_day"] == 0.9
    assert "occupancy" not in advice
    assert all(fields["assumption"] for fields in advice.values())


def test_recommendations_come_once_a_day_unless_things_get_worse() -> None:
    _, notices = _live(step_of(DAILY), T0_MS, [0.5] * 96)
    advice = [notice.key.rsplit("/", 2)[1:] for notice in notices if "/advice/" in notice.key]
    assert advice == [["2026-11-02", "1"], ["2026-11-02", "2"], ["2026-11-03", "1"], ["2026-11-03", "2"]]


def test_late_and_repeated_intervals_end_in_the_same_record() -> None:
    kwh = [0.2 + 0.01 * number for number in range(24)]
    straight, _ = _live(step_of(DAILY), T0_MS, kwh)
    late = step_of(DAILY)
    rows = [_usage(T0_MS + number * STEP_MS, value) for number, value in enumerate(kwh)]
    now_ms = T0_MS + 24 * STEP_MS + 61_000
    points, _, _ = parts(late.on_batch([tuple(rows[::-1]), tuple(rows[3:9])], now_ms))
    wanted = ("actual", "state", "limit", "as_of_ms")
    assert [points[0].fields[name] for name in wanted] == pytest.approx([straight[-1].fields[name] for name in wanted])


def test_a_restart_tells_nothing_twice() -> None:
    kwh = [0.5] * 96
    whole, notices = _live(step_of(DAILY), T0_MS, kwh)
    step, points, again = step_of(DAILY), [], []
    for number, value in enumerate(kwh):
        state = pickle.loads(pickle.dumps(step.snapshot(0)))  # noqa: S301 (our own bytes)
        step = step_of(DAILY)
        step.restore(state)
        some, more = _live(step, T0_MS + number * STEP_MS, [value])
        points += some
        again += more
    assert [notice.key for notice in again] == [notice.key for notice in notices]
    newest = {(point.measurement, *point.tags.values(), point.t_ms): point.fields for point in points}
    assert newest == {(point.measurement, *point.tags.values(), point.t_ms): point.fields for point in whole}


def test_what_is_decided_again_after_a_crash_has_the_same_keys() -> None:
    step = step_of(DAILY)
    _live(step, T0_MS, [0.2] * 20)
    state = pickle.dumps(step.snapshot(0))
    row = _usage(T0_MS + 20 * STEP_MS, 5.0)
    first = parts(step.on_batch([(row,)], T0_MS + 21 * STEP_MS + 61_000))
    again = step_of(DAILY)
    again.restore(pickle.loads(state))  # noqa: S301 (our own bytes)
    second = parts(again.on_batch([(row,)], T0_MS + 22 * STEP_MS + 61_000))
    assert [one.key for one in first[1]] == [one.key for one in second[1]]


class Changing:
    """A file that changes."""

    def __init__(self, *texts: str) -> None:
        self.sites = sites_of(Site(id="house-1"))
        self.editions: Iterator[Edition] = iter(())
        self.now = Edition(1, book_of(texts[0], self.sites))

    def __call__(self) -> Edition:
        return self.now


def test_a_changed_file_holds_from_then_on_and_a_wrong_one_is_told_of_once() -> None:
    source = Changing(DAILY)
    step = IntentStep(source, source.sites, commands_enabled=False)
    points, _ = _live(step, T0_MS, [0.2])
    assert _states(points) == ["on_track"]
    source.now = Edition(2, book_of(DAILY.replace("12", "5") + DAILY.replace("daily", "second"), source.sites))
    points, notices = _live(step, T0_MS + STEP_MS, [0.2])
    assert {point.tags["intent"] for point in points if point.measurement == "intent"} == {"daily", "second"}
    assert notices[0].title == "daily: at risk (house-1)"
    source.now = Edition(2, source.now.book, "intents.toml: intent[0].limit_kwh: is wrong")
    _, notices = _live(step, T0_MS + 2 * STEP_MS, [0.2, 0.2])
    wrong = [notice for notice in notices if notice.group == "intents file"]
    assert [notice.text for notice in wrong] == ["intents.toml: intent[0].limit_kwh: is wrong"]
    assert step.counts["files_refused"] == 1
    source.now = Edition(3, book_of("", source.sites))
    assert _live(step, T0_MS + 4 * STEP_MS, [0.2]) == ([], [])


def test_only_so_many_subjects_are_followed() -> None:
    step = step_of(DAILY, settings=IntentSettings(max_subjects=2))
    rows = tuple(_usage(T0_MS, 0.2, site=f"house-{number}") for number in range(5))
    points, _, _ = parts(step.on_batch([rows], T0_MS + STEP_MS + 61_000))
    assert {point.tags["site"] for point in points} == {"house-0", "house-1"}
    assert step.counts["subjects_refused"] == 3


def test_a_subject_that_is_silent_makes_room_for_another() -> None:
    step = step_of(DAILY, settings=IntentSettings(max_subjects=2))
    first, second, third = (f"house-{number}" for number in (1, 2, 3))
    step.on_batch([(_usage(T0_MS, 0.2, site=first), _usage(T0_MS, 0.2, site=second))], T0_MS + STEP_MS + 61_000)
    later_ms = T0_MS + 8 * DAY_MS
    rows = (_usage(later_ms, 0.2, site=second), _usage(later_ms, 0.2, site=third))
    points, _, _ = parts(step.on_batch([rows], later_ms + STEP_MS + 61_000))
    assert {point.tags["site"] for point in points} == {second, third}
    assert (step.counts["subjects_forgotten"], step.counts["subjects_refused"]) == (1, 0)


def test_accounts_are_made_in_turns() -> None:
    step = step_of(DAILY, settings=IntentSettings(turn=2))
    rows = tuple(_usage(T0_MS, 0.2, site=f"house-{number}") for number in range(5))
    now_ms = T0_MS + STEP_MS + 61_000
    told = [len(parts(step.on_batch([rows], now_ms))[0])]
    while not step.settled:
        told.append(len(parts(step.on_timer(now_ms))[0]))
    assert told == [2, 2, 1]


def test_a_period_that_ended_while_nobody_looked_is_closed_first() -> None:
    step = step_of(DAILY)
    _live(step, T0_MS, [0.5] * 40)
    rows = tuple(_usage(T0_MS + number * STEP_MS, 0.5) for number in range(40, 60))
    points, _, _ = parts(step.on_batch([rows], T0_MS + 60 * STEP_MS + 61_000))
    ends = [(point.t_ms, point.fields["state"]) for point in points if point.measurement == "intent"]
    assert ends == [(T0_MS + 47 * STEP_MS, "broken"), (T0_MS + 59 * STEP_MS, "at_risk")]


@pytest.mark.parametrize(
    ("scope", "tags", "seen"),
    [
        ('level = "meter"\n', {"level": "meter", "meter": "m1"}, True),
        ('level = "meter"\nmeters = ["m2"]\n', {"level": "meter", "meter": "m1"}, False),
        ('sites = ["house-2"]\n', {}, False),
        ('level = "fleet"\n', {"level": "fleet", "site": ""}, True),
        ("", {"window": "5m"}, False),
        ("", {"window": "nonsense"}, False),
        ("", {"level": "shard"}, False),
    ],
)
def test_a_wish_is_about_its_subjects_only(scope: str, tags: dict[str, Any], *, seen: bool) -> None:
    step = step_of(DAILY + scope)
    points, _, _ = parts(step.on_batch([(_usage(T0_MS, 0.3, **tags),)], T0_MS + STEP_MS + 61_000))
    assert [point.fields["actual"] for point in points[:1] if point.fields["actual"]] == ([0.3] if seen else [])


def test_the_past_is_read_from_a_real_store(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "w.db", 400 * DAY_MS)
    store.prepare()
    rows = [_usage(T0_MS + number * STEP_MS, 0.1 * number, 5.0 + number) for number in range(4)]
    meter = _usage(T0_MS, 9.0, level="meter", meter="m1")
    store.write([], [*rows, meter, Point("usage", dict(rows[0].tags), T0_MS + 9 * STEP_MS, {"power_w_mean": 1.0})])
    history = StoreHistory(store, "30m")
    past = history.past("site", "house-1", "", T0_MS + STEP_MS, T0_MS + 20 * STEP_MS)
    assert past.energy_kwh.tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert past.temperature_c.tolist() == [6, 7, 8]
    assert history.past("meter", "house-1", "m1", T0_MS, T0_MS + 1).temperature_c.tolist() == [5.0]
    store.close()


def test_where_the_site_measures_none_the_temperature_is_the_weather_of_its_place(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "w.db", 400 * DAY_MS)
    store.prepare()
    rows = [_usage(T0_MS + number * STEP_MS, 1.0) for number in range(12)]
    weather = [
        Point("weather", {"site": "", "source": source}, T0_MS + hour * HOUR_MS, {"temperature_c": hour + add})
        for hour in range(2)
        for source, add in (("measured", 3.0), ("forecast", 99.0))
    ]
    store.write([], [*rows, *weather])
    past = StoreHistory(store, "30m").past("site", "house-1", "", T0_MS, T0_MS + DAY_MS)
    assert past.temperature_c[:4].tolist() == [3, 3, 4, 4]
    assert past.temperature_c[7] == 4
    assert np.isnan(past.temperature_c[8:]).all()
    store.close()


def test_correlations_are_read_from_a_real_store_now_and_then(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "w.db", 400 * DAY_MS)
    store.prepare()
    tags = {"level": "site", "site": "house-1", "meter": "", "driver": "temperature"}
    for day, slope in ((1, 0.5), (2, 0.9)):
        fields: dict[str, float | int | str | bool] = {
            "n": 70,
            "r": -0.8,
            "r2": 0.64,
            "slope_kwh_per_unit": slope,
            "note": "strong",
        }
        store.write([], [Point("correlation", tags, T0_MS + day * DAY_MS, fields)])
    now_ms = [T0_MS + 3 * DAY_MS]
    correlations = StoreCorrelations(store, lambda: now_ms[0])
    (found,) = correlations("house-1")
    assert found[:3] == ("temperature", 0.64, 0.9)
    assert found.n == 70
    assert correlations("house-2") == ()
    store.write([], [Point("correlation", tags, T0_MS + 2 * DAY_MS, {"slope_kwh_per_unit": 2.0})])
    assert correlations("house-1")[0].slope_kwh_per_unit == 0.9
    now_ms[0] += HOUR_MS
    assert correlations("house-1")[0].slope_kwh_per_unit == 2.0
    now_ms[0] += 9 * DAY_MS
    assert correlations("house-1") == ()
    store.close()
