"""The demo's result, computed from what was counted apart: pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

MeterTime = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted, by whom.

    Attributes:
        delivered: Gateway to the readings its sensors delivered, by the agents.
        published: Gateway to the distinct readings that passed the broker, by the tap.
        stored: Gateway to the readings in the store, by its file.
        window_readings: Readings that the meters' windows say they are made of; raw_values: stored values of the
            same quantity.
        windows: Usage rows by level.
        faults: Labels of injected faults: (meter, start, end).
        anomalies: (meter, start, interval) of each anomaly event.
        backlog: Readings from before the broker came up. drain_s: until they were stored; 0 when they never were.
    """

    delivered: Mapping[str, int]
    published: Mapping[str, set[MeterTime]]
    stored: Mapping[str, set[MeterTime]]
    publishes: int
    batches: int
    window_readings: int
    raw_values: int
    windows: Mapping[str, int]
    faults: Sequence[tuple[str, int, int]]
    anomalies: Sequence[tuple[str, int, int]]
    alerts: int
    dead_letters: int
    latencies_ms: Sequence[int]
    backlog: int
    drain_s: float


@dataclass(frozen=True, slots=True)
class Summary:
    """The result; `asdict` of it is what `--json` prints."""

    readings: dict[str, int]
    batches: dict[str, int]
    backlog: dict[str, float]
    windows: dict[str, int]
    anomalies: dict[str, int]
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
    totals = {key: sum(one[key] for one in gateways.values()) for key in ("sent", "stored", "lost")}
    duplicated = max(0, counted.window_readings - counted.raw_values)
    injected, found = len(counted.faults), _found(counted.faults, counted.anomalies)
    return Summary(
        readings={**totals, "duplicated": duplicated},
        batches={"published": counted.publishes, "distinct": counted.batches},
        backlog={"readings": counted.backlog, "drain_s": round(counted.drain_s, 2)},
        windows=dict(sorted(counted.windows.items())),
        anomalies={"injected": injected, "found": found, "events": len(counted.anomalies)},
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
    """A reading is lost when a sensor delivered it and the store does not hold it, wherever it went."""
    published = counted.published.get(name, set())
    stored = counted.stored.get(name, set())
    never_published = max(0, counted.delivered[name] - len(published))
    return {
        "sent": max(counted.delivered[name], len(published)),
        "stored": len(stored),
        "lost": len(published - stored) + never_published,
    }


def _found(faults: Sequence[tuple[str, int, int]], anomalies: Sequence[tuple[str, int, int]]) -> int:
    """Faults that at least one anomaly event overlaps."""
    by_meter: dict[str, list[tuple[int, int]]] = {}
    for meter, start_ms, interval_ms in anomalies:
        by_meter.setdefault(meter, []).append((start_ms, start_ms + interval_ms))
    return sum(
        any(low < end_ms and start_ms < high for low, high in by_meter.get(meter, ()))
        for meter, start_ms, end_ms in faults
    )
