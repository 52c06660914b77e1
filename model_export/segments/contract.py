"""`segments.json`: what a segmentation found, and all that it takes to place a new meter in it."""

from pathlib import Path
from typing import Annotated, Final

import msgspec
import numpy as np

from model_export.errors import DataError
from model_export.segments.profiles import Clock
from wattline.intervals import Floats

VERSION: Final = 1
OTHER: Final = "other"
"""The tag of a meter that is out of reach of every segment."""
OTHER_NAME: Final = "unlike the others"
_MOST_BYTES: Final = 16 << 20

Level = Annotated[float, msgspec.Meta(ge=-1e6, le=1e6)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """One segment.

    Attributes:
        id: Its tag, made of its name; `[a-z0-9-]`.
        name: What a person would call it.
        meters: How many of the meters that were segmented belong to it.
        share: The same as a part of those with a profile.
        workday: The centre's mean rate per interval of a workday, in units of the mean of its week.
        weekend: The same of a weekend day.
    """

    id: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$")]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    meters: Count
    share: Share
    workday: tuple[Level, ...]
    weekend: tuple[Level, ...]


class Segments(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file.

    Attributes:
        version: Of this layout.
        created: ISO 8601.
        interval_ms: Length of the intervals of the profiles.
        time_zone: Whose days they are.
        seed: That k-means started from.
        k: How many segments.
        chosen_by: `silhouette` when k was found, `person` when it was given.
        silhouette: Mean silhouette for each number of segments that was tried.
        reach: Root mean square difference beyond which a profile belongs to no segment.
        data_sha256: Of the profiles and their meters.
        meters: With a profile.
        other: Of these, out of reach.
        excluded: Meters without a profile, by reason.
        segments: In the order to show them.
    """

    version: int
    created: str
    interval_ms: int
    time_zone: str
    seed: int
    k: int
    chosen_by: str
    silhouette: dict[str, float]
    reach: Annotated[float, msgspec.Meta(gt=0.0)]
    data_sha256: str
    meters: Count
    other: Count
    excluded: dict[str, Count]
    segments: Annotated[tuple[Segment, ...], msgspec.Meta(min_length=1, max_length=8)]

    @property
    def clock(self) -> Clock:
        """How the profiles were cut."""
        return Clock(self.interval_ms, self.time_zone)

    @property
    def shapes(self) -> Floats:
        """float64[K, 2, S]: the centres."""
        return np.array([(one.workday, one.weekend) for one in self.segments], np.float64)

    def encode(self) -> bytes:
        """The file."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"


def load_segments(path: Path) -> Segments:
    """Read a `segments.json`.

    Raises:
        DataError: It cannot be read, or is of another version, or its parts do not fit together.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DataError(f"{path}: is too large for a file of segments")
        content = path.read_bytes()
        version = msgspec.json.decode(content, type=_Version).version
        if version != VERSION:
            raise DataError(f"{path}: is of version {version}, this program knows version {VERSION}")
        segments = msgspec.json.decode(content, type=Segments)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{path}: is no file of segments: {error}") from None
    _check(segments, path)
    return segments


class _Version(msgspec.Struct):
    version: int


def _check(segments: Segments, path: Path) -> None:
    try:
        slots = segments.clock.slots
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    ids = [one.id for one in segments.segments]
    if any(len(day) != slots for one in segments.segments for day in (one.workday, one.weekend)):
        raise DataError(f"{path}: expected {slots} values for each day of a segment")
    if len(set(ids)) != len(ids) or OTHER in ids:
        raise DataError(f"{path}: the ids of segments must differ, and none be {OTHER!r}")
