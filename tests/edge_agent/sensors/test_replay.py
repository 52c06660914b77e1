"""A file replayed: at which times, from which place, and with which file behind it."""

import gzip
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge_agent.errors import EndOfReadingsError, SensorError
from edge_agent.sensors.replay import ReplayOptions, ReplaySensor
from edge_agent.sensors.replay_csv import WEEK_MS
from wattline.config import convert
from wattline.errors import ConfigError
from wattline.reading import Reading
from wattline.wire import Frame

T0 = 1_700_000_000_000
HOUR_MS = 3_600_000


def write_csv(folder: Path, rows: int, step_ms: int = 1_000) -> Path:
    file = folder / "meter.csv"
    file.write_text("t,power_w\n" + "".join(f"{T0 + n * step_ms},{n}\n" for n in range(rows)))
    return file


def sensor_of(file: Path, **options: object) -> ReplaySensor:
    table = {"file": str(file), "speed": "max", "time_format": "epoch_ms", "time_column": "t"} | options
    return ReplaySensor("m", convert(table, ReplayOptions))


def read_all(sensor: ReplaySensor) -> list[Reading]:
    readings: list[Reading] = []
    try:
        while True:
            readings += sensor.read(1.0)
    except EndOfReadingsError:
        return readings


def open_and_read_all(sensor: ReplaySensor) -> None:
    sensor.open()
    read_all(sensor)


def test_plain_and_packed_files_give_the_same(tmp_path: Path) -> None:
    file = write_csv(tmp_path, 5_000)
    packed = tmp_path / "meter.csv.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    results = []
    for each in (file, packed):
        sensor = sensor_of(each)
        sensor.open()
        results.append(read_all(sensor))
        sensor.close()
    assert results[0] == results[1]
    assert [reading.t_ms for reading in results[0]] == [T0 + n * 1_000 for n in range(5_000)]


def test_after_a_crash_it_goes_on_behind_what_was_safe(tmp_path: Path) -> None:
    file, state = write_csv(tmp_path, 10_000), str(tmp_path / "state" / "m.json")
    crashed = sensor_of(file, state_file=state)
    crashed.open()
    chunks = [crashed.read(1.0) for _ in range(3)]
    crashed.committed(len(chunks[0]) + len(chunks[1]) + 5)  # in the middle of the third: it does not count
    crashed.close()
    resumed = sensor_of(file, state_file=state)
    resumed.open()
    assert read_all(resumed)[0] == chunks[2][0]
    resumed.close()


def test_nothing_safe_means_from_the_start(tmp_path: Path) -> None:
    file, state = write_csv(tmp_path, 10), str(tmp_path / "m.json")
    for _ in range(2):
        sensor = sensor_of(file, state_file=state)
        sensor.open()
        assert len(read_all(sensor)) == 10
        sensor.close()


@pytest.mark.parametrize("content", [b"", b"{", b'{"file":"another.csv","shift_ms":5,"through_ms":9}'])
def test_a_place_that_is_not_ours_is_ignored(tmp_path: Path, content: bytes) -> None:
    file, state = write_csv(tmp_path, 10), tmp_path / "m.json"
    state.write_bytes(content)
    sensor = sensor_of(file, state_file=str(state))
    sensor.open()
    assert len(read_all(sensor)) == 10
    sensor.close()


def test_a_shift_once_chosen_stays_for_ever(tmp_path: Path) -> None:
    file, state = write_csv(tmp_path, 10), tmp_path / "m.json"
    state.write_text(f'{{"file":"{file}","shift_ms":{WEEK_MS},"through_ms":0}}')
    sensor = sensor_of(file, state_file=str(state), shift_to_now=True)
    sensor.open()
    assert read_all(sensor)[0].t_ms == T0 + WEEK_MS
    sensor.close()


