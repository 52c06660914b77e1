"""Weather from files that somebody else keeps new: `[weather].dir`, a file a place, and `[weather].file`."""

import logging
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from cloud_stream.config_sections import WeatherConfig
from cloud_stream.forecast.weather_reading import MAX_BYTES, Temperatures, read_weather
from cloud_stream.sites import Site
from cloud_stream.weather_files import place_file_name
from wattline.errors import DecodeError
from wattline.forecasting.port import Floats32

_log: Final = logging.getLogger("cloud_stream.forecast")
LOOK_EVERY_MS: Final = 1000
THE_FILE: Final = "file"
"""The place of sites without coordinates of their own."""


@dataclass(slots=True)
class _Kept:
    """What was last seen of a file.

    Attributes:
        looked_ms: When. version: which file it was; None when there was none.
        written_ms: When it was written, ms UTC.
        told: What it says; None when it cannot be read.
    """

    looked_ms: int
    version: tuple[int, int, int] | None = None
    written_ms: int = 0
    told: Temperatures | None = None


class WeatherFolder:
    """The `Weather` port over files in Open-Meteo's JSON; each is looked at once a second at most.

    Args:
        config: Which files, and when they are too old.

    Attributes:
        counts: `read_files`, `bad_files`.
    """

    def __init__(self, config: WeatherConfig) -> None:
        self.counts: Counter[str] = Counter()
        self._config = config
        self._kept: dict[str, _Kept] = {}

    def place_of(self, site: Site) -> str:
        """See `Weather`."""
        if site.latitude is not None and site.longitude is not None:
            return place_file_name(site.latitude, site.longitude)
        return THE_FILE if self._config.file is not None else ""

    def temperature_c(self, place: str, start_ms: int, interval_ms: int, count: int, now_ms: int) -> Floats32:
        """See `Weather`."""
        kept = self._looked_at(place, now_ms)
        fresh = now_ms - kept.written_ms <= self._config.stale_after
        if kept.told is None or not fresh:
            return np.full(count, np.nan, np.float32)
        return kept.told.over(start_ms, interval_ms, count)

    def _looked_at(self, place: str, now_ms: int) -> _Kept:
        kept = self._kept.get(place)
        if kept is None or not 0 <= now_ms - kept.looked_ms < LOOK_EVERY_MS:
            kept = self._kept[place] = self._read_again(place, kept, now_ms)
        return kept

    def _read_again(self, place: str, before: _Kept | None, now_ms: int) -> _Kept:
        path, version = self._path(place), None
        try:
            about = path.stat()
            version = (about.st_mtime_ns, about.st_size, about.st_ino)
            if before is not None and version == before.version:
                before.looked_ms = now_ms
                return before
            with path.open("rb") as file:
                told = read_weather(file.read(MAX_BYTES + 1))
        except FileNotFoundError:
            return _Kept(now_ms)
        except (OSError, DecodeError) as error:
            self.counts["bad_files"] += 1
            _log.warning("weather_unreadable file=%s error=%s", path, error)
            # What was read before holds until it is stale; the same bad file is not read again.
            return replace(before or _Kept(now_ms), looked_ms=now_ms, version=version)
        self.counts["read_files"] += 1
        return _Kept(now_ms, version, about.st_mtime_ns // 1_000_000, told)

    def _path(self, place: str) -> Path:
        if place == THE_FILE and self._config.file is not None:
            return self._config.file
        return self._config.dir / place
