"""Which facts go to which rules."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from cloud_stream.alerts.condition import Surroundings
from cloud_stream.alerts.kinds.threshold import ThresholdRule
from cloud_stream.alerts.watch import LISTED_MEMBERS, Routes, feed_of, place_of, watches_of
from cloud_stream.records import Point, PointColumns
from tests.cloud_stream.alerts.facts import anomaly, forecast, gateway, usage

MANY = tuple(f"m{number}" for number in range(LISTED_MEMBERS + 1))


def _routes(*rules: dict[str, Any]) -> Routes:
    made = [ThresholdRule(name=str(number), quantity="power_w", above=1, **rule) for number, rule in enumerate(rules)]
    return Routes(watches_of(made, Surroundings(0, lambda _: "UTC"), 0))


@pytest.mark.parametrize(
    ("site", "meter", "expected"),
    [
        ("h1", "m1", ["0", "1", "2", "3", "5"]),
        ("h2", "m1", ["0", "2", "5"]),
        ("h1", "m9999", ["0", "1"]),
        ("h3", "m2", ["0", "4", "5"]),
        ("", "", ["0", "5"]),
    ],
)
def test_rules_are_found_by_whom_they_are_about(site: str, meter: str, expected: Sequence[str]) -> None:
    routes = _routes(
        {},
        {"sites": ("h1",)},
        {"meters": ("m1",)},
        {"meters": ("m1",), "sites": ("h1",)},
        {"meters": ("m2",), "sites": ("h3",)},
        {"meters": MANY},
        {"enabled": False},
    )
    found = routes.find(("usage", "meter", "5m"), site, meter)
    assert sorted(watch.rule.name for watch in found) == expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({}, ["m1", "m2"]),
        ({"meters": ("m2",)}, ["m2"]),
        ({"meters": MANY, "sites": ("h1",)}, ["m1", "m2"]),
        ({"sites": ("h2",)}, []),
        ({"window": 1_800_000}, []),
    ],
)
def test_of_columns_only_points_of_series_are_made_that_a_rule_may_be_about(
    rule: dict[str, Any], expected: Sequence[str]
) -> None:
    tags = [{"level": "meter", "site": "h1", "meter": meter, "window": "5m"} for meter in ("m1", "m2")]
    columns = PointColumns("usage", tags, np.arange(2), {"power_w_mean": np.ones((2, 2))}, {})
    found = _routes(rule).wanted(columns)
    assert [point.tags["meter"] for point in found] == [meter for meter in expected for _ in range(2)]


def test_other_facts_concern_no_rule() -> None:
    routes = _routes({})
    for feed in (("usage", "meter", "30m"), ("usage", "site", "5m"), ("gateway",)):
        assert not routes.knows(feed)
        assert routes.find(feed, "h1", "m1") == ()


def test_large_scopes_are_kept_once_for_all_judges() -> None:
    rule = ThresholdRule(name="a", quantity="power_w", above=1, meters=MANY)
    first, second = (watches_of([rule], Surroundings(0, lambda _: "UTC"), 0)[0] for _ in range(2))
    assert first.members is second.members


@pytest.mark.parametrize(
    ("point", "feed", "place"),
    [
        (usage(0, window="5m"), ("usage", "meter", "5m"), ("h1", "m1")),
        (usage(0, site="", meter=""), ("usage", "fleet", "30m"), ("", "")),
        (forecast(0, 0, 1.0), ("forecast", "site", "latest"), ("h1", "")),
        (anomaly(0), ("anomaly",), ("h1", "m1")),
        (gateway(0), ("gateway",), ("h1", "g")),
    ],
)
def test_what_a_fact_is_and_whom_it_is_about(point: Point, feed: tuple[str, ...], place: tuple[str, str]) -> None:
    assert (feed_of(point), place_of(point)) == (feed, place)
