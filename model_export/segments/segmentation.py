"""From profiles to segments, and from a new meter to its segment."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec
import numpy as np

from model_export.dataset import MeterSeries
from model_export.errors import DataError
from model_export.segments.clustering import (
    DEFAULT_K,
    KS,
    Clusters,
    best_k,
    cluster,
    coordinates,
    different,
    distances,
    shapes_of,
)
from model_export.segments.contract import OTHER, OTHER_NAME, VERSION, Segment, Segments
from model_export.segments.naming import named, slug
from model_export.segments.profiles import Clock, Excluded, Profile, daily_profile
from wattline.intervals import Floats

One = TypeVar("One")
Tick = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Profiles:
    """The profiles of a data set.

    Attributes:
        known: By the name of the meter: files may come in any order.
        excluded: Meters without one, by name.
    """

    known: tuple[Profile, ...]
    excluded: tuple[Excluded, ...]

    @property
    def shapes(self) -> Floats:
        """float64[N, 2, S]; there must be a profile."""
        return np.stack([one.shape for one in self.known])

    def and_excluded(self, more: Iterable[Excluded]) -> "Profiles":
        """The same, and meters that were left out before they got here."""
        return Profiles(self.known, tuple(sorted((*self.excluded, *more), key=lambda one: one.meter)))

    def reasons(self) -> dict[str, int]:
        """How many meters have no profile, by reason."""
        return dict(sorted(Counter(one.reason for one in self.excluded).items()))

    def digest(self) -> str:
        """SHA-256 of the profiles and their meters."""
        sha = hashlib.sha256("\n".join(one.meter for one in self.known).encode("utf-8", "surrogateescape"))
        sha.update(np.ascontiguousarray(self.shapes).tobytes())
        return sha.hexdigest()


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is wanted of a segmentation.

    Attributes:
        k: How many segments; 0 for as many as separate best.
        seed: Decides where k-means starts.
        created: ISO 8601, for the file.
    """

    k: int = DEFAULT_K
    seed: int = 1
    created: str = ""


@dataclass(frozen=True, slots=True)
class Membership:
    """Where a meter belongs.

    Attributes:
        segment: The id of its segment, or `other`.
        name: The segment's name.
        distance: Root mean square difference from the nearest centre, in units of the meter's mean.
        days: Full days that its profile was made of.
    """

    meter: str
    segment: str
    name: str
    distance: float
    days: int


def profiles_of(series: Iterable[MeterSeries], clock: Clock, tick: Tick = lambda: None) -> Profiles:
    """The profiles of all meters; a series is not kept once it has one.

    Raises:
        DataError: Two series are of the same meter.
    """
    known: dict[str, Profile] = {}
    excluded: dict[str, Excluded] = {}
    for one in series:
        if one.name in known or one.name in excluded:
            raise DataError(f"meter {one.name} comes twice: in two files, or in a file that is not ordered by meter")
        made = daily_profile(one.name, one.intervals, clock)
        if isinstance(made, Profile):
            known[one.name] = made
        else:
            excluded[one.name] = made
        tick()
    return Profiles(_by_name(known), _by_name(excluded))


def segmented(profiles: Profiles, clock: Clock, wishes: Wishes, tick: Tick = lambda: None) -> Segments:
    """Find the segments of a data set.

    Raises:
        DataError: There are too few different meters for them.
    """
    _check_enough(profiles, wishes.k)
    points = coordinates(profiles.shapes)
    found = _tried(points, wishes, tick)
    chosen = found[wishes.k or best_k(found)]
    segments = tuple(_segment(shape, name) for shape, name in _in_order(chosen))
    empty = Segments(
        version=VERSION,
        created=wishes.created,
        interval_ms=clock.interval_ms,
        time_zone=clock.time_zone,
        seed=wishes.seed,
        k=len(segments),
        chosen_by="person" if wishes.k else "silhouette",
        silhouette={str(k): round(one.silhouette, 4) for k, one in found.items()},
        reach=round(chosen.reach, 6),
        data_sha256=profiles.digest(),
        meters=len(profiles.known),
        other=0,
        excluded=profiles.reasons(),
        segments=segments,
    )
    return _counted(empty, members(empty, profiles.known))


def members(segments: Segments, profiles: Sequence[Profile]) -> list[Membership]:
    """Place meters in known segments: the nearest, or `other` when none is in reach.

    Args:
        segments: From a data set that need not hold these meters.
        profiles: Cut by `segments.clock`.
    """
    if not profiles:
        return []
    points = coordinates(np.stack([one.shape for one in profiles]))
    far = distances(points, coordinates(segments.shapes))
    nearest = far.argmin(axis=1).tolist()
    placed = []
    for profile, place, distance in zip(profiles, nearest, far.min(axis=1).tolist(), strict=True):
        one = segments.segments[place]
        tag, name = (one.id, one.name) if distance <= segments.reach else (OTHER, OTHER_NAME)
        placed.append(Membership(profile.meter, tag, name, round(distance, 4), profile.days))
    return placed


def _by_name(made: Mapping[str, One]) -> tuple[One, ...]:
    return tuple(made[meter] for meter in sorted(made))


def _check_enough(profiles: Profiles, k: int) -> None:
    least = (k or KS.start) + 1
    number = different(coordinates(profiles.shapes)) if profiles.known else 0
    if number >= least:
        return
    left_out = ", ".join(f"{count} {reason}" for reason, count in profiles.reasons().items())
    raise DataError(
        f"{least - 1} segments need at least {least} meters with different profiles; there are {number}"
        + (f" (left out: {left_out})" if left_out else "")
    )


def _tried(points: Floats, wishes: Wishes, tick: Tick) -> dict[int, Clusters]:
    """A clustering for every number of segments that the data allow, so that the file tells what k was chosen from."""
    found = {}
    for k in sorted({*KS, wishes.k or KS.start}):
        if k < different(points):
            found[k] = cluster(points, k, wishes.seed)
        tick()
    return found


def _in_order(chosen: Clusters) -> list[tuple[Floats, str]]:
    # Rounded as the file holds them, so that names and members follow from the file alone.
    shapes = shapes_of(chosen.centres).round(4)
    return [(shapes[place], name) for place, name in named(shapes)]


def _segment(shape: Floats, name: str) -> Segment:
    workday, weekend = (tuple(row.tolist()) for row in shape)
    return Segment(id=slug(name), name=name, meters=0, share=0.0, workday=workday, weekend=weekend)


def _counted(empty: Segments, placed: Sequence[Membership]) -> Segments:
    count = Counter(one.segment for one in placed)
    filled = [
        msgspec.structs.replace(one, meters=count[one.id], share=round(count[one.id] / len(placed), 4))
        for one in empty.segments
    ]
    return msgspec.structs.replace(empty, segments=tuple(filled), other=count[OTHER])
