"""The flow's steps as the engine calls them."""

import numpy as np

from cloud_stream.flow_parts import AlertStep
from cloud_stream.records import Point, PointColumns
from tests.cloud_stream.alerts.facts import HALF_HOUR_MS, forecast, judge, usage


def test_alerts_take_forecasts_by_the_column_beside_single_facts() -> None:
    one = forecast(0, 0, 9.0)
    numbers = {name: np.array([[9.0]]) for name in ("energy_kwh", "lower", "upper")}
    columns = PointColumns("forecast", [one.tags], np.array([0]), numbers, {"issued_at": [0]})
    ahead = {"kind": "forecast", "level": "site", "above": 4.0}
    step = AlertStep(judge(ahead, {"quantity": "energy_kwh", "window": "30m", "above": 1}))
    (decisions,) = step.on_batch([columns, (usage(0, energy_kwh=2),)], 2 * HALF_HOUR_MS)
    points = [one for one in decisions if isinstance(one, Point)]
    assert [point.tags["rule"] for point in points] == ["rule", "rule-1"]
