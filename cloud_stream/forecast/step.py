"""Forecasts of one shard's series, or of the fleet, at the end of every utility interval.

Closed usage comes in; when the newest interval has moved on, all series are forecast, so many a second, and the
forecasts that were made a day ahead are scored. Bytewax saves the whole state whenever a step is woken: closed usage
comes once an interval, and nothing else wakes it once all is issued.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from cloud_stream.forecast.history import BAND, ISSUED, History
from cloud_stream.forecast.points import forecast_points, model_names
from cloud_stream.forecast.quality import series_quality, shard_quality
from cloud_stream.forecast.scenes import Stage, Staged
from cloud_stream.forecast.turn import Turn
from cloud_stream.forecast.weather import Weather
from cloud_stream.records import ClosedUsage, Int64s, Point, PointColumns
from cloud_stream.sites import Sites
from wattline.forecasting.errors import ForecasterError
from wattline.forecasting.naive import SeasonalNaive
from wattline.forecasting.port import Forecast, Forecaster

Points = Sequence[Point]
"""By the column where they are many, see `PointColumns`."""
_log: Final = logging.getLogger("cloud_stream.forecast")


@dataclass(frozen=True, slots=True)
class ForecastSettings:
    """What is forecast, and how much of it.

    Attributes:
        interval_ms: Length of the utility intervals.
        max_age_ms: At the end of an interval that is older than this nothing is forecast any more.
        max_series: Of one shard; 7.2 kB each at half hours.
    """

    interval_ms: int
    max_age_ms: int = 3 * 3_600_000
    max_series: int = 10_000


class ForecastStep:
    """The forecasts of one shard or the fleet; a step of the engine, see `engine.Step`.

    Args:
        settings: Lengths and bounds.
        forecasters: By level: `meter`, `site`, `fleet`.
        sites: What is known of sites.
        weather: The weather at their places.
        turn: Of all steps of the process.

    Attributes:
        counts: `issued_series`, `issues`: all series forecast once; `skipped_issues`: too old, or overtaken by the next
            interval; `forecaster_errors`; and those of `History`.
    """

    def __init__(
        self,
        settings: ForecastSettings,
        forecasters: Mapping[str, Forecaster],
        sites: Sites,
        weather: Weather,
        turn: Turn,
    ) -> None:
        self._settings = settings
        self._forecasters = forecasters
        self._naive = SeasonalNaive()
        self._stage = Stage(sites, weather, settings.interval_ms)
        self._turn = turn
        self._history = History(settings.interval_ms, settings.max_series)
        self._issuing = False

    @property
    def counts(self) -> Counter[str]:
        """See the class."""
        return self._history.counts

    @property
    def settled(self) -> bool:
        """Whether all series are forecast."""
        return not self._issuing

    @property
    def wake_in_s(self) -> float:
        """While it is not settled: how long the step had better not be woken, because others have their turn first."""
        return self._turn.wait_s(self)

    def on_batch(self, batch: Sequence[ClosedUsage], now_ms: int) -> list[Points]:
        """Learn; forecasts come with the timer."""
        before = self._history.newest
        for closed in batch:
            self._history.learn(closed)
        if self._history.newest > before:
            self.counts["skipped_issues"] += self._issuing
            self._issuing = self._is_young(now_ms)
            self.counts["skipped_issues"] += not self._issuing
        return []

    def on_timer(self, now_ms: int) -> list[Points]:
        """Forecast some more series, and score them."""
        if self._issuing and not self._is_young(now_ms):
            self.counts["skipped_issues"] += 1
            self._issuing = False
        waiting = np.flatnonzero(self._history.series[ISSUED] < self._history.newest) if self._issuing else _NOBODY
        rows = waiting[: self._turn.take(self, len(waiting), now_ms)]
        said = self._issue(rows, now_ms) if len(rows) else []
        if self._issuing and len(rows) == len(waiting):
            self._issuing = False
            self.counts["issues"] += 1
            said.append(tuple(shard_quality(self._history)))
        return [points for points in said if len(points)]

    def snapshot(self, now_ms: int) -> Any:  # noqa: ANN401 (see `Step`)
        """See `Step`."""
        del now_ms
        return self._issuing, self._history.snapshot()

    def restore(self, state: Any) -> None:  # noqa: ANN401 (see `Step`)
        """See `Step`."""
        self._issuing, history = state
        self._history.restore(history)

    def _is_young(self, now_ms: int) -> bool:
        return now_ms - (self._history.newest + 1) * self._settings.interval_ms <= self._settings.max_age_ms

    def _issue(self, rows: Int64s, now_ms: int) -> list[Points]:
        """Forecast some series and score their forecasts of a day before."""
        said: list[Points] = []
        for staged in self._stage.scenes(self._history, rows, now_ms):
            said += self._forecast(staged)
        said.append(tuple(series_quality(self._history, rows)))
        self._history.series[ISSUED][rows] = self._history.newest
        self.counts["issued_series"] += len(rows)
        return said

    def _forecast(self, staged: Staged) -> list[PointColumns]:
        forecaster, forecast = self._ask(staged)
        history, scene = self._history, staged.scene
        day = history.per_day
        for ring, table in zip(BAND, (forecast.energy_kwh, forecast.lower, forecast.upper), strict=True):
            history.series.put(ring, staged.rows, history.newest + 1 + day, table[:, day])
        keys = [history.series.keys[row] for row in staged.rows.tolist()]
        models = model_names(forecaster.name, forecast.by_model.tolist(), staged.weather.tolist())
        return forecast_points(keys, forecast, models, scene.issued_ms, scene.interval_ms)

    def _ask(self, staged: Staged) -> tuple[Forecaster, Forecast]:
        forecaster = self._forecasters[staged.model]
        try:
            return forecaster, forecaster.forecast(staged.scene)
        except ForecasterError as error:
            self.counts["forecaster_errors"] += 1
            _log.warning("forecaster_failed level=%s model=%s error=%s", staged.model, forecaster.name, error)
            return self._naive, self._naive.forecast(staged.scene)


_NOBODY: Final = np.empty(0, np.int64)
