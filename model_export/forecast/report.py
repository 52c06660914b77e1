"""One page about a trial of forecasters: figures, pictures, and how to make it again."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from model_export.forecast.evaluation import LOWER, MIDDLE, UPPER, Trial
from model_export.forecast.figures import daily_sums, series_ratios
from model_export.report.drawing import COLOURS, INK, sheet
from model_export.report.page import (
    Row,
    command_line,
    heading,
    number,
    page,
    paragraph,
    picture,
    pictures,
    section,
    table,
)
from model_export.report.ticks import ticks
from wattline.forecasting.port import BAND, Floats32

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHOWN_DAYS: Final = 5
_SHOWN_SERIES: Final = 4
_DAY_MS: Final = 86_400_000
_WAYS: Final = {"day_ahead": "exactly 24 h ahead", "midnight": "at the midnight before"}


def forecast_page(command: str, created: str, figures: Mapping[str, Any], trials: Sequence[Trial]) -> str:
    """The page.

    Args:
        command: The command line that makes it again.
        created: When, ISO 8601.
        figures: As `--json` prints them.
        trials: What to draw: single homes, then sums, where there are such.
    """
    title = f"Forecasts: {figures['dataset']}"
    words = f"{figures['meters']} meters, {figures['interval']} intervals, tested {' to '.join(figures['tested'])}."
    parts = [heading(title, level=1), paragraph(f"{words} Made {created[:16].replace('T', ' ')} UTC.", "soft")]
    parts.append(paragraph(verdict(figures), "verdict"))
    parts.append(section("figures", "Figures", _tables(figures)))
    for trial, name in zip(trials, ("Homes", "Sums of homes"), strict=False):
        parts.append(section(name.split()[0].lower(), name, [pictures(_pictures(trial))]))
    parts.append(section("again", "Make it again", [command_line(command)]))
    return page(title, parts)


def verdict(figures: Mapping[str, Any]) -> str:
    """The result in a sentence or two."""
    ratio, coverage = figures["mae_ratio"], figures["coverage"]
    if ratio is None:
        return "Nothing could be compared."
    said = f"A day ahead, the errors are {ratio:.1%} of those of the same time a week before, without weather."
    return f"{said} The band held {coverage:.1%} of what came true; it is meant to hold {BAND:.0%}."


def _tables(figures: Mapping[str, Any]) -> Iterator[str]:
    ways = {words: figures[way] for way, words in _WAYS.items()}
    warm = figures.get("with_measured_weather")
    if warm:
        ways |= {f"{words}, weather as measured": warm[way] for way, words in _WAYS.items()}
    yield _side_by_side(ways)
    summed = figures.get("sum")
    if summed:
        halves, whole = (summed[way]["day_ahead"] for way in ("halves", "whole_by_time_only"))
        yield heading("Sums, each forecast for itself, a day ahead")
        yield paragraph(
            f"The sum of all {summed['members']} homes that are known throughout, put together of two halves that were "
            f"each forecast by a model of the other half: MAPE {summed['mape']:.1%}, of a week before "
            f"{summed['mape_week_before']:.1%}."
        )
        yield _side_by_side({"each half": halves, "all, model of the same homes earlier": whole})


def _side_by_side(ways: Mapping[str, Mapping[str, Any]]) -> str:
    names = [name for name in next(iter(ways.values())) if name != "intervals"]
    rows = [Row((name.replace("_", " "), *(_cell(way.get(name)) for way in ways.values()))) for name in names]
    return table(("figure", *ways), rows)


def _cell(figure: float | list[float] | None) -> str:
    """A figure, or the lowest and highest of some."""
    if isinstance(figure, list):
        return " to ".join(number(one) for one in figure)
    return number(figure)


def _pictures(trial: Trial) -> Iterator[str]:
    for row in _typical(trial):
        yield picture(_week(trial, row), trial.table.names[row], "kWh an interval: true, middle and band a day ahead")
    yield picture(_errors(trial), "Error by lead", "against the same time a week before")
    yield picture(_calibration(trial), "Band by lead", f"share of truths inside; meant: {BAND:.0%}")
    yield picture(_days(trial), "Days", "sums of days: true against forecast, kWh")


def _typical(trial: Trial) -> list[int]:
    """Series from the best to the worst forecast one."""
    ratio = series_ratios(trial)
    usable = np.argsort(ratio)[: int(np.isfinite(ratio).sum())]
    places = np.linspace(0, len(usable) - 1, min(_SHOWN_SERIES, len(usable))).astype(int)
    return [int(row) for row in usable[places]]


def _week(trial: Trial, row: int) -> str:
    per_day = trial.table.per_day
    known = np.isfinite(trial.truth[row]) & np.isfinite(trial.day_ahead[MIDDLE, row])
    begin = max(int(known.sum() and np.flatnonzero(known)[len(np.flatnonzero(known)) // 2]) // per_day * per_day, 0)
    part = slice(begin, begin + _SHOWN_DAYS * per_day)
    start_ms = (
        trial.table.start_ms + (trial.span.begin + np.arange(trial.truth.shape[1])[part]) * trial.table.interval_ms
    )
    time = start_ms / _DAY_MS
    with sheet() as drawn:
        [axes] = drawn.axes(2.2)
        band = trial.day_ahead[:, row, part]
        axes.fill_between(time, band[LOWER], band[UPPER], color=COLOURS[0], alpha=0.25, linewidth=0, step="post")
        axes.step(time, band[MIDDLE], where="post", color=COLOURS[0], label="forecast")
        axes.step(time, trial.truth[row, part], where="post", color=INK, linewidth=0.8, label="true")
        axes.set_ylim(bottom=min(0.0, float(np.nanmin(trial.truth[row, part], initial=0.0))))
        marks = ticks(int(start_ms[0]), int(start_ms[-1]))
        axes.set_xticks([t_ms / _DAY_MS for t_ms, _ in marks], [words for _, words in marks])
        axes.set_xlim(time[0], time[-1])
        axes.legend(loc="upper right", ncols=2)
    return drawn.uri


def _errors(trial: Trial) -> str:
    lead = trial.by_lead
    with sheet() as drawn:
        [axes] = drawn.axes(2.4)
        count = np.maximum(lead.count, 1)
        axes.plot(_hours(trial), lead.before / count, color=COLOURS[1], label="a week before")
        axes.plot(_hours(trial), lead.error / count, color=COLOURS[0], label="forecast")
        axes.set_ylim(bottom=0)
        _leads(axes, "mean absolute error, kWh")
    return drawn.uri


def _calibration(trial: Trial) -> str:
    lead = trial.by_lead
    with sheet() as drawn:
        [axes] = drawn.axes(2.4)
        axes.plot(_hours(trial), 100 * lead.inside / np.maximum(lead.count, 1), color=COLOURS[0], label="inside")
        axes.axhline(100 * BAND, color=INK, linewidth=0.8, linestyle="--", label="meant")
        axes.set_ylim(50, 100)
        _leads(axes, "inside the band, %")
    return drawn.uri


def _days(trial: Trial) -> str:
    truth, said = daily_sums(trial, trial.truth), daily_sums(trial, trial.midnight[3])
    known = np.isfinite(truth) & np.isfinite(said)
    with sheet() as drawn:
        [axes] = drawn.axes(3.0)
        axes.plot(said[known], truth[known], ".", color=COLOURS[0], markersize=2, alpha=0.5)
        top = float(max(truth[known].max(initial=0), said[known].max(initial=0), 1e-9))
        axes.plot((0, top), (0, top), color=INK, linewidth=0.6, linestyle=":")
        axes.set_xlabel("forecast at midnight")
        axes.set_ylabel("true")
    return drawn.uri


def _hours(trial: Trial) -> Floats32:
    return ((np.arange(trial.table.horizon) + 1) * 24 / trial.table.per_day).astype(np.float32)


def _leads(axes: "Axes", label: str) -> None:
    axes.set_xlim(0, 48)
    axes.set_xticks(range(0, 49, 6))
    axes.set_xlabel("hours ahead")
    axes.set_ylabel(label)
    axes.grid()
    axes.legend(loc="lower right")
