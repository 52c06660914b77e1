"""Fetches the weather of every place, for the flow (as files) and for everybody else (as points of the store).

A place whose server does not answer keeps its old file: forecasts grow less sure of it by themselves, and do without
after `[weather].stale_after`.
"""

import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cloud_stream.config import CloudConfig
from cloud_stream.config_sections import WeatherConfig
from cloud_stream.errors import StoreError
from cloud_stream.forecast.weather_reading import MAX_BYTES, read_weather
from cloud_stream.jobs.errors import FetchError, JobError
from cloud_stream.jobs.job import Job
from cloud_stream.jobs.memory import write_whole
from cloud_stream.jobs.places import Place, places_of, sites_without_place
from cloud_stream.jobs.weather_points import Answer, changed_points
from cloud_stream.jobs.web import get
from cloud_stream.ports import Store
from cloud_stream.sites import load_sites
from cloud_stream.stores import open_store
from cloud_stream.weather_files import place_file_name
from wattline.backoff import Backoff
from wattline.errors import ConfigError, DecodeError

_log: Final = logging.getLogger("cloud_stream.jobs")
ATTEMPTS: Final = 3
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 10.0
MAX_FAILED_PLACES: Final = 5
"""After so many in a row the server is taken to be away, and the others are left for the next attempt."""
FRESH_SHARE: Final = 0.5
"""An answer younger than this share of the refresh is not asked for again, when a failed run is tried again."""
POINTS_AT_ONCE: Final = 5_000
STORED: Final = "weather-stored"
"""Folder of the answers whose points are in the store."""
TIMEOUT_S: Final = 3600.0


def weather_job(config: CloudConfig) -> Job | None:
    """The job that a configuration asks for; None without weather.

    Raises:
        ConfigError: The url or the sites file cannot be used.
    """
    if config.weather is None or not (config.weather.url or config.weather.file):
        return None
    check_url(config.weather.url)
    load_sites(config.sites.file)
    refresh = WeatherRefresh(config)
    return Job("weather", config.weather.refresh, refresh.run, timeout_s=TIMEOUT_S)


def check_url(url: str) -> None:
    """Refuse a url that cannot be asked; "" is none.

    Raises:
        ConfigError: It is no http(s) url, or other places than those that the file names would be asked for.
    """
    if not url:
        return
    try:
        filled = urlsplit(fill(url, (0.0, 0.0)))
        good = filled.scheme in ("http", "https") and bool(filled.hostname) and filled.port != 0
    except ValueError:
        good = False
    if not good:
        raise ConfigError("weather.url", 'expected "https://host/path?latitude={latitude}&longitude={longitude}&..."')
    for name in ("{latitude}", "{longitude}"):
        if name not in url:
            raise ConfigError("weather.url", f"does not say where {name} goes")


def fill(url: str, place: Place) -> str:
    """The url of one place. Nothing else in braces is touched."""
    return url.replace("{latitude}", f"{place[0]:.2f}").replace("{longitude}", f"{place[1]:.2f}")


