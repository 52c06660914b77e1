"""Families are trained side by side; one that fails does not stop the others."""

from collections.abc import Callable, Mapping

import numpy as np

from model_export.attempts import Attempt, family_trainer, ready_made
from model_export.dataset import FeatureTable, feature_table
from model_export.export import facts_of
from tests.model_export.homes import small_homes


class Bars:
    """Progress bars that count."""

    def __init__(self) -> None:
        self.promised = self.done = 0

    def __call__(self, title: str, total: int) -> Callable[[], None]:
        assert title
        self.promised += total
        return self._tick

    def _tick(self) -> None:
        self.done += 1


def train(families: list[str], table: FeatureTable) -> tuple[Mapping[str, Attempt], Bars]:
    bars = Bars()
    return family_trainer(families, 1.0, 1, bars)(table), bars


def test_every_family_asked_for_gives_a_model_file() -> None:
    trained, bars = train(["kmeans", "gmm"], feature_table(small_homes()))
    assert [facts_of(attempt.model)["family"] for attempt in trained.values()] == ["kmeans", "gmm"]
    assert bars.done == bars.promised > 0


def test_data_that_teach_nothing_are_told_for_each_family() -> None:
    few = feature_table(small_homes(homes=2, days=5))
    trained, _ = train(["kmeans", "gmm"], few)
    assert all(not attempt.model and "too few" in attempt.error for attempt in trained.values())
    assert list(trained) == ["kmeans", "gmm"]


def test_a_model_that_is_there_learns_nothing() -> None:
    table = FeatureTable(np.zeros((0, 1), np.float32), np.zeros(0, np.int64), np.zeros(0, np.int64), 1, ())
    assert ready_made("gmm", b"file")(table) == {"gmm": Attempt(b"file")}
