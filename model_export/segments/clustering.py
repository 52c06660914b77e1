"""k-means over profiles, with the few that are like no others set aside.

Plain k-means on homes gives its first centres to the strangest of them: of 30
London homes, k = 4 makes three segments of one home each. A cluster below the
least size is therefore set aside, the most remote first, and the rest is
clustered again (trimmed k-means: Cuesta-Albertos, Gordaliza and Matran, Annals
of Statistics 25, 1997). Who was set aside may still join a segment in reach.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from model_export.segments.profiles import WORKDAYS
from wattline.intervals import Floats, Integers

KS: Final = range(2, 9)
DEFAULT_K: Final = 4
_LEAST_MEMBERS: Final = 3
_LEAST_SHARE: Final = 0.01
_MOST_SET_ASIDE: Final = 0.2
_REACH: Final = 1.5
"""A little beyond the most distant home that the centres were made of."""
_LEAST_REACH: Final = 0.1
"""Profiles that differ by a tenth of their mean are alike, however alike the others are."""
_MOST_STARTS: Final = 50
_LEAST_STARTS: Final = 5
_POINTS_TRIED: Final = 20_000
"""k-means is started so often that about this many points are looked at: small sets need it and can afford it."""
_SILHOUETTE_SAMPLE: Final = 4000
_DECIMALS: Final = 9


@dataclass(frozen=True, slots=True)
class Clusters:
    """One clustering.

    Attributes:
        centres: float64[K, D], in the order in which they were found.
        silhouette: Mean silhouette when every point goes to its nearest centre, -1..1 (Rousseeuw 1987).
        reach: Farther than this from every centre, a point belongs to none.
        settled: Every cluster has the least number of members.
    """

    centres: Floats
    silhouette: float
    reach: float
    settled: bool


def coordinates(shapes: Floats) -> Floats:
    """Points whose distance is the root mean square difference of two profiles over a week.

    Args:
        shapes: float64[N, 2, S], see `Profile.shape`.

    Returns:
        float64[N, 2 * S].
    """
    days = np.array([WORKDAYS, 7 - WORKDAYS])[:, None]
    weighted: Floats = shapes * np.sqrt(days / 7 / shapes.shape[-1])
    return weighted.reshape(len(shapes), -1)


def shapes_of(points: Floats) -> Floats:
    """The profiles, float64[N, 2, S], that `coordinates` made points of."""
    slots = points.shape[1] // 2
    return points.reshape(-1, 2, slots) / coordinates(np.ones((1, 2, slots))).reshape(1, 2, slots)


def distances(points: Floats, centres: Floats) -> Floats:
    """float64[N, K]: how far each point is from each centre."""
    return np.stack([np.linalg.norm(points - centre, axis=1) for centre in centres], axis=1)


def different(points: Floats) -> int:
    """How many points differ from all others."""
    return len(np.unique(points.round(_DECIMALS), axis=0))


def cluster(points: Floats, k: int, seed: int) -> Clusters:
    """Find `k` centres.

    Args:
        points: float64[N, D], more than `k` different ones.
        k: How many clusters.
        seed: Decides where k-means starts.
    """
    least = max(1, min(max(_LEAST_MEMBERS, round(_LEAST_SHARE * len(points))), len(points) // (k + 1)))
    kept = np.arange(len(points))
    # One thread: the same sums on every machine.
    with threadpool_limits(1):
        while True:
            centres, label = _k_means(points[kept], k, seed)
            remote = _most_remote(centres, label, least)
            rest = kept[label != remote]
            spent = len(rest) < (1 - _MOST_SET_ASIDE) * len(points) or different(points[rest]) <= k
            if remote < 0 or spent:
                break
            kept = rest
        # Of all, or setting aside would look like separating well.
        silhouette = _silhouette(points, distances(points, centres).argmin(axis=1), seed)
    reach = max(_LEAST_REACH, _REACH * float(distances(points[kept], centres).min(axis=1).max()))
    return Clusters(centres, silhouette, reach, settled=remote < 0)


def best_k(found: dict[int, Clusters]) -> int:
    """The number of clusters with the highest silhouette, among those without tiny clusters where there are any."""
    settled = {k: one for k, one in found.items() if one.settled} or found
    return max(settled, key=lambda k: (settled[k].silhouette, -k))


def _k_means(points: Floats, k: int, seed: int) -> tuple[Floats, Integers]:
    starts = int(np.clip(_POINTS_TRIED // len(points), _LEAST_STARTS, _MOST_STARTS))
    fitted = KMeans(k, n_init=starts, random_state=seed).fit(points)
    return np.asarray(fitted.cluster_centers_, np.float64), np.asarray(fitted.labels_, np.int64)


def _most_remote(centres: Floats, label: Integers, least: int) -> int:
    """Of the clusters with too few members the one farthest from all others; -1 when there is none."""
    small = np.flatnonzero(np.bincount(label, minlength=len(centres)) < least)
    if not len(small):
        return -1
    between = distances(centres, centres)
    np.fill_diagonal(between, np.inf)
    return int(small[np.argmax(between.min(axis=1)[small])])


def _silhouette(points: Floats, label: Integers, seed: int) -> float:
    chosen = np.arange(len(points))
    if len(points) > _SILHOUETTE_SAMPLE:
        chosen = np.random.default_rng(seed).choice(len(points), _SILHOUETTE_SAMPLE, replace=False)
    if len(np.unique(label[chosen])) < 2:  # noqa: PLR2004 - a silhouette compares two clusters
        return 0.0
    return float(silhouette_score(points[chosen], label[chosen]))
