"""A London home's rows through both steps, minute by minute: the same forecasts as cut from its series directly.

Rows come open and growing, some shuffled, some an hour late, and the steps are restarted in between.
"""

import csv
import gzip
import pickle
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from cloud_stream.config_sections import ForecastConfig
from cloud_stream.forecast.closing import GRACE_MS, ClosingStep
from cloud_stream.forecast.models import forecasters_for
from cloud_stream.forecast.step import ForecastSettings, ForecastStep
from cloud_stream.forecast.turn import Turn
from cloud_stream.records import Point
from cloud_stream.sites import Defaults, Sites
from tests.cloud_stream.forecast.forecasters import Sinusoid, Weighted
from tests.cloud_stream.forecast.rows import HALF_HOUR_MS, MINUTE_MS, usage
from wattline.forecasting.calendar import calendar_of
from wattline.forecasting.naive import SeasonalNaive
from wattline.forecasting.port import HISTORY_MS, HORIZON_MS, Forecast, Forecaster, Scene

PAST = HISTORY_MS // HALF_HOUR_MS
AHEAD = HORIZON_MS // HALF_HOUR_MS
LIVE_HALF_HOURS = 100
SITES = Sites(Defaults(time_zone="Europe/London", country="GB"))
Series = Mapping[int, float]
"""Start to energy."""


@pytest.fixture(scope="module")
def home(corpus: Path) -> Series:
    """Energy of one home by start, in the weeks around the end of summer time."""
    file = corpus / "forecast" / "london_lcl" / "homes" / "MAC000002.csv.gz"
    found: dict[int, float] = {}
    with gzip.open(file, "rt") as text:
        for row in csv.DictReader(text):
            start = datetime.fromisoformat(row["tstp"].strip()).replace(tzinfo=UTC)
            if (2013, 9, 25) <= (start.year, start.month, start.day) < (2013, 11, 5) and row["energy(kWh/hh)"].strip():
                found[int(start.timestamp() * 1000)] = float(row["energy(kWh/hh)"])
    return found


def first_live_ms(home: Series) -> int:
    """Where the minutes begin: all before is a backlog."""
    return min(home) + PAST * HALF_HOUR_MS


