"""The demo's result, computed from what was counted apart: pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

MeterTime = tuple[str, int]


class FaultLabel(NamedTuple):
    """One fault that a simulated meter injected, in [start_ms, end_ms)."""

    meter: str
    start_ms: int
    end_ms: int
    kind: str


class AnomalySpan(NamedTuple):
    """One interval that a detector judged abnormal, in [start_ms, end_ms)."""

    meter: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waited when the broker came back, and how long it took from then on.

    Attributes:
        readings: How many waited in the outboxes.
        reconnect_s: Until the last of the gateways that had them was heard; None when that never was.
        ingest_s: Until the cloud's ingest listened again; None when it never did.
        drain_s: Until all of them were stored; None when that never was.
    """

    readings: int
    reconnect_s: float | None
    ingest_s: float | None
    drain_s: float | None


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted, by whom.

    Attributes:
        delivered: Gateway to the readings its sensors delivered, by the agents.
        published: Gateway to the distinct readings that passed the broker, by the tap.
        waiting: Gateway to the readings that its outbox still holds, by its file.
        stored: Gateway to the readings in the store, by its file.
        window_readings: Readings that the meters' windows say they are made of; raw_values: stored values of the
            same quantity.
        windows: Usage rows by level.
        faults: Labels of the faults that have happened.
        anomalies: What the agents reported.
        judged_from_ms: Until then the detectors only watched the simulated meters.
    """

    delivered: Mapping[str, int]
    published: Mapping[str, set[MeterTime]]
    waiting: Mapping[str, set[MeterTime]]
    stored: Mapping[str, set[MeterTime]]
    publishes: int
    batches: int
    window_readings: int
    raw_values: int
    windows: Mapping[str, int]
    faults: Sequence[FaultLabel]
    anomalies: Sequence[AnomalySpan]
    judged_from_ms: int
    alerts: int
    dead_letters: int
    latencies_ms: Sequence[int]
    backlog: Backlog


@dataclass(frozen=True, slots=True)
class Summary:
    """The result; `asdict` of it is what `--json` prints."""

    readings: dict[str, int]
    batches: dict[str, int]
    backlog: dict[str, float | None]
    windows: dict[str, int]
    anomalies: dict[str, Any]
    alerts: int
    dead_letters: int
    latency_ms: dict[str, float | None]
    gateways: dict[str, dict[str, int]]

    @property
    def exact(self) -> bool:
        """Whether nothing was lost or duplicated."""
        return not self.readings["lost"] and not self.readings["duplicated"]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def summarise(counted: Counted) -> Summary:
    """Compare the counts."""
    gateways = {name: _gateway(counted, name) for name in sorted(counted.delivered)}
    totals = {key: sum(one[key] for one in gateways.values()) for key in ("sent", "stored", "waiting", "lost")}
    duplicated = max(0, counted.window_readings - counted.raw_values)
    return Summary(
        readings={**totals, "duplicated": duplicated},
        batches={"published": counted.publishes, "distinct": counted.batches},
        backlog={
            "readings": counted.backlog.readings,
            "reconnect_s": _rounded(counted.backlog.reconnect_s),
            "ingest_s": _rounded(counted.backlog.ingest_s),
            "drain_s": _rounded(counted.backlog.drain_s),
        },
        windows=dict(sorted(counted.windows.items())),
        anomalies=_anomalies(counted),
        alerts=counted.alerts,
        dead_letters=counted.dead_letters,
        latency_ms={
            "p50": percentile(counted.latencies_ms, 50),
            "p99": percentile(counted.latencies_ms, 99),
            "live_readings": len(counted.latencies_ms),
        },
        gateways=gateways,
    )


def percentile(values: Iterable[int], share: int) -> float | None:
    """The value below which `share` percent lie; None without values."""
    ordered = sorted(values)
    return float(ordered[min(len(ordered) - 1, len(ordered) * share // 100)]) if ordered else None


def _gateway(counted: Counted, name: str) -> dict[str, int]:
    """A reading is lost when a sensor delivered it, the store does not hold it, and the outbox no longer does."""
    published = counted.published.get(name, set())
    waiting = counted.waiting.get(name, set())
    stored = counted.stored.get(name, set())
    known = published | waiting | stored
    never_seen = max(0, counted.delivered[name] - len(known))
    return {
        "sent": max(counted.delivered[name], len(known)),
        "stored": len(stored),
        "waiting": len(waiting - stored),
        "lost": len(published - stored - waiting) + never_seen,
    }


def _anomalies(counted: Counted) -> dict[str, Any]:
    """Which faults at least one anomaly overlaps, and which anomalies on the meters with faults overlap none."""
    judged = [fault for fault in counted.faults if fault.end_ms > counted.judged_from_ms]
    found = [fault for fault in judged if any(_overlap(fault, one) for one in counted.anomalies)]
    faulty = {fault.meter for fault in counted.faults}
    stray = [
        one
        for one in counted.anomalies
        if one.meter in faulty and not any(_overlap(fault, one) for fault in counted.faults)
    ]
    kinds = sorted({fault.kind for fault in judged})
    by_kind = {
        kind: {name: sum(fault.kind == kind for fault in of) for name, of in (("judged", judged), ("found", found))}
        for kind in kinds
    }
    return {
        "injected": len(counted.faults),
        "judged": len(judged),
        "found": len(found),
        "by_kind": by_kind,
        "events": len(counted.anomalies),
        "events_without_fault": len(stray),
    }


def _overlap(fault: FaultLabel, anomaly: AnomalySpan) -> bool:
    return fault.meter == anomaly.meter and fault.start_ms < anomaly.end_ms and anomaly.start_ms < fault.end_ms


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)
