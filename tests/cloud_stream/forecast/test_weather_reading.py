"""Open-Meteo's JSON, right and wrong."""

import json
from math import nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_stream.forecast.weather_reading import MAX_BYTES, read_weather
from wattline.errors import DecodeError

HOUR_MS = 3_600_000
NOON_MS = 1_700_049_600_000
"""2023-11-15T12:00Z."""


def answer(**parts: object) -> bytes:
    hourly = {"time": ["2023-11-15T12:00", "2023-11-15T13:00"], "temperature_2m": [8.0, 10.0]}
    return json.dumps({"latitude": 51.5, "longitude": -0.12, "hourly": hourly, **parts}).encode()


def hourly(*values: float | None, first: int = 12) -> dict[str, object]:
    times = [f"2023-11-15T{first + i:02d}:00" for i in range(len(values))]
    return {"time": times, "temperature_2m": list(values)}


@pytest.mark.parametrize(
    ("body", "noon"),
    [
        (answer(), 8.0),
        (answer(utc_offset_seconds=-3600), nan),
        (answer(utc_offset_seconds=3600), 10.0),
        (answer(hourly={"time": [NOON_MS // 1000], "temperature_2m": [7.0]}), 7.0),
        (answer(hourly={"time": ["2023-11-15T12:00Z"], "temperature_2m": [7.0]}, utc_offset_seconds=3600), 7.0),
        (answer(hourly_units={"temperature_2m": "°F"}, hourly=hourly(50.0)), 10.0),
        (answer(minutely_15={"time": ["2023-11-15T12:00"], "temperature_2m": [8.5]}), 8.5),
    ],
    ids=["utc", "west of Greenwich", "east of it", "seconds", "with a zone", "Fahrenheit", "quarter hours win"],
)
def test_times_and_units(body: bytes, noon: float) -> None:
    told = read_weather(body)
    found = dict(zip(told.t_ms.tolist(), told.temperature_c.tolist(), strict=True))
    assert found.get(NOON_MS, nan) == pytest.approx(noon, nan_ok=True)


def test_an_interval_has_the_temperature_of_its_middle() -> None:
    told = read_weather(answer(hourly=hourly(8.0, 10.0, 10.0)))
    half_hours = told.over(NOON_MS - HOUR_MS // 2, HOUR_MS // 2, 7)
    assert half_hours.tolist() == pytest.approx([nan, 8.5, 9.5, 10, 10, 10, nan], nan_ok=True)
    assert told.over(NOON_MS - HOUR_MS, HOUR_MS, 5).tolist() == pytest.approx([nan, 9, 10, 10, nan], nan_ok=True)


def test_between_hours_that_are_far_apart_nothing_is_known() -> None:
    told = read_weather(answer(hourly=hourly(8.0, None, None, 9.0, None, None, None, 10.0)))
    assert np.isfinite(told.over(NOON_MS, HOUR_MS, 8)).tolist() == [True] * 3 + [False] * 5


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>502 Bad Gateway</html>",
        b'{"error": true, "reason": "Daily API request limit exceeded"}',
        b"[" * 100_000,
        answer(hourly={"time": ["2023-11-15T12:00"], "temperature_2m": []}),
        answer(hourly={"time": ["noon"], "temperature_2m": [1.0]}),
        answer(hourly={"time": [10**30], "temperature_2m": [1.0]}),
        answer(hourly={"time": [10**15], "temperature_2m": [1.0]}),
        answer(hourly={"time": ["2023-11-15T12:00"], "temperature_2m": [999.0]}),
        answer(hourly={"time": ["2023-11-15T12:00"], "temperature_2m": ["warm"]}),
        answer(hourly={"time": ["2023-11-15T12:00"], "temperature_2m": [None]}),
        answer(utc_offset_seconds=10**18),
        b'{"hourly": {"time": ["2023-11-15T12:00"], "temperature_2m": [1e999]}}',
        b" " * (MAX_BYTES + 1),
    ],
)
def test_what_is_no_weather_is_refused_with_a_reason(body: bytes) -> None:
    with pytest.raises(DecodeError, match=r"^bad_weather: ."):
        read_weather(body)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_weather_or_refused(body: bytes) -> None:
    with pytest.raises(DecodeError):
        read_weather(body)