def test_old_data_is_moved_to_the_past_week(tmp_path: Path) -> None:
    sensor = sensor_of(write_csv(tmp_path, 10), shift_to_now=True)
    sensor.open()
    readings = read_all(sensor)
    sensor.close()
    now_ms = time.time_ns() // 1_000_000
    assert now_ms - WEEK_MS <= readings[-1].t_ms <= now_ms
    assert (readings[0].t_ms - T0) % WEEK_MS == 0
    assert len(readings) == 10


def test_a_history_comes_at_once_and_the_rest_waits_for_its_time(tmp_path: Path) -> None:
    file = write_csv(tmp_path, 24 * 60, HOUR_MS)
    sensor = sensor_of(file, speed="real", shift_to_now=True, history="14d")
    sensor.open()
    readings: list[Reading] = []
    while chunk := sensor.read(0.0):
        readings += chunk
    sensor.close()
    now_ms = time.time_ns() // 1_000_000
    assert now_ms - 14 * 24 * HOUR_MS <= readings[0].t_ms < now_ms - 14 * 24 * HOUR_MS + HOUR_MS
    assert now_ms - HOUR_MS < readings[-1].t_ms <= now_ms


def test_faster_than_real_gives_what_has_come_due(tmp_path: Path) -> None:
    sensor = sensor_of(write_csv(tmp_path, 50, 1_000), speed=1_000.0)
    sensor.open()
    assert [reading.values["power_w"] for reading in read_all(sensor)] == list(range(50))
    sensor.close()


def test_in_real_time_the_second_reading_is_not_there_at_once(tmp_path: Path) -> None:
    sensor = sensor_of(write_csv(tmp_path, 3, HOUR_MS), speed="real")
    sensor.open()
    assert len(sensor.read(0.0)) == 1
    assert sensor.read(0.0) == ()
    sensor.close()


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("absent.csv", None, "No such file"),
        ("broken.csv.gz", b"no gzip", "gzip"),
        ("cut.csv.gz", gzip.compress(b"t,power_w\n" + b"1700000000000,1\n" * 9_999, mtime=0)[:50], "ended"),
        ("binary.csv", b"\xff\xfe\x00", "utf-8"),
        ("empty.csv", b"", "empty"),
        ("other.csv", b"a,b\n1,2\n", "no column 't'"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_sensor_error(
    tmp_path: Path, name: str, content: bytes | None, problem: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    sensor = sensor_of(tmp_path / name)
    with pytest.raises(SensorError, match=problem):
        open_and_read_all(sensor)
    sensor.close()


@pytest.mark.parametrize(
    "options", [{"timezone": "Mars/Olympus"}, {"delimiter": ",,"}, {"speed": "slow"}, {"speed": 0.0}, {"interval": 5}]
)
def test_options_no_file_can_satisfy_are_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        sensor_of(tmp_path / "a.csv", **options)


def test_every_london_home_needs_no_option_but_its_file(corpus: Path) -> None:
    homes = sorted((corpus / "forecast" / "london_lcl" / "homes").glob("*.csv.gz"))
    assert len(homes) == 30
    for home in homes[:6]:
        sensor = ReplaySensor("m", ReplayOptions(file=home, speed="max"))
        sensor.open()
        readings = read_all(sensor)
        sensor.close()
        assert {reading.interval_ms for reading in readings} == {HOUR_MS // 2}
        assert {name for reading in readings for name in reading.values} == {"energy_kwh"}
        rows = len(gzip.decompress(home.read_bytes()).splitlines()) - 1
        assert len(readings) + sum(sensor.rejected.values()) == rows
        assert len(readings) > rows * 0.99


def test_an_interval_from_the_file_of_the_agent_can_be_sent(tmp_path: Path) -> None:
    file = tmp_path / "meter.csv"
    file.write_text(f"t,energy_kwh\n{T0},0.25\n")
    sensor = sensor_of(file, interval="30m")
    sensor.open()
    (reading,) = read_all(sensor)
    sensor.close()
    frame = Frame("m", [reading.t_ms], {"energy_kwh": [0.25]}, reading.interval_ms)
    assert msgspec.json.decode(msgspec.json.encode(frame))["interval_ms"] == HOUR_MS // 2
