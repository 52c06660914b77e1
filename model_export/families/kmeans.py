"""k-means: an interval is anomalous when it is far from all centroids, measured by what is usual at each.

The raw score is the distance to a centroid in standard deviations above the
mean distance of the centroid's own intervals, of the centroid where that is
least. So 3 is the rule "mean plus three sigma", at every centroid its own.
"""

from functools import partial
from typing import Final

import numpy as np
from skl2onnx.algebra.onnx_ops import OnnxDiv, OnnxReduceL2_13, OnnxReduceMin_13, OnnxReshape, OnnxSub
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from model_export.families.columns import evidence, evidence_step
from model_export.families.conversion import Node, converted_by, floats
from model_export.families.port import Rows, Tick
from model_export.families.rows import fitted_scaler, sample, trimmed
from model_export.graph import OPSET, Graph
from wattline.intervals import Floats

NAME: Final = "kmeans"
CENTROIDS: Final = (4, 6, 8, 12)
STEPS: Final = len(CENTROIDS)
RULE: Final = 3.0
MAX_ROWS: Final = 20_000
_TRIMMED_SHARE: Final = 0.1
_LEAST_SCALE: Final = 0.1
_SILHOUETTE_ROWS: Final = 1_500
_STARTS: Final = 3
_LEAST_SIGMA_SHARE: Final = 0.05
"""Of the mean distance: a centroid of equal intervals must not make all others infinitely far."""
_TINY: Final = 1e-3


def fit(matrix: Rows, seed: int, tick: Tick) -> Pipeline:
    """Fit the centroids whose number has the best silhouette (Rousseeuw 1987); see `Family.fit`."""
    ordinary = evidence(trimmed(sample(matrix, MAX_ROWS, seed), _TRIMMED_SHARE, seed)).astype(np.float64)
    scaler = fitted_scaler(ordinary, _LEAST_SCALE)
    scaled = scaler.transform(ordinary)
    fitted = [_clusters(scaled, k, seed, tick) for k in CENTROIDS]
    seen = np.sort(np.random.default_rng(seed).permutation(len(scaled))[:_SILHOUETTE_ROWS])
    best = max(fitted, key=lambda clusters: _silhouette(clusters, scaled[seen]))
    best.usual_distance_, best.distance_sigma_ = _usual_distances(best, scaled)
    return make_pipeline(evidence_step(), scaler, best)


def _clusters(scaled: Floats, k: int, seed: int, tick: Tick) -> KMeans:
    clusters = KMeans(min(k, len(scaled)), n_init=_STARTS, random_state=seed).fit(scaled)
    tick()
    return clusters


def _silhouette(clusters: KMeans, scaled: Floats) -> float:
    labels = clusters.predict(scaled)
    several = 1 < len(np.unique(labels)) < len(scaled)
    return float(silhouette_score(scaled, labels)) if several else -1.0


def _usual_distances(clusters: KMeans, scaled: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation of the distances of each centroid's own rows."""
    own = clusters.labels_
    distance = clusters.transform(scaled)[np.arange(len(scaled)), own]
    k = clusters.n_clusters
    number = np.maximum(np.bincount(own, minlength=k), 1)
    mean = np.bincount(own, distance, k) / number
    sigma = np.sqrt(np.bincount(own, (distance - mean[own]) ** 2, k) / number)
    return mean, np.maximum(sigma, _LEAST_SIGMA_SHARE * mean + _TINY)


def raw_score(pipeline: Pipeline, matrix: Rows) -> Floats:
    """Sigmas beyond the usual distance of N rows: float64[N]."""
    clusters = pipeline[-1]
    distance = pipeline.transform(matrix.astype(np.float64))
    return np.asarray(((distance - clusters.usual_distance_) / clusters.distance_sigma_).min(axis=1), np.float64)


def add_raw(pipeline: Pipeline, graph: Graph) -> str:
    """The pipeline, its scaler and centroids by `_sigmas_beyond`; see `Family.add_raw`."""
    columns, scaler, clusters = (step for _, step in pipeline.steps)
    return graph.include(converted_by(partial(_sigmas_beyond, scaler), make_pipeline(columns, clusters)))


def _sigmas_beyond(scaler: StandardScaler, clusters: KMeans, rows: Node, raw: list[Node]) -> Node:
    """Distances to all centroids as lengths of differences, each in its own sigmas.

    skl2onnx 1.20 takes `|z|² - 2 z c + |c|²`, which cancels in float32: negative squares, so NaN, at two of four
    centroids of the LEAD buildings; and where a third of the meters stood still, raw scores off by 1.4 sigmas
    and scores by 0.5. Differences are taken before scaling, where a row that is a centroid is at exactly 0 of it.
    """
    centroids = scaler.inverse_transform(clusters.cluster_centers_)
    single = OnnxReshape(rows, np.array([-1, 1, centroids.shape[1]]), op_version=OPSET)
    apart = OnnxDiv(OnnxSub(single, floats(centroids), op_version=OPSET), floats(scaler.scale_), op_version=OPSET)
    distance = OnnxReduceL2_13(apart, axes=[2], keepdims=0, op_version=OPSET)
    beyond = OnnxSub(distance, floats(clusters.usual_distance_), op_version=OPSET)
    sigmas = OnnxDiv(beyond, floats(clusters.distance_sigma_), op_version=OPSET)
    return OnnxReduceMin_13(sigmas, axes=[1], keepdims=1, op_version=OPSET, output_names=raw)
