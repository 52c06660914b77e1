"""A picture of what drives one site: daily use against temperature with its fit, and the course of the day."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from cloud_stream.correlation.drivers import hour_profile, temperature_finding
from cloud_stream.correlation.history import History, day_sums

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK: Final = "#22313f"
_WEEKDAY: Final = "#2f6f9f"
_WEEKEND: Final = "#d98324"
_FIT: Final = "#b03a2e"
_SATURDAY: Final = 5


def draw(history: History, title: str, file: Path) -> None:
    """Write the picture as PNG.

    Raises:
        OSError: The file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 4.2), dpi=130, layout="constrained")
    scatter, profile = figure.subplots(1, 2, width_ratios=(1.25, 1))
    _scatter(scatter, history)
    _profile(profile, history)
    figure.suptitle(title, color=_INK, fontsize=11, x=0.01, ha="left")
    for axes in (scatter, profile):
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_ylim(bottom=0)
    figure.savefig(file, format="png")


def _scatter(axes: "Axes", history: History) -> None:
    energy, warmth = day_sums(history.span, history.energy_kwh), history.temperature_c
    weekend = history.span.weekday >= _SATURDAY
    for chosen, colour, label in ((~weekend, _WEEKDAY, "weekdays"), (weekend, _WEEKEND, "weekends")):
        axes.scatter(warmth[chosen], energy[chosen], s=18, color=colour, alpha=0.75, linewidths=0, label=label)
    found, fit = temperature_finding(history)
    if fit is not None and found.r is not None:
        line = np.linspace(np.nanmin(warmth), np.nanmax(warmth), 200)
        axes.plot(line, fit.at(line), color=_FIT, linewidth=2, label=f"fit: R² {fit.r2:.2f}, r {found.r:+.2f}")
        for balance_c in (fit.heated_below_c, fit.cooled_above_c):
            if balance_c is not None:
                axes.axvline(balance_c, color=_FIT, linewidth=0.8, linestyle=":")
    elif found.note:
        axes.text(0.5, 0.5, found.note, transform=axes.transAxes, ha="center", color=_INK, wrap=True)
    axes.set_xlabel("mean outdoor temperature of the day, °C")
    axes.set_ylabel("use of the day, kWh")
    if np.isfinite(energy + warmth).any():
        axes.legend(frameon=False, fontsize=8)


def _profile(axes: "Axes", history: History) -> None:
    profile = hour_profile(history)
    axes.bar(np.arange(24) + 0.5, np.nan_to_num(profile), width=0.85, color=_WEEKDAY)
    axes.set_xlabel("local hour")
    axes.set_ylabel("mean use of an hour, kWh")
    axes.set_xticks(range(0, 25, 6))
    axes.set_xlim(0, 24)
