"""Unusual days: far from the centre of the kind of day that they are most like."""

from typing import Final

import numpy as np
import polars as pl
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from model_export.batch.reading import Floats, Integers
from model_export.batch.results import ClusterFit
from model_export.batch.rules import CLUSTERS, DAY_SLOTS, MOST_ROUNDS, SEED, SHAPE, SIGMAS, TOLERANCE

_SOME_DAYS: Final = 20_000
_BEGINNINGS: Final = 8


def unusual_days(days: pl.DataFrame) -> tuple[ClusterFit | None, pl.DataFrame]:
    """Tell kinds of whole days apart, and which days are unlike their kind.

    Args:
        days: The table of `DayCollector`.

    Returns:
        The kinds, None where there are fewer whole days than kinds of them, and columns home, day, cluster, distance,
        anomalous.
    """
    whole = days.filter(pl.col("n") == DAY_SLOTS)
    logs = np.log1p(whole.select(SHAPE).to_numpy())
    if len(np.unique(logs[:: max(1, len(logs) // _SOME_DAYS)], axis=0)) <= CLUSTERS:
        return None, _table(whole.clear(), np.empty(0, np.int64), np.empty(0), np.empty(CLUSTERS))
    mean, spread = logs.mean(axis=0), logs.std(axis=0, ddof=1)
    spread[spread == 0] = 1.0
    shapes = (logs - mean) / spread
    means = _means(shapes)
    order = np.argsort(-np.bincount(means.labels_, minlength=CLUSTERS), kind="stable")
    cluster, centres = np.argsort(order)[means.labels_], means.cluster_centers_[order]
    distance = np.sqrt(((shapes - centres[cluster]) ** 2).sum(axis=1))
    thresholds = _thresholds(cluster, distance)
    table = _table(whole, cluster, distance, thresholds)
    fit = ClusterFit(
        days=np.bincount(cluster, minlength=CLUSTERS).tolist(),
        centres=np.expm1(centres * spread + mean).tolist(),
        thresholds=thresholds.tolist(),
        inertia=float((distance**2).sum()),
        anomalies=int(table["anomalous"].sum()),
    )
    return fit, table


def _means(shapes: Floats) -> KMeans:
    """All days choose the centres; some days choose, of several beginnings, the one to begin with."""
    rounds = {"n_clusters": CLUSTERS, "max_iter": MOST_ROUNDS, "tol": TOLERANCE, "random_state": SEED}
    some = shapes[:: max(1, len(shapes) // _SOME_DAYS)]
    # So little work is done sooner by one thread than by several that wait for each other.
    with threadpool_limits(1):
        begin = KMeans(n_init=_BEGINNINGS, **rounds).fit(some)
    return KMeans(init=begin.cluster_centers_, n_init=1, copy_x=False, **rounds).fit(shapes)


def _thresholds(cluster: Integers, distance: Floats) -> Floats:
    members = [distance[cluster == number] for number in range(CLUSTERS)]
    return np.array([one.mean() + SIGMAS * one.std() if len(one) else 0.0 for one in members])


def _table(whole: pl.DataFrame, cluster: Integers, distance: Floats, thresholds: Floats) -> pl.DataFrame:
    return whole.select("home", "day").with_columns(
        cluster=pl.Series(cluster.astype(np.int8)),
        distance=pl.Series(distance),
        anomalous=pl.Series(distance > thresholds[cluster]),
    )