class WeatherRefresh:
    """One refresh of all places at each run.

    Args:
        config: Of the cloud; the sites file is read at each run.
        fetch: From a url to the body.
        pause: Sleeps for some seconds.
        open_store: Makes the store that gets the points.

    Attributes:
        counts: `fetched`, `fetch_failures`, `unreadable`, `skipped` places, `points` stored, `refused_points`,
            `store_failures`.
    """

    def __init__(
        self,
        config: CloudConfig,
        fetch: Callable[[str], bytes] = get,
        pause: Callable[[float], None] = time.sleep,
        open_store: Callable[[], Store] | None = None,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._config = config
        self._weather = config.weather or WeatherConfig()
        self._fetch = fetch
        self._pause = pause
        self._open_store = open_store or (lambda: open_store_of(config))
        self._stored = config.flow.recovery_dir / "jobs" / STORED

    def run(self, now_ms: int) -> None:
        """Fetch what is old, keep it, and store what is new of it.

        Raises:
            JobError: Some place was not refreshed, or the store was away; the next run does what is left.
            ConfigError: The sites file cannot be used any more.
        """
        sites = load_sites(self._config.sites.file)
        places = places_of(sites) if self._weather.url else {}
        failures = self._refresh(places, now_ms)
        answers = {self._weather.dir / place_file_name(*place): ids for place, ids in places.items()}
        if self._weather.file is not None:
            answers[self._weather.file] = sites_without_place(sites)
        problems = [*failures, *self._store(answers)]
        self._report(answers, now_ms)
        if problems:
            raise JobError("; ".join(problems[:3]))

    def _refresh(self, places: Mapping[Place, Sequence[str]], now_ms: int) -> list[str]:
        """Fetch the places, the one with the oldest answer first; returns what went wrong."""
        ages_s = {place: age_s(self._weather.dir / place_file_name(*place), now_ms) for place in places}
        # What a clock that was ahead has written is not fresh until that time has come.
        fresh_s = FRESH_SHARE * self._weather.refresh.seconds
        due = [place for place in places if not -fresh_s < ages_s[place] < fresh_s]
        due.sort(key=lambda place: -ages_s[place])
        problems: list[str] = []
        in_a_row = 0
        for number, place in enumerate(due):
            if in_a_row == MAX_FAILED_PLACES:
                self.counts["skipped"] += len(due) - number
                break
            problem = self._refresh_place(place)
            in_a_row = in_a_row + 1 if problem else 0
            if problem:
                problems.append(problem)
                _log.warning("weather_not_fetched place=%s problem=%r", place_file_name(*place), problem)
        return problems

    def _refresh_place(self, place: Place) -> str:
        """Get one place's answer into its file; returns what went wrong, "" for nothing."""
        backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        url = fill(self._weather.url, place)
        problem = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                self._pause(backoff.next_s())
            try:
                body = self._fetch(url)
                read_weather(body)
            except FetchError as error:
                self.counts["fetch_failures"] += 1
                problem = str(error)
            except DecodeError as error:
                self.counts["unreadable"] += 1
                return f"the answer is no weather: {error}"
            else:
                return self._keep(place, body)
        return problem

    def _keep(self, place: Place, body: bytes) -> str:
        try:
            self._weather.dir.mkdir(parents=True, exist_ok=True)
            write_whole(self._weather.dir / place_file_name(*place), body)
        except OSError as error:
            return f"{self._weather.dir}: {error.strerror or error}"
        self.counts["fetched"] += 1
        return ""

    def _store(self, answers: Mapping[Path, Sequence[str]]) -> list[str]:
        """Store what answers say anew since the store last took them; returns what went wrong."""
        try:
            with closing(self._open_store()) as store:
                store.prepare()
                for file, sites in answers.items():
                    self._store_one(store, file, sites)
        except (StoreError, OSError) as error:
            self.counts["store_failures"] += 1
            return [f"store: {error}"]
        return []

    def _store_one(self, store: Store, file: Path, sites: Sequence[str]) -> None:
        # A file of the user's own may have any name.
        stored = self._stored / (file.name if file.parent == self._weather.dir else f"own-{file.name}")
        new, old = _answer(file), _answer(stored)
        if new is None or (old is not None and new.body == old.body):
            return
        try:
            points = list(changed_points(new, old, sites))
        except DecodeError as error:
            self.counts["unreadable"] += 1
            _log.warning("weather_unreadable file=%s problem=%r", file.name, str(error))
            return
        for start in range(0, len(points), POINTS_AT_ONCE):
            refused = store.write((), points[start : start + POINTS_AT_ONCE])
            self.counts["refused_points"] += len(refused)
        self.counts["points"] += len(points)
        self._stored.mkdir(parents=True, exist_ok=True)
        write_whole(stored, new.body)
        os.utime(stored, ns=(new.issued_ms * 1_000_000,) * 2)

    def _report(self, answers: Mapping[Path, Sequence[str]], now_ms: int) -> None:
        """Say how old the answers are: what is older than `stale_after` helps no forecast any more."""
        ages_s = [age_s(file, now_ms) for file in answers]
        known_s = [age for age in ages_s if age < float("inf")]
        stale = sum(age > self._weather.stale_after.seconds for age in known_s)
        missing = len(ages_s) - len(known_s)
        level = logging.WARNING if stale or missing else logging.INFO
        places, oldest_s, counts = len(ages_s), max(known_s, default=0.0), dict(self.counts)
        text = "weather_refreshed places=%d stale=%d missing=%d oldest_s=%.0f counts=%s"
        _log.log(level, text, places, stale, missing, oldest_s, counts)


def age_s(file: Path, now_ms: int) -> float:
    """How long ago a file was written; endless when there is none."""
    try:
        return now_ms / 1000 - file.stat().st_mtime
    except OSError:
        return float("inf")


def open_store_of(config: CloudConfig) -> Store:
    """The store that a configuration names."""
    return open_store(config.store)


def _answer(file: Path) -> Answer | None:
    """What is in a file, within bounds, issued when it was written; None when there is none."""
    try:
        with file.open("rb") as opened:
            issued_ms = os.fstat(opened.fileno()).st_mtime_ns // 1_000_000
            return Answer(opened.read(MAX_BYTES + 1), issued_ms)
    except FileNotFoundError:
        return None
