"""The reckoning: what counts as lost, as duplicated and as found, whoever counted it."""

import dataclasses
from typing import Any

import pytest

from wattline.demo.summary import AnomalySpan, Backlog, Counted, FaultLabel, Summary, percentile, summarise

A, B, C = ("m-1", 1_000), ("m-1", 2_000), ("m-2", 1_000)
EXACT = Counted(
    delivered={"gw": 3},
    published={"gw": {A, B, C}},
    waiting={"gw": set()},
    stored={"gw": {A, B, C}},
    publishes=2,
    batches=2,
    window_readings=3,
    raw_values=3,
    windows={"site": 2, "meter": 3},
    faults=(),
    anomalies=(),
    judged_from_ms=0,
    alerts=4,
    dead_letters=5,
    latencies_ms=(30, 10, 20),
    backlog=Backlog(2, 1.234, 1.5, 2.504),
)


def _summary(**changes: Any) -> Summary:  # noqa: ANN401 (any field of the counts)
    return summarise(dataclasses.replace(EXACT, **changes))


@pytest.mark.parametrize(
    ("changes", "readings", "exact"),
    [
        pytest.param({}, (3, 3, 0, 0, 0), True, id="all is there"),
        pytest.param({"stored": {"gw": {A, B}}}, (3, 2, 0, 1, 0), False, id="published and not stored is lost"),
        pytest.param({"stored": {}}, (3, 0, 0, 3, 0), False, id="a gateway that the store does not know"),
        pytest.param({"delivered": {"gw": 4}}, (4, 3, 0, 1, 0), False, id="delivered and never seen again is lost"),
        pytest.param(
            {"published": {"gw": {A, B}}, "stored": {"gw": {A, B}}, "waiting": {"gw": {C}}},
            (3, 2, 1, 0, 0),
            True,
            id="what the outbox still holds is not lost",
        ),
        pytest.param({"waiting": {"gw": {C}}}, (3, 3, 0, 0, 0), True, id="stored and not yet forgotten waits no more"),
        pytest.param(
            {"published": {"gw": {A}}, "stored": {"gw": {A}}, "waiting": {"gw": {C}}},
            (3, 1, 1, 1, 0),
            False,
            id="one waits and one is gone",
        ),
        pytest.param(
            {"published": {}}, (3, 3, 0, 0, 0), True, id="stored is stored, also where the tap came too late to hear it"
        ),
        pytest.param({"window_readings": 4}, (3, 3, 0, 0, 1), False, id="counted twice in a window"),
        pytest.param(
            {"window_readings": 4, "stored": {"gw": {A}}}, (3, 1, 0, 2, 1), False, id="one twice does not make up"
        ),
        pytest.param({"delivered": {"gw": 2}}, (3, 3, 0, 0, 0), True, id="an agent that counts too few"),
        pytest.param({"delivered": {}}, (0, 0, 0, 0, 0), True, id="no gateways"),
    ],
)
def test_every_reading_is_accounted_for(changes: dict[str, Any], readings: tuple[int, ...], *, exact: bool) -> None:
    summary = _summary(**changes)
    assert tuple(summary.readings.values()) == readings
    assert tuple(summary.readings) == ("sent", "stored", "waiting", "lost", "duplicated")
    assert summary.exact is exact


def test_gateways_are_reckoned_apart() -> None:
    summary = _summary(
        delivered={"b": 1, "a": 2}, published={"a": {A, B}, "b": {C}}, stored={"a": {A}, "b": {C}}, waiting={}
    )
    assert summary.gateways == {
        "a": {"sent": 2, "stored": 1, "waiting": 0, "lost": 1},
        "b": {"sent": 1, "stored": 1, "waiting": 0, "lost": 0},
    }
    assert list(summary.gateways) == ["a", "b"]
    assert summary.readings["lost"] == 1


def test_a_reading_stored_under_another_gateway_does_not_count_for_its_own() -> None:
    summary = _summary(delivered={"a": 1, "b": 0}, published={"a": {A}}, stored={"b": {A}}, waiting={})
    assert summary.gateways["a"]["lost"] == 1


def _fault(start_ms: int, end_ms: int, kind: str = "spike", meter: str = "m-1") -> FaultLabel:
    return FaultLabel(meter, start_ms, end_ms, kind)


