"""When forecasts are issued, for whom, and what a restart changes: nothing."""

import pickle
from dataclasses import dataclass
from math import nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_stream.forecast.step import ForecastSettings, ForecastStep
from cloud_stream.forecast.turn import Turn
from cloud_stream.forecast.weather import NoWeather, Weather
from cloud_stream.records import ClosedUsage, Point
from cloud_stream.sites import Defaults, Site, Sites
from tests.cloud_stream.forecast.forecasters import Silent, Sinusoid, Weighted
from wattline.errors import ConfigError
from wattline.forecasting.errors import ForecasterError
from wattline.forecasting.naive import SeasonalNaive
from wattline.forecasting.port import Forecast, Forecaster, Scene

HOUR_MS = 3_600_000
DAY = 24
AHEAD = 48
FIRST = 480_000
"""A number of an hour; midnight UTC."""
SITES = Sites(
    Defaults(time_zone="Europe/Berlin", country="DE"),
    {"far": Site(id="far", time_zone="Australia/Sydney", floor_m2=80.0, latitude=-33.9, longitude=151.2)},
)
NOBODY = NoWeather()
Row = tuple[int, str, str, str, float]
"""Hour, level, site, meter, energy."""


def closed(rows: list[Row], temperature_c: float = nan) -> ClosedUsage:
    hour, level, site, meter, energy = zip(*rows, strict=True)
    members = [1.0 if one == "meter" else nan for one in level]
    return ClosedUsage(
        interval_ms=HOUR_MS,
        start_ms=np.array(hour, np.int64) * HOUR_MS,
        level=level,
        site=site,
        meter=meter,
        energy_kwh=np.array(energy, np.float64),
        temperature_c=np.full(len(rows), temperature_c),
        members=np.array(members),
    )


def meters(hour: int, number: int, energy: float = 1.0) -> ClosedUsage:
    return closed([(hour, "meter", "home", f"m-{i:03d}", energy) for i in range(number)])


def new_step(
    forecaster: Forecaster | None = None, weather: Weather = NOBODY, turn: Turn | None = None, max_series: int = 1000
) -> ForecastStep:
    models = dict.fromkeys(("meter", "site", "fleet"), forecaster or Weighted())
    limits = ForecastSettings(HOUR_MS, max_series=max_series)
    return ForecastStep(limits, models, SITES, weather, turn or Turn())


def after(hour: int) -> int:
    """Ten seconds after an hour's end."""
    return (hour + 1) * HOUR_MS + 10_000


def said(step: ForecastStep, now_ms: int) -> list[Point]:
    return [point for points in step.on_timer(now_ms) for point in points]


def test_every_target_is_told_as_latest_and_the_one_a_day_ahead_for_ever() -> None:
    step = new_step()
    assert step.on_batch([meters(FIRST, 1)], after(FIRST)) == []
    was_settled = step.settled
    points = said(step, after(FIRST))
    assert (was_settled, step.settled) == (False, True)
    latest = [point for point in points if point.tags["lead"] == "latest"]
    assert [point.t_ms for point in latest] == [(FIRST + 1 + i) * HOUR_MS for i in range(AHEAD)]
    (ahead,) = [point for point in points if point.tags["lead"] == "day_ahead"]
    assert (ahead.t_ms, ahead.fields) == (latest[DAY].t_ms, latest[DAY].fields)
    assert ahead.tags == {"level": "meter", "site": "home", "meter": "m-000", "lead": "day_ahead"}
    assert set(ahead.fields) == {"energy_kwh", "lower", "upper", "mean_kwh", "issued_at", "model"}
    assert ahead.fields["issued_at"] == (FIRST + 1) * HOUR_MS


def test_so_many_series_a_second_until_all_are_issued() -> None:
    step = new_step(turn=Turn(40))
    step.on_batch([meters(FIRST, 100)], after(FIRST))
    told = []
    for second in range(4):
        points = said(step, after(FIRST) + second * 1000)
        told.append([meter for meter in dict.fromkeys(point.tags["meter"] for point in points) if meter])
    assert [len(turn) for turn in told] == [40, 40, 20, 0]
    assert len({meter for turn in told for meter in turn}) == 100
    assert step.counts["issues"] == 1


