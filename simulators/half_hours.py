"""A home's half-hourly consumption as a file: input for replay and for training."""

import csv
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np

from simulators.errors import SimulationError
from simulators.household import Household, HouseholdOptions

HALF_HOUR_MS: Final = 1_800_000
_DAY_HALF_HOURS: Final = 48
HEADER: Final = ("LCLid", "tstp", "energy(kWh/hh)")
"""The layout of the London homes, which `sensor = "replay"` reads without further options."""


def write_half_hours(file: Path, seed: int, days: int) -> int:
    """Write the days up to the last full half hour.

    Returns:
        How many rows.

    Raises:
        SimulationError: The file cannot be written.
    """
    end_ms = time.time_ns() // 1_000_000 // HALF_HOUR_MS * HALF_HOUR_MS
    count = days * _DAY_HALF_HOURS
    borders = end_ms + np.arange(-count, 1, dtype=np.int64) * HALF_HOUR_MS
    register = Household(HouseholdOptions(seed=seed, origin_ms=int(borders[0]))).electricity(borders)[
        "energy_import_kwh"
    ]
    used = np.diff(register)
    try:
        with file.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(HEADER)
            for start_ms, kwh in zip(borders[:-1].tolist(), used.tolist(), strict=True):
                when = datetime.fromtimestamp(start_ms / 1000, UTC)
                writer.writerow((f"SIM{seed:06d}", f"{when:%Y-%m-%d %H:%M:%S}", f"{kwh:.3f}"))
    except OSError as error:
        raise SimulationError(f"{file}: {error.strerror}") from error
    return count