@dataclass
class Street:
    """Both steps of one shard, and what they were told and said."""

    forecaster: Forecaster
    said: list[Point] = field(default_factory=list)
    known: dict[int, float] = field(default_factory=dict)
    known_at: dict[int, dict[int, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.closing, self.forecasts = self._steps()

    def _steps(self) -> tuple[ClosingStep, ForecastStep]:
        models = dict.fromkeys(("meter", "site", "fleet"), self.forecaster)
        settings = ForecastSettings(HALF_HOUR_MS)
        return ClosingStep(HALF_HOUR_MS, "30m"), ForecastStep(settings, models, SITES, Sinusoid(), Turn())

    def restart(self, now_ms: int) -> None:
        states = pickle.dumps((self.closing.snapshot(now_ms), self.forecasts.snapshot(now_ms)))
        self.closing, self.forecasts = self._steps()
        closing, forecasts = pickle.loads(states)  # noqa: S301 (our own bytes)
        self.closing.restore(closing)
        self.forecasts.restore(forecasts)

    def tell(self, words: list[tuple[int, float]], now_ms: int) -> None:
        """The meter's rows, and its site's, which are the same."""
        rows = [usage("meter", "home", "main", start_ms, energy_kwh=kwh) for start_ms, kwh in words]
        rows += [usage("site", "home", "", start_ms, energy_kwh=kwh) for start_ms, kwh in words]
        rows += [usage("meter", "home", "main", start_ms, window="5m", energy_kwh=kwh / 6) for start_ms, kwh in words]
        self.known |= dict(words)
        closed = self.closing.on_batch([tuple(rows)], now_ms) + self.closing.on_timer(now_ms)
        if closed:
            issued_ms = (now_ms - GRACE_MS) // HALF_HOUR_MS * HALF_HOUR_MS
            self.known_at.setdefault(issued_ms, dict(self.known))
            self.forecasts.on_batch(closed, now_ms)
        for points in self.forecasts.on_timer(now_ms):
            self.said += points


def live(
    street: Street, home: Series, *, restarts: bool = False, late_share: float = 0.2, garbage: float = 0.0
) -> None:
    """A backlog of four weeks at once, then every minute of two days; each window grows while it is open."""
    chance = random.Random(3)
    begin_ms = first_live_ms(home)
    backlog = [(start_ms, kwh) for start_ms, kwh in home.items() if start_ms < begin_ms]
    chance.shuffle(backlog)
    street.tell(backlog, begin_ms)
    late: list[tuple[int, float]] = []
    for minute in range(LIVE_HALF_HOURS * 30):
        now_ms = begin_ms + minute * MINUTE_MS
        start_ms = now_ms // HALF_HOUR_MS * HALF_HOUR_MS
        part = (minute % 30 + 1) / 30
        words = (
            [(start_ms, home[start_ms] * part + garbage * (part < 1))]
            if start_ms in home and not _is_lost(start_ms)
            else []
        )
        if minute % 30 == 29 and chance.random() < late_share:
            late += words
            words = []
        if minute % 60 == 7:
            chance.shuffle(late)
            words, late = words + late, []
        street.tell(words, now_ms)
        if restarts and chance.random() < 0.02:
            street.restart(now_ms)


def _is_lost(start_ms: int) -> bool:
    """Some half hours are never told: what was there four weeks before must not stand in for them."""
    return start_ms // HALF_HOUR_MS % 17 == 5


def offline(forecaster: Forecaster, known: Series, issued_ms: int) -> Forecast:
    """The forecast of a scene that is cut from the series directly."""
    starts = [issued_ms + i * HALF_HOUR_MS for i in range(-PAST, 0)]
    energy = np.array([[known.get(start_ms, np.nan) for start_ms in starts]], np.float32)
    told = Sinusoid().temperature_c("", issued_ms - HISTORY_MS, HALF_HOUR_MS, PAST + AHEAD, 0)
    calendar = calendar_of("Europe/London", "GB", issued_ms, HALF_HOUR_MS)
    nobody, one = np.full(1, np.nan, np.float32), np.ones(1, np.float32)
    place = np.zeros(1, np.int64)
    return forecaster.forecast(Scene(issued_ms, HALF_HOUR_MS, energy, calendar, told[None, :], place, nobody, one))


CONFIGURED = forecasters_for(ForecastConfig(), HALF_HOUR_MS)["meter"]
"""The model that comes with the program."""


@pytest.mark.parametrize(
    "forecaster", [SeasonalNaive(), Weighted(), CONFIGURED], ids=["naive", "weighted", "comes with the program"]
)
@pytest.mark.parametrize("restarts", [False, True])
def test_streamed_forecasts_equal_those_of_scenes_cut_from_the_series(
    home: Series, forecaster: Forecaster, *, restarts: bool
) -> None:
    street = Street(forecaster)
    live(street, home, restarts=restarts)
    table: dict[tuple[str, int], dict[int, Point]] = {}
    for point in street.said:
        if point.tags.get("lead") == "latest" and point.measurement == "forecast":
            issue = table.setdefault((point.tags["level"], int(point.fields["issued_at"])), {})
            issue[point.t_ms] = point
    assert len(table) > 2 * 0.9 * LIVE_HALF_HOURS
    for (_, issued_ms), points in table.items():
        expected = offline(forecaster, street.known_at[issued_ms], issued_ms)
        assert sorted(points) == [issued_ms + i * HALF_HOUR_MS for i in range(AHEAD)]
        for name, row in (
            ("energy_kwh", expected.energy_kwh),
            ("lower", expected.lower),
            ("upper", expected.upper),
            ("mean_kwh", expected.expected_kwh),
        ):
            streamed = [
                float(points[t_ms].fields.get(name, points[t_ms].fields["energy_kwh"])) for t_ms in sorted(points)
            ]
            assert streamed == pytest.approx(row[0].tolist(), abs=1e-6, rel=0)


def test_what_is_in_the_open_window_changes_no_forecast_made_at_its_start(home: Series) -> None:
    """Windows grow with garbage until their last minute, so every use of an open one shows."""
    clean, dirty = Street(Weighted()), Street(Weighted())
    live(clean, home, late_share=0.0)
    live(dirty, home, late_share=0.0, garbage=1000.0)
    assert len(clean.said) > LIVE_HALF_HOURS * AHEAD
    assert _forecasts(clean) == _forecasts(dirty)


def _forecasts(street: Street) -> list[Point]:
    return [point for point in street.said if point.measurement == "forecast"]
