"""A limit on what is forecast: an alert before it happens.

```toml
[[rule]]
kind = "forecast"
name = "peak ahead"
level = "site"          # meter (default) | site | fleet
above = 4.5             # kWh in one interval of the forecast: 4.5 in half an hour are 9 kW
within = "12h"          # how far ahead is looked, at most 48h
band = "upper"          # middle (default) | lower | upper
```

Each new forecast is looked at as a whole: its largest value within the horizon. It fires when that is above the limit,
and resolves when a later forecast is not, or when the time has come and no later forecast was made.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, ClassVar, Final, cast

from cloud_stream.alerts.condition import FAR_PAST, NEVER, Feed, Frozen, Sample, Surroundings, Verdict, verdict_of
from cloud_stream.alerts.kinds.threshold import judgement
from cloud_stream.alerts.rule import Level, LimitRule, Made, span
from cloud_stream.alerts.schedule import local_time
from cloud_stream.measurements import FORECAST
from cloud_stream.records import Point
from wattline.config import DurationMs
from wattline.errors import ConfigError

LEAD: Final = "latest"
HORIZON_MS: Final = 48 * 3_600_000
WHOLE_AFTER_MS: Final = 2_000
"""A forecast is taken for whole when nothing of it has come for so long."""
STALE_AFTER_MS: Final = 2 * 3_600_000
"""A forecast whose peak should have been so long ago, and which no other followed, is no reason for an alert."""


class Band(StrEnum):
    """Which value of a forecast is judged."""

    LOWER = "lower"
    MIDDLE = "middle"
    UPPER = "upper"


def check_forecasts(made: Made) -> None:
    """Refuse a rule on forecasts where none are made.

    Raises:
        ConfigError: `where` is `kind`.
    """
    if made.forecasts is False:
        raise ConfigError("kind", "needs forecasts: cloud.toml has no [forecast] section")


class ForecastRule(LimitRule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One limit on the newest forecast.

    Attributes:
        level: Whose forecast.
        within: How far ahead is looked.
        band: Which value.
        meters: Only these; empty is all. segments: only the meters of these.
    """

    KIND: ClassVar[str] = "forecast"
    MOVABLE: ClassVar[frozenset[str]] = frozenset({"above", "below", "clear"})
    ABOUT: ClassVar[tuple[str, ...]] = ("band", "within")

    level: Level = Level.METER
    within: DurationMs = DurationMs(24 * 3_600_000)
    band: Band = Band.MIDDLE
    meters: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()

    @property
    def judged_quantity(self) -> str:
        """See `Rule`."""
        return "energy_kwh"

    def check_own(self, made: Made) -> None:
        """See `Rule`."""
        check_forecasts(made)
        if self.below is not None:
            raise ConfigError("below", "a forecast is judged by its peak: give 'above'")
        self.check_limit()
        if not 0 < self.within <= HORIZON_MS:
            raise ConfigError("within", 'forecasts reach "48h" ahead')

    def condition(self, around: Surroundings) -> "ForecastLimit":
        """See `Rule`."""
        return ForecastLimit(self, around)

    def words(self) -> str:
        """See `Rule`."""
        band = "" if self.band is Band.MIDDLE else f"the {self.band.value} end of "
        return f"{band}the forecast of energy_kwh within {span(self.within)} {self.side_words()}"


class ForecastLimit:
    """The condition of a `ForecastRule`."""

    def __init__(self, rule: ForecastRule, around: Surroundings) -> None:
        """Look at the newest forecast of one level."""
        self.rule = rule
        self.around = around
        self.field = "energy_kwh" if rule.band is Band.MIDDLE else rule.band.value
        self.feeds: Sequence[Feed] = ((FORECAST, rule.level.value, LEAD),)

    def subject(self, point: Point, site: str, member: str) -> tuple[str, str] | None:
        """See `Condition`."""
        return (site, member) if self.field in point.fields and "issued_at" in point.fields else None

    def watcher(self, site: str, meter: str, frozen: Frozen = ()) -> "_Issue":
        """See `Condition`."""
        del meter
        return _Issue(self, self.around.zone_of(site), *cast("Any", frozen))

    def words(self, who: str, sample: Sample, *, firing: bool) -> str:
        """See `Condition`."""
        at_ms, zone = sample.detail
        when = local_time(cast("int", at_ms), cast("str", zone))
        what = f"forecast energy_kwh of {when} is {sample.value:.6g}"
        return f"{who}: {what}, {judgement(self.rule, firing=firing)}"


class _Issue:
    """The largest value of the newest forecast of one subject."""

    __slots__ = ("_best", "_best_ms", "_condition", "_issued_ms", "_judged", "_wake_ms", "_zone")

    def __init__(
        self,
        condition: ForecastLimit,
        zone: str,
        issued_ms: int = FAR_PAST,
        best: tuple[float, int] = (float("-inf"), 0),
        wake: tuple[int, bool] = (NEVER, True),
    ) -> None:
        self._condition = condition
        self._zone = zone
        self._issued_ms = issued_ms
        self._best, self._best_ms = best
        self._wake_ms, self._judged = wake

    @property
    def wake_ms(self) -> int:
        return self._wake_ms

    @property
    def weight(self) -> int:
        return 1

    def take(self, point: Point, now_ms: int) -> Sequence[Sample]:
        issued_ms = int(point.fields["issued_at"])
        if issued_ms < self._issued_ms:
            return ()
        samples: list[Sample] = []
        if issued_ms > self._issued_ms:
            samples += self._close()
            self._issued_ms, self._best, self._judged = issued_ms, float("-inf"), False
        value = float(point.fields[self._condition.field])
        if not issued_ms <= point.t_ms < issued_ms + self._condition.rule.within or value <= self._best:
            return samples
        was_beyond = self._condition.rule.is_beyond(self._best)
        self._best, self._best_ms, self._judged = value, point.t_ms, False
        self._wake_ms = now_ms + WHOLE_AFTER_MS
        if not was_beyond and self._condition.rule.is_beyond(value):
            samples.append(self._sample(is_open=True))
        return samples

    def due(self, now_ms: int) -> Sequence[Sample]:
        if now_ms < self._wake_ms:
            return ()
        if not self._judged:
            return self._close()
        self._wake_ms = NEVER
        rule, best_ms = self._condition.rule, self._best_ms
        return [Sample(best_ms, best_ms, now_ms, self._best, rule.limit, Verdict.CLEAR, detail=(best_ms, self._zone))]

    def freeze(self) -> Frozen:
        return self._issued_ms, (self._best, self._best_ms), (self._wake_ms, self._judged)

    def _close(self) -> list[Sample]:
        self._wake_ms = NEVER
        if self._judged or self._best == float("-inf"):
            return []
        self._judged = True
        if self._condition.rule.is_beyond(self._best):
            self._wake_ms = self._best_ms + STALE_AFTER_MS
        return [self._sample(is_open=False)]

    def _sample(self, *, is_open: bool) -> Sample:
        rule, issued_ms = self._condition.rule, self._issued_ms
        verdict = verdict_of(self._best, rule.above, rule.below, rule.clear_at)
        detail = (self._best_ms, self._zone)
        return Sample(issued_ms, issued_ms, issued_ms, self._best, rule.limit, verdict, is_open, detail)