def test_two_steps_take_turns() -> None:
    turn = Turn(40)
    first, second = new_step(turn=turn), new_step(turn=turn)
    for step in (first, second):
        step.on_batch([meters(FIRST, 40)], after(FIRST))
    assert said(first, after(FIRST))
    assert not said(second, after(FIRST))
    assert second.wake_in_s == 1.0
    assert said(second, after(FIRST) + 1000)
    assert second.settled


def test_the_next_interval_overtakes_an_issue_that_is_not_done() -> None:
    step = new_step(turn=Turn(10))
    step.on_batch([meters(FIRST, 20)], after(FIRST))
    said(step, after(FIRST))
    step.on_batch([meters(FIRST + 1, 20)], after(FIRST + 1))
    points = said(step, after(FIRST + 1)) + said(step, after(FIRST + 1) + 1000)
    assert {point.fields["issued_at"] for point in points} == {(FIRST + 2) * HOUR_MS}
    assert step.counts["skipped_issues"] == 1


def test_of_a_backlog_only_the_newest_interval_is_forecast_and_an_old_one_is_only_learned() -> None:
    step = new_step()
    step.on_batch([meters(FIRST + hour, 1) for hour in range(50)], after(FIRST + 49))
    points = said(step, after(FIRST + 49))
    assert {point.fields["issued_at"] for point in points} == {(FIRST + 50) * HOUR_MS}
    old = new_step()
    old.on_batch([meters(FIRST, 1)], after(FIRST + 4))
    assert old.settled
    assert said(old, after(FIRST + 4)) == []
    old.on_batch([meters(FIRST + 5, 1)], after(FIRST + 5))
    assert said(old, after(FIRST + 5))


def test_an_issue_that_grew_too_old_while_nobody_was_there_is_given_up() -> None:
    step = new_step()
    step.on_batch([meters(FIRST, 1)], after(FIRST))
    assert said(step, after(FIRST + 4)) == []
    assert step.settled


@pytest.mark.parametrize(
    ("forecaster", "weather", "model"),
    [
        (Weighted(), Sinusoid(), "weighted-1"),
        (Weighted(), NOBODY, "weighted-1 no-weather"),
        (Weighted(), Sinusoid(ends_ms=(FIRST + 10) * HOUR_MS), "weighted-1 no-weather"),
        (SeasonalNaive(), Sinusoid(), "seasonal-naive"),
    ],
)
def test_the_record_says_which_model_it_was_and_whether_it_had_weather(
    forecaster: Forecaster, weather: Weather, model: str
) -> None:
    step = new_step(forecaster, weather)
    step.on_batch([meters(FIRST + hour, 1) for hour in range(30)], after(FIRST + 29))
    forecasts = [point for point in said(step, after(FIRST + 29)) if point.measurement == "forecast"]
    assert {point.fields["model"] for point in forecasts} == {model}


def test_nothing_is_told_of_a_series_of_which_nothing_can_be_said() -> None:
    step = new_step(Silent())
    step.on_batch([meters(FIRST, 1)], after(FIRST))
    assert said(step, after(FIRST)) == []
    assert step.settled


def test_series_beyond_the_bound_are_refused_and_counted() -> None:
    step = new_step(max_series=5)
    step.on_batch([meters(FIRST, 7)], after(FIRST))
    assert len({point.tags["meter"] for point in said(step, after(FIRST))}) == 5
    assert step.counts["refused_rows"] == 2


def test_a_series_that_is_silent_for_four_weeks_makes_room() -> None:
    step = new_step(max_series=1)
    step.on_batch([meters(FIRST, 1)], after(FIRST))
    later = FIRST + 28 * DAY
    step.on_batch([closed([(later, "meter", "other", "new", 1.0)])], after(later))
    assert {point.tags["meter"] for point in said(step, after(later))} == {"new"}
    assert step.counts["forgotten_series"] == 1


class _Seen:
    """Keeps the scenes that it is asked about, and says nothing."""

    name = "seen-1"

    def __init__(self) -> None:
        self.scenes: list[Scene] = []

    def forecast(self, scene: Scene) -> Forecast:
        self.scenes.append(scene)
        return Silent().forecast(scene)


