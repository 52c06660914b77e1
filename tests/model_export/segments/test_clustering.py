"""Clusters are those of the many; the odd few neither make nor move one."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from model_export.segments.clustering import (
    KS,
    best_k,
    cluster,
    coordinates,
    different,
    distances,
    shapes_of,
)
from wattline.intervals import Floats

CORNERS = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])


def cloud(members: int, seed: int = 1) -> Floats:
    rng = np.random.default_rng(seed)
    return np.concatenate([corner + rng.normal(0.0, 0.2, (members, 2)) for corner in CORNERS])


def test_distance_is_the_difference_over_a_week() -> None:
    shapes = np.ones((3, 2, 24))
    shapes[1] += 0.5
    shapes[2, 1] += 0.7
    points = coordinates(shapes)
    assert distances(points, points[:1])[:, 0] == pytest.approx([0.0, 0.5, 0.7 * np.sqrt(2 / 7)])
    assert shapes_of(points) == pytest.approx(shapes)


def test_three_clouds_are_found_and_counted() -> None:
    points = cloud(20)
    found = {k: cluster(points, k, seed=1) for k in KS}
    assert best_k(found) == 3
    nearest = distances(points, found[3].centres).argmin(axis=1)
    assert adjusted_rand_score(np.repeat(range(3), 20), nearest) == 1.0


def test_lone_points_are_set_aside() -> None:
    points = np.concatenate([cloud(20), [[30.0, 30.0], [-40.0, 5.0]]])
    made = cluster(points, 3, seed=1)
    assert made.settled
    far = distances(points, made.centres).min(axis=1)
    assert (far <= made.reach).tolist() == [True] * 60 + [False] * 2


def test_a_third_lone_neighbour_makes_a_cluster() -> None:
    points = np.concatenate([cloud(20), [[30.0, 30.0], [30.1, 30.0], [30.0, 30.1]]])
    made = cluster(points, 4, seed=1)
    assert distances(points, made.centres).min(axis=1)[-1] < 1.0


def test_never_more_than_a_fifth_is_set_aside() -> None:
    lonely = np.stack([np.arange(12) ** 2 * 10.0, np.zeros(12)], axis=1)
    made = cluster(lonely, 4, seed=1)
    assert (distances(lonely, made.centres).min(axis=1) > made.reach).sum() <= 12 // 5


def test_clusters_of_many_are_preferred_to_lone_points() -> None:
    points = np.concatenate([cloud(20), [[100.0, 100.0]]])
    found = {k: cluster(points, k, seed=1) for k in (2, 3)}
    assert best_k(found) == 3
    assert best_k({k: cluster(cloud(20), k, seed=1) for k in (3, 8)}) == 3


@pytest.mark.parametrize("k", [2, 4, 8])
def test_the_same_points_give_the_same_clusters(k: int) -> None:
    one, again = cluster(cloud(15), k, seed=3), cluster(cloud(15), k, seed=3)
    assert np.array_equal(one.centres, again.centres)
    assert (one.silhouette, one.reach) == (again.silhouette, again.reach)


def test_copies_count_once() -> None:
    assert different(np.repeat(CORNERS, 5, axis=0)) == 3
    made = cluster(np.repeat(CORNERS, 5, axis=0), 2, seed=1)
    assert made.reach > 0


def test_more_points_than_a_silhouette_can_bear_are_sampled() -> None:
    assert cluster(cloud(1500), 3, seed=1).silhouette == pytest.approx(
        cluster(cloud(300), 3, seed=1).silhouette, abs=0.02
    )