@pytest.mark.parametrize(
    ("faults", "anomalies", "judged_from_ms", "expected"),
    [
        pytest.param([], [], 0, (0, 0, 0, 0, 0), id="nothing"),
        pytest.param([_fault(10, 20)], [], 0, (1, 1, 0, 0, 0), id="missed"),
        pytest.param([_fault(10, 20)], [AnomalySpan("m-1", 15, 25)], 0, (1, 1, 1, 1, 0), id="overlap"),
        pytest.param([_fault(10, 20)], [AnomalySpan("m-1", 0, 100)], 0, (1, 1, 1, 1, 0), id="inside an interval"),
        pytest.param([_fault(10, 20)], [AnomalySpan("m-1", 20, 30)], 0, (1, 1, 0, 1, 1), id="just after it"),
        pytest.param([_fault(10, 20)], [AnomalySpan("m-1", 0, 10)], 0, (1, 1, 0, 1, 1), id="just before it"),
        pytest.param([_fault(10, 20)], [AnomalySpan("m-2", 10, 20)], 0, (1, 1, 0, 1, 0), id="a meter without faults"),
        pytest.param([_fault(10, 20)], [AnomalySpan("m-1", 12, 13)] * 3, 0, (1, 1, 1, 3, 0), id="found once only"),
        pytest.param(
            [_fault(10, 20), _fault(30, 40)], [AnomalySpan("m-1", 12, 35)], 0, (2, 2, 2, 1, 0), id="one event over two"
        ),
        pytest.param([_fault(10, 20)], [], 20, (1, 0, 0, 0, 0), id="over before judging began"),
        pytest.param([_fault(10, 20)], [], 19, (1, 1, 0, 0, 0), id="judging began within it"),
        pytest.param(
            [_fault(10, 20)], [AnomalySpan("m-1", 12, 13)], 50, (1, 0, 0, 1, 0), id="an early fault explains its event"
        ),
    ],
)
def test_a_fault_is_found_when_an_anomaly_overlaps_it(
    faults: list[FaultLabel], anomalies: list[AnomalySpan], judged_from_ms: int, expected: tuple[int, ...]
) -> None:
    found = _summary(faults=faults, anomalies=anomalies, judged_from_ms=judged_from_ms).anomalies
    keys = ("injected", "judged", "found", "events", "events_without_fault")
    assert tuple(found[key] for key in keys) == expected


def test_faults_are_told_by_kind() -> None:
    faults = [_fault(10, 20, "stuck"), _fault(30, 40, "stuck"), _fault(50, 60, "spike"), _fault(1, 2, "drift")]
    found = _summary(faults=faults, anomalies=[AnomalySpan("m-1", 31, 32)], judged_from_ms=5).anomalies
    assert found["by_kind"] == {"spike": {"judged": 1, "found": 0}, "stuck": {"judged": 2, "found": 1}}


@pytest.mark.parametrize(
    ("values", "p50", "p99"),
    [
        ([], None, None),
        ([7], 7.0, 7.0),
        (range(100, 0, -1), 51.0, 100.0),
        (range(1000), 500.0, 990.0),
        ([1, 1, 1, 9], 1.0, 9.0),
    ],
)
def test_percentiles_are_values_that_occurred(values: list[int], p50: float | None, p99: float | None) -> None:
    assert (percentile(values, 50), percentile(values, 99)) == (p50, p99)


def test_the_dictionary_is_what_json_prints() -> None:
    printed = _summary(publishes=5).as_dict()
    assert printed == {
        "readings": {"sent": 3, "stored": 3, "waiting": 0, "lost": 0, "duplicated": 0},
        "batches": {"published": 5, "distinct": 2},
        "backlog": {"readings": 2, "reconnect_s": 1.23, "ingest_s": 1.5, "drain_s": 2.5},
        "windows": {"meter": 3, "site": 2},
        "anomalies": {
            "injected": 0,
            "judged": 0,
            "found": 0,
            "by_kind": {},
            "events": 0,
            "events_without_fault": 0,
        },
        "alerts": 4,
        "dead_letters": 5,
        "latency_ms": {"p50": 20.0, "p99": 30.0, "live_readings": 3},
        "gateways": {"gw": {"sent": 3, "stored": 3, "waiting": 0, "lost": 0}},
    }


def test_what_never_happened_is_null() -> None:
    printed = _summary(backlog=Backlog(2, None, None, None), latencies_ms=()).as_dict()
    assert printed["backlog"] == {"readings": 2, "reconnect_s": None, "ingest_s": None, "drain_s": None}
    assert printed["latency_ms"] == {"p50": None, "p99": None, "live_readings": 0}
