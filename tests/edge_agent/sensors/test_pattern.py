"""The pattern: on time, in the range, and with a past when one is wanted."""

import time

from edge_agent.sensors.pattern import PatternOptions, PatternSensor
from wattline.config import convert
from wattline.reading import Reading


def sensor_of(**options: int) -> PatternSensor:
    durations = {"interval", "history", "history_interval"}
    table = {key: f"{value}ms" if key in durations else value for key, value in options.items()}
    return PatternSensor("m", convert(table, PatternOptions))


def read_until_live(sensor: PatternSensor) -> list[Reading]:
    readings: list[Reading] = []
    while chunk := sensor.read(0.0):
        readings += chunk
    return readings


def test_the_first_reading_comes_at_once_at_a_multiple_of_the_interval() -> None:
    sensor = sensor_of(quantities=34, interval=3_600_000)
    sensor.open()
    (reading,) = sensor.read(0.0)
    assert reading.t_ms % 3_600_000 == 0
    assert time.time() * 1000 - 3_600_000 <= reading.t_ms <= time.time() * 1000
    assert len(reading.values) == 34
    assert "power_w" in reading.values
    assert sensor.read(0.0) == ()
    sensor.close()


def test_a_history_comes_first_in_the_order_of_time() -> None:
    sensor = sensor_of(quantities=1, interval=3_600_000, history=86_400_000, history_interval=60_000)
    sensor.open()
    readings = read_until_live(sensor)
    sensor.close()
    times = [reading.t_ms for reading in readings]
    assert times == sorted(set(times))
    assert len(times) == 24 * 60 + 1


def test_meters_of_the_same_phase_say_the_same_and_others_do_not() -> None:
    values = []
    for phase in (1, 1, 2):
        sensor = sensor_of(quantities=2, interval=3_600_000, phase=phase)
        sensor.open()
        values.append(sensor.read(0.0)[0].values)
        sensor.close()
    assert values[0] == values[1] != values[2]
