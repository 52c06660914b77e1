"""Replays stored readings from a CSV file, plain or gzip, as if its meter were here.

The file is read as a stream. The place in it is kept durably, after the
readings before it, so that a crash repeats readings and never leaves one out.
"""

import gzip
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import Annotated, Final, Literal, TextIO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from edge_agent.errors import EndOfReadingsError, SensorError
from edge_agent.sensors.replay_csv import SAMPLE_ROWS, RowReader, TableError, TimeReader, Wanted, shift_ms, understand
from wattline.config import DurationMs
from wattline.reading import Reading

_log: Final = logging.getLogger("edge_agent.sensors")

CHUNK_READINGS: Final = 2_000


class ReplayOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The `[meter.options]` of a `replay` meter; only `file` is needed where the columns speak for themselves.

    Attributes:
        file: CSV with a header line; `.gz` is unpacked on the way.
        time_column: Name of the column of times.
        value_column: Name of the column of values.
        quantity: What the values are, such as "energy_kwh" or "power_w".
        columns: Instead of the two: several columns, name to quantity.
        time_format: "auto" (ISO 8601 and "2013-01-01 00:30:00"), "epoch_s",
            "epoch_ms", or a format of strptime.
        timezone: Of times without an offset.
        delimiter: Between columns; found when empty.
        interval: Of amounts; found when 0.
        speed: "real", "max", or how many times faster than real.
        shift_to_now: Move the data by whole weeks so that it ends in the past
            week, or with `history`, goes on from now.
        history: So much of the (shifted) past comes at once, then it is live.
        state_file: Keeps the place; the agent chooses one when empty.
    """

    file: Path
    time_column: str = ""
    value_column: str = ""
    quantity: str = ""
    columns: Mapping[str, str] = {}
    time_format: str = "auto"
    timezone: str = "UTC"
    delimiter: str = ""
    interval: DurationMs = DurationMs(0)
    speed: Literal["real", "max"] | Annotated[float, msgspec.Meta(gt=0)] = "real"
    shift_to_now: bool = False
    history: DurationMs = DurationMs(0)
    state_file: Path | None = None

    def __post_init__(self) -> None:
        """Refuse what no file can satisfy.

        Raises:
            ValueError: The time zone is unknown, or the delimiter is no single character.
        """
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"unknown timezone {self.timezone!r}") from None
        if len(self.delimiter) > 1:
            raise ValueError("delimiter must be one character")


class Place(msgspec.Struct):
    """Where a replay is: everything up to `through_ms` (the file's own times) is in the outbox."""

    file: str
    shift_ms: int
    through_ms: int = 0


class ReplaySensor:
    """Yields the rows of a file at their times.

    Attributes:
        rejected: Rows left out, by reason, since `open`.
    """

    def __init__(self, meter_id: str, options: ReplayOptions) -> None:
        self._meter_id = meter_id
        self._options = options
        self._closed = threading.Event()
        self._rows: Iterator[Reading] = iter(())
        self._text: TextIO | None = None
        self._next: Reading | None = None
        self._place = Place(str(options.file), 0)
        self._yielded = 0
        self._unsafe: deque[tuple[int, int]] = deque()
        self._start_s = 0.0
        self._start_ms = 0
        self._at_once_through_ms = 0
        self.rejected: Mapping[str, int] = {}

    def open(self) -> None:
        """Open the file at the place where the last run left it.

        Raises:
            SensorError: It cannot be read, or its columns are not clear.
        """
        options = self._options
        self._closed.clear()
        self._yielded = 0
        self._unsafe.clear()
        now_ms = time.time_ns() // 1_000_000
        try:
            self._place = self._load_place(now_ms)
            self._rows = self._open_rows()
            self._skip_to_place(now_ms)
        except (OSError, EOFError, TableError, UnicodeDecodeError) as error:
            raise SensorError(f"{options.file}: {error}") from error
        self._start_s = time.monotonic()
        self._start_ms = self._next.t_ms if self._next else 0
        if options.history and options.shift_to_now:
            self._start_ms = max(self._start_ms, now_ms)
            self._at_once_through_ms = now_ms

    def read(self, timeout_s: float) -> Sequence[Reading]:
        """The rows whose time has come.

        Raises:
            EndOfReadingsError: The file is read to its end.
            SensorError: It can no longer be read.
        """
        if self._next is None:
            raise EndOfReadingsError(f"{self._options.file}: the end")
        wait_s = self._wait_s(self._next)
        if wait_s > 0:
            self._closed.wait(min(wait_s, timeout_s))
            if wait_s > timeout_s or self._closed.is_set():
                return ()
        try:
            return self._due()
        except (OSError, EOFError, UnicodeDecodeError) as error:
            raise SensorError(f"{self._options.file}: {error}") from error

    def committed(self, readings: int) -> None:
        """Keep the place of a reading that is safe, for the next start."""
        through_ms = 0
        while self._unsafe and self._unsafe[0][0] <= readings:
            _, through_ms = self._unsafe.popleft()
        if through_ms:
            self._place.through_ms = through_ms
            self._save_place()

    def close(self) -> None:
        """Let go of the file; ends a `read` that waits."""
        self._closed.set()
        text, self._text = self._text, None
        if text is not None:
            text.close()

    def _due(self) -> list[Reading]:
        readings: list[Reading] = []
        while self._next is not None and len(readings) < CHUNK_READINGS:
            if readings and self._wait_s(self._next) > 0:
                break
            readings.append(self._next)
            self._next = next(self._rows, None)
        self._yielded += len(readings)
        self._unsafe.append((self._yielded, readings[-1].t_ms - self._place.shift_ms))
        return readings

    def _wait_s(self, reading: Reading) -> float:
        """How long until a row's time; an amount is known at the end of its interval."""
        speed = self._options.speed
        if speed == "max" or reading.t_ms + reading.interval_ms <= self._at_once_through_ms:
            return 0.0
        factor = 1.0 if speed == "real" else speed
        ahead_s = (reading.t_ms + self._lead_ms(reading) - self._start_ms) / 1000 / factor
        return self._start_s + ahead_s - time.monotonic()

    def _lead_ms(self, reading: Reading) -> int:
        return reading.interval_ms if self._at_once_through_ms else 0

    def _open_rows(self) -> Iterator[Reading]:
        sample, wanted = self._sample(), self._wanted()
        layout = understand(sample, wanted)
        reader = RowReader(self._meter_id, layout, TimeReader(wanted.time_format, wanted.zone))
        self.rejected = reader.bad
        self._text = _open_text(self._options.file)
        next(self._text, None)
        rows = reader.readings(self._text)
        shift = self._place.shift_ms
        if not shift:
            return rows
        return (Reading(row.meter, row.t_ms + shift, row.values, row.interval_ms) for row in rows)

    def _skip_to_place(self, now_ms: int) -> None:
        """Leave out what is safe already and what is older than the history asked for."""
        place, history_ms = self._place, self._options.history
        from_ms = place.through_ms + place.shift_ms + 1 if place.through_ms else 0
        if history_ms and self._options.shift_to_now and not place.through_ms:
            from_ms = now_ms - history_ms
        self._next = next((row for row in self._rows if row.t_ms >= from_ms), None)

    def _sample(self) -> list[str]:
        with closing(_open_text(self._options.file)) as text:
            return list(islice(text, SAMPLE_ROWS))

    def _wanted(self) -> Wanted:
        options = self._options
        return Wanted(
            time_column=options.time_column,
            value_column=options.value_column,
            quantity=options.quantity,
            columns=options.columns,
            delimiter=options.delimiter,
            time_format=options.time_format,
            zone=options.timezone,
            interval_ms=int(options.interval),  # a plain one: readings go to an encoder that knows no other
        )

    def _load_place(self, now_ms: int) -> Place:
        """The kept place, or a new one; a shift once chosen stays, so that a row's time never changes."""
        file = self._options.state_file
        if file is not None and file.is_file():
            try:
                place = msgspec.json.decode(file.read_bytes(), type=Place)
            except (msgspec.MsgspecError, OSError):
                _log.warning("replay_place_unreadable meter=%s file=%s", self._meter_id, file)
            else:
                if place.file == str(self._options.file):
                    return place
        self._place = Place(str(self._options.file), 0)
        if self._options.shift_to_now:
            self._place.shift_ms = self._choose_shift_ms(now_ms)
            self._save_place()
        return self._place

    def _choose_shift_ms(self, now_ms: int) -> int:
        """Reads the whole file once, row by row, for its first and last time."""
        first_ms = last_ms = 0
        with closing(self):
            for row in self._open_rows():
                first_ms, last_ms = first_ms or row.t_ms, row.t_ms + row.interval_ms
        return shift_ms(first_ms, last_ms, now_ms, self._options.history)

    def _save_place(self) -> None:
        file = self._options.state_file
        if file is None:
            return
        part = file.with_name(f"{file.name}.part")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as handle:
                handle.write(msgspec.json.encode(self._place))
                handle.flush()
                os.fsync(handle.fileno())
            part.replace(file)
        except OSError as error:  # after a crash the rows come again, which is harmless
            _log.warning("replay_place_not_kept meter=%s error=%s", self._meter_id, error)


def _open_text(file: Path) -> TextIO:
    if file.suffix == ".gz":
        return TextIOWrapper(gzip.open(file, "rb"), "utf-8-sig", newline="")
    return file.open("r", encoding="utf-8-sig", newline="")


OPTIONS: Final = ReplayOptions
SENSOR: Final = ReplaySensor
