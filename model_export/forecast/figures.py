"""The figures of a trial."""

from typing import Any, Final

import numpy as np

from model_export.forecast.evaluation import LOWER, MEAN, MIDDLE, UPPER, ByLead, Trial
from wattline.forecasting.port import Bools, Floats32

_LEADS_H: Final = (1, 3, 6, 12, 24, 36, 48)


def figures_of(trial: Trial) -> dict[str, Any]:
    """All figures of a trial, for JSON."""
    return {
        "day_ahead": way_figures(trial, trial.day_ahead),
        "midnight": way_figures(trial, trial.midnight),
        "by_lead_h": lead_figures(trial.by_lead, trial.table.per_day // 24),
        "by_model": round(trial.by_model, 4),
    }


def way_figures(trial: Trial, said: Floats32) -> dict[str, Any]:
    """Of one way to be a day ahead, over all series and intervals that it, the truth and the week before are known for.

    `mae_ratio` is the sum of absolute errors against that of the same time a week before (micro average);
    `bias` of the mean and `middle_bias` of the middle are relative to what was used.
    """
    truth, before = trial.truth, trial.before
    known = np.isfinite(truth) & np.isfinite(before) & np.isfinite(said[MIDDLE])
    if not known.any():
        return {"intervals": 0}
    y, middle, mean = (table[known].astype(np.float64) for table in (truth, said[MIDDLE], said[MEAN]))
    week = before[known].astype(np.float64)
    error, error_before = np.abs(middle - y), np.abs(week - y)
    positive = y > 0
    inside = (truth >= said[LOWER]) & (truth <= said[UPPER]) & known
    return {
        "intervals": int(known.sum()),
        "mae_kwh": _rounded(error.mean()),
        "mae_ratio": _ratio(error.sum(), error_before.sum()),
        "rmse_ratio": _ratio(np.sqrt(np.square(mean - y).mean()), np.sqrt(np.square(week - y).mean())),
        "mape": _ratio((error[positive] / y[positive]).mean(), 1),
        "mape_week_before": _ratio((error_before[positive] / y[positive]).mean(), 1),
        "wape": _ratio(error.sum(), np.abs(y).sum()),
        "bias": _ratio((mean - y).sum(), np.abs(y).sum()),
        "middle_bias": _ratio((middle - y).sum(), np.abs(y).sum()),
        "coverage": _ratio(inside.sum(), known.sum()),
        "coverage_of_series": _spread(inside, known),
        "band_kwh": _rounded((said[UPPER] - said[LOWER])[known].mean()),
        "daily_r2": daily_r2(trial, said[MEAN]),
        "daily_r2_week_before": daily_r2(trial, before),
    }


def series_ratios(trial: Trial) -> Floats32:
    """Of each series, the ratio of errors a day ahead to those of a week before, float32[N]; NaN where unknown."""
    error = np.abs(trial.day_ahead[MIDDLE] - trial.truth)
    before = np.abs(trial.before - trial.truth)
    known = np.isfinite(error) & np.isfinite(before)
    sums = [np.where(known, part, 0).sum(axis=1) for part in (error, before)]
    return np.where(sums[1] > 0, sums[0] / np.where(sums[1] > 0, sums[1], 1), np.nan).astype(np.float32)


def daily_r2(trial: Trial, said: Floats32) -> float | None:
    """R2 of the sums of whole local days of each series, all days of all series together."""
    truth, day = daily_sums(trial, trial.truth), daily_sums(trial, said)
    known = np.isfinite(truth) & np.isfinite(day)
    if known.sum() < 2:  # noqa: PLR2004 (no spread otherwise)
        return None
    y = truth[known]
    return _ratio(np.square(y - y.mean()).sum() - np.square(y - day[known]).sum(), np.square(y - y.mean()).sum())


def daily_sums(trial: Trial, values: Floats32) -> Floats32:
    """Sums of whole local days, of 23 to 25 hours, float32[N, days]; NaN where a part is missing."""
    calendar, first = trial.table.calendar, trial.table.history + trial.span.begin
    midnights = np.flatnonzero(calendar.minute_of_day[first : first + values.shape[1] + 1] == 0)
    if len(midnights) < 2:  # noqa: PLR2004 (a day is between two)
        return np.empty((len(values), 0), np.float32)
    inside = values[:, midnights[0] : midnights[-1]]
    return np.add.reduceat(inside, midnights[:-1] - midnights[0], axis=1)


def lead_figures(by_lead: ByLead, per_hour: int) -> dict[str, dict[str, float | None]]:
    """By hours ahead: skill against a week before (1 is perfect, 0 as good), coverage, bias of the mean."""
    found = {}
    for hours in _LEADS_H:
        lead = hours * per_hour - 1
        found[str(hours)] = {
            "skill": _ratio(by_lead.before[lead] - by_lead.error[lead], by_lead.before[lead]),
            "coverage": _ratio(by_lead.inside[lead], by_lead.count[lead]),
            "bias": _ratio(by_lead.above[lead], by_lead.used[lead]),
        }
    return found


def _spread(inside: Bools, known: Bools) -> list[float] | None:
    """Lowest and highest coverage among series."""
    count = known.sum(axis=1)
    if not count.any():
        return None
    shares = inside.sum(axis=1)[count > 0] / count[count > 0]
    return [round(float(shares.min()), 3), round(float(shares.max()), 3)]


def _ratio(part: float, whole: float) -> float | None:
    return _rounded(part / whole) if whole else None


def _rounded(figure: float) -> float:
    return round(float(figure), 4)


def sum_figures(trial: Trial) -> dict[str, Any]:
    """Of the sum of all series of a trial, each forecast for itself, a day ahead."""
    truth, middle, before = (table.sum(axis=0) for table in (trial.truth, trial.day_ahead[MIDDLE], trial.before))
    known = np.isfinite(truth) & np.isfinite(middle) & np.isfinite(before) & (truth > 0)
    if not known.any():
        return {"mape": None}
    y, said, week = (series[known].astype(np.float64) for series in (truth, middle, before))
    return {
        "mape": _rounded(np.abs(said / y - 1).mean()),
        "mape_week_before": _rounded(np.abs(week / y - 1).mean()),
        "mae_ratio": _ratio(np.abs(said - y).sum(), np.abs(week - y).sum()),
        "bias": _ratio((said - y).sum(), y.sum()),
        "members": int(trial.table.members.sum()),
    }
