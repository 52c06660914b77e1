"""Weather answers as points of the store: only what an answer says anew."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from cloud_stream.forecast.weather_reading import read_weather
from cloud_stream.records import Point
from wattline.errors import DecodeError

WEATHER: Final = "weather"
MEASURED: Final = "measured"
FORECAST: Final = "forecast"


class Answer(NamedTuple):
    """What a server said, and when: values up to then are taken as measured, later ones as forecast."""

    body: bytes
    issued_ms: int


def changed_points(new: Answer, old: Answer | None, sites: Sequence[str]) -> Iterator[Point]:
    """The points of an answer that an older one did not have, or had with another value.

    Args:
        new: The answer.
        old: The last one of the same place whose points are stored; None without. One that cannot be read is none.
        sites: Whom it is about.

    Raises:
        DecodeError: The new answer cannot be read.
    """
    told = _told(new)
    known = _told_before(old)
    for (source, t_ms), temperature_c in told.items():
        if known.get((source, t_ms)) != temperature_c:
            for site in sites:
                yield Point(
                    WEATHER,
                    {"site": site, "source": source},
                    t_ms,
                    {"temperature_c": temperature_c, "issued_at": new.issued_ms},
                )


def _told(answer: Answer) -> Mapping[tuple[str, int], float]:
    read = read_weather(answer.body)
    return {
        (MEASURED if t_ms <= answer.issued_ms else FORECAST, t_ms): temperature_c
        for t_ms, temperature_c in zip(read.t_ms.tolist(), read.temperature_c.tolist(), strict=True)
    }


def _told_before(answer: Answer | None) -> Mapping[tuple[str, int], float]:
    try:
        return {} if answer is None else _told(answer)
    except DecodeError:
        return {}
