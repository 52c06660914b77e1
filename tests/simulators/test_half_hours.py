"""A simulated home as a file of half hours, in the layout of the London homes."""

import csv
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from edge_agent.errors import EndOfReadingsError
from edge_agent.sensors.replay import ReplayOptions, ReplaySensor
from simulators.errors import SimulationError
from simulators.half_hours import HALF_HOUR_MS, HEADER, write_half_hours
from simulators.household import Household, HouseholdOptions
from wattline.reading import Reading


def _rows(file: Path) -> list[list[str]]:
    with file.open(newline="") as stream:
        return list(csv.reader(stream))


def _start_ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "home.csv"


@pytest.mark.parametrize("days", [1, 3])
def test_days_end_with_the_last_full_half_hour(file: Path, days: int) -> None:
    before_ms = time.time_ns() // 1_000_000
    assert write_half_hours(file, 5, days) == days * 48
    after_ms = time.time_ns() // 1_000_000
    header, *rows = _rows(file)
    assert tuple(header) == HEADER
    starts = [_start_ms(when) for _, when, _ in rows]
    assert np.diff(starts).tolist() == [HALF_HOUR_MS] * (days * 48 - 1)
    assert before_ms - HALF_HOUR_MS < starts[-1] + HALF_HOUR_MS <= after_ms
    assert {name for name, _, _ in rows} == {"SIM000005"}


def test_what_is_written_is_what_the_home_used(file: Path) -> None:
    write_half_hours(file, 5, 2)
    rows = _rows(file)[1:]
    starts = np.array([_start_ms(when) for _, when, _ in rows], np.int64)
    home = Household(HouseholdOptions(seed=5, origin_ms=int(starts[0])))
    register = home.electricity(np.append(starts, starts[-1] + HALF_HOUR_MS))["energy_import_kwh"]
    written = [float(kwh) for _, _, kwh in rows]
    assert written == pytest.approx(np.diff(register), abs=0.00051)
    assert min(written) >= 0
    assert max(written) > 0


def test_seeds_are_different_homes(tmp_path: Path) -> None:
    for seed in (1, 2):
        write_half_hours(tmp_path / f"{seed}.csv", seed, 1)
    values = [[row[2] for row in _rows(tmp_path / f"{seed}.csv")[1:]] for seed in (1, 2)]
    assert values[0] != values[1]


def test_replay_reads_it_without_further_options(file: Path) -> None:
    write_half_hours(file, 5, 1)
    sensor = ReplaySensor("home", ReplayOptions(file=file, speed="max"))
    sensor.open()
    readings: list[Reading] = []
    while len(readings) < 48:
        readings += sensor.read(1.0)
    with pytest.raises(EndOfReadingsError):
        sensor.read(1.0)
    sensor.close()
    assert [(one.t_ms, one.values["energy_kwh"], one.interval_ms) for one in readings] == [
        (_start_ms(when), float(kwh), HALF_HOUR_MS) for _, when, kwh in _rows(file)[1:]
    ]


def test_a_place_that_cannot_be_written_is_a_readable_error(tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match=r"nowhere/home.csv: No such file or directory"):
        write_half_hours(tmp_path / "nowhere" / "home.csv", 1, 1)