def test_series_of_one_calendar_share_a_scene() -> None:
    seen = _Seen()
    step = new_step(seen)
    rows: list[Row] = [
        (FIRST, "meter", "home", "a", 1.0),
        (FIRST, "meter", "far", "b", 2.0),
        (FIRST, "meter", "home", "c", 3.0),
        (FIRST, "fleet", "", "", 6.0),
    ]
    step.on_batch([closed(rows)], after(FIRST))
    said(step, after(FIRST))
    here, far, fleet = seen.scenes
    assert here.energy_kwh[:, -1].tolist() == [1.0, 3.0]
    assert far.floor_m2.tolist() == [80.0]
    berlin, sydney = (scene.calendar.minute_of_day[-1] for scene in (here, far))
    assert (sydney - berlin) % 1440 == 9 * 60, "both have summer time by then"
    assert np.isnan(fleet.members).all()


def test_a_site_without_reported_weather_is_forecast_with_what_it_measures_itself() -> None:
    seen = _Seen()
    step = new_step(seen)
    step.on_batch([closed([(FIRST, "site", "home", "", 1.0)], temperature_c=7.5)], after(FIRST))
    said(step, after(FIRST))
    (scene,) = seen.scenes
    own = scene.temperature_c[scene.place[0]]
    assert own[-AHEAD - 1] == 7.5
    assert np.isfinite(own).sum() == 1


@dataclass(frozen=True)
class _Broken:
    """A model that cannot."""

    error: ConfigError
    name: str = "broken-1"

    def forecast(self, scene: Scene) -> Forecast:
        del scene
        raise self.error


def test_a_model_that_fails_is_replaced_by_the_naive_one_and_counted() -> None:
    step = new_step(_Broken(ForecasterError("broken-1", "made for other intervals")))
    step.on_batch([meters(FIRST + hour, 1) for hour in range(30)], after(FIRST + 29))
    assert {point.fields["model"] for point in said(step, after(FIRST + 29))} == {"seasonal-naive"}
    assert step.counts["forecaster_errors"] == 1


events = st.lists(
    st.tuples(
        st.integers(0, 60),  # how many hours behind the present
        st.integers(0, 4),  # how far the present moves
        st.lists(st.tuples(st.sampled_from(["meter", "site"]), st.integers(0, 5), st.floats(0, 10)), max_size=6),
        st.booleans(),  # whether the step is restarted
    ),
    min_size=1,
    max_size=25,
)


def play(story: list[tuple[int, int, list[tuple[str, int, float]], bool]], *, restarts: bool) -> list[list[Point]]:
    step, present = new_step(weather=Sinusoid(), turn=Turn(3)), FIRST
    told = []
    for behind, ahead, words, restart in story:
        present += ahead
        rows = {(level, name): energy for level, name, energy in words}
        batch = [
            closed([(present - behind * (name % 2), level, f"s-{name}", "m" * (level == "meter"), energy)])
            for (level, name), energy in rows.items()
        ]
        told += [[point for points in step.on_batch(batch, after(present)) for point in points]]
        for second in range(2):
            if restart and restarts and second:
                state = pickle.loads(pickle.dumps(step.snapshot(after(present))))  # noqa: S301 (our own bytes)
                step = new_step(weather=Sinusoid(), turn=Turn(3))
                step.restore(state)
            told += [said(step, after(present) + second * 1000)]
    return told


@settings(deadline=None, max_examples=60)
@given(events)
def test_a_restart_in_the_middle_changes_nothing(
    story: list[tuple[int, int, list[tuple[str, int, float]], bool]],
) -> None:
    assert play(story, restarts=True) == play(story, restarts=False)


def test_a_snapshot_does_not_change_when_the_step_goes_on() -> None:
    step = new_step()
    step.on_batch([meters(FIRST, 3)], after(FIRST))
    state = step.snapshot(after(FIRST))
    before = pickle.dumps(state)
    said(step, after(FIRST))
    step.on_batch([meters(FIRST + 1, 9, 5.0)], after(FIRST + 1))
    assert pickle.dumps(state) == before


def test_the_state_of_other_intervals_begins_anew() -> None:
    step = new_step()
    step.on_batch([meters(FIRST, 3)], after(FIRST))
    models = dict.fromkeys(("meter", "site", "fleet"), Weighted())
    other = ForecastStep(ForecastSettings(HOUR_MS // 2), models, SITES, NOBODY, Turn())
    other.restore(step.snapshot(after(FIRST)))
    assert said(other, after(FIRST)) == []
    assert other.settled
