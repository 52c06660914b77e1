"""Reads temperatures in the JSON of Open-Meteo.

```json
{"latitude": 51.5, "longitude": -0.12, "utc_offset_seconds": 0,
 "hourly_units": {"time": "iso8601", "temperature_2m": "°C"},
 "hourly": {"time": ["2026-11-21T00:00", ...], "temperature_2m": [7.9, ...]}}
```

Source: Open-Meteo, "Weather Forecast API": `hourly` and `minutely_15` hold the temperature two metres above ground *at*
each time; times are local to `utc_offset_seconds`, or seconds since 1970 with `timeformat=unixtime`.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta

from cloud_stream.records import Floats, Int64s
from wattline.errors import DecodeError
from wattline.forecasting.port import Floats32

BAD_WEATHER: Final = "bad_weather"
MAX_BYTES: Final = 4 << 20
_MAX_GAP_MS: Final = 3 * 3_600_000
"""Between two times that are further apart nothing is known."""
_MAX_SECONDS: Final = 10**11
_HOTTEST_C: Final = 100.0


class _Block(msgspec.Struct, frozen=True):
    time: list[str | int] = []
    temperature_2m: list[float | None] = []


class _Answer(msgspec.Struct, frozen=True):
    utc_offset_seconds: Annotated[int, Meta(ge=-86_400, le=86_400)] = 0
    hourly: _Block = _Block()
    minutely_15: _Block = _Block()
    hourly_units: dict[str, str] = {}
    minutely_15_units: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Temperatures:
    """Outdoor temperature at one place.

    Attributes:
        t_ms: int64[N], ascending and distinct. temperature_c: float64[N]: at these times; no NaN.
    """

    t_ms: Int64s
    temperature_c: Floats

    def over(self, start_ms: int, interval_ms: int, count: int) -> Floats32:
        """float32[count]: means of intervals in a row, a straight line between two times; NaN where nothing is near."""
        unknown = np.full(count, np.nan, np.float32)
        if len(self.t_ms) < 2:  # noqa: PLR2004 (a line has two ends)
            return unknown
        middle = start_ms + interval_ms // 2 + np.arange(count) * interval_ms
        after = np.clip(np.searchsorted(self.t_ms, middle), 1, len(self.t_ms) - 1)
        early, late = self.t_ms[after - 1], self.t_ms[after]
        # A forecast ends at the start of its last hour: half an interval beyond is still that hour's.
        near = (middle >= early) & (middle <= late + interval_ms // 2) & (late - early <= _MAX_GAP_MS)
        line = np.interp(middle, self.t_ms, self.temperature_c)
        return np.where(near, line.astype(np.float32), unknown)


def read_weather(body: bytes) -> Temperatures:
    """Read an answer.

    Args:
        body: JSON; `minutely_15` is used beside `hourly` where both are given.

    Raises:
        DecodeError: `bad_weather`: it is no such JSON, holds no temperatures, or impossible ones.
    """
    if len(body) > MAX_BYTES:
        raise DecodeError(BAD_WEATHER, f"larger than {MAX_BYTES} bytes")
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(BAD_WEATHER, str(error)[:200]) from None
    found: dict[int, float] = {}
    for block, units in ((answer.hourly, answer.hourly_units), (answer.minutely_15, answer.minutely_15_units)):
        found |= _read(block, units.get("temperature_2m", "°C"), answer.utc_offset_seconds)
    if not found:
        raise DecodeError(BAD_WEATHER, "no temperature_2m in it")
    times = sorted(found)
    return Temperatures(np.array(times, np.int64), np.array([found[t_ms] for t_ms in times], np.float64))


def _read(block: _Block, unit: str, offset_s: int) -> dict[int, float]:
    if len(block.time) != len(block.temperature_2m):
        raise DecodeError(BAD_WEATHER, f"{len(block.time)} times and {len(block.temperature_2m)} temperatures")
    found = {}
    for time, value in zip(block.time, block.temperature_2m, strict=True):
        if value is None:
            continue
        celsius = (value - 32) / 1.8 if unit == "°F" else value
        if not abs(celsius) <= _HOTTEST_C:
            raise DecodeError(BAD_WEATHER, f"{value} {unit} at {time}")
        found[_t_ms(time, offset_s)] = celsius
    return found


def _t_ms(time: str | int, offset_s: int) -> int:
    if isinstance(time, int):
        if abs(time) > _MAX_SECONDS:
            raise DecodeError(BAD_WEATHER, f"the time {time}")
        return time * 1000
    try:
        told = datetime.fromisoformat(time)
    except ValueError:
        raise DecodeError(BAD_WEATHER, f"the time {time[:40]!r}") from None
    seconds = told.timestamp() if told.tzinfo else told.replace(tzinfo=UTC).timestamp() - offset_s
    if not math.isfinite(seconds):
        raise DecodeError(BAD_WEATHER, f"the time {time[:40]!r}")
    return round(seconds * 1000)
