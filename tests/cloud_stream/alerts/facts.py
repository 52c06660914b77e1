"""Facts as the flow gives them to the judge, and what it answers, short enough to read in a table."""

import pickle
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from cloud_stream.alerts.judge import AlertJudge
from cloud_stream.alerts.rule import Made
from cloud_stream.alerts.rules import _rule, check_rules
from cloud_stream.records import Notice, Point

MINUTE_MS = 60_000
HALF_HOUR_MS = 1_800_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
GRACE_MS = 10_000
Decisions = Sequence[Point | Notice]


def at(text: str) -> int:
    """The instant "2026-11-21 17:30", ms UTC."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def judge(*rules: dict[str, Any], made: Made | None = None, **settings: Any) -> AlertJudge:  # noqa: ANN401 - a file's keys
    """A judge of rules as a file has them."""
    named = [{"name": f"rule-{number}" if number else "rule", **rule} for number, rule in enumerate(rules)]
    checked = [_rule(rule, "rule", {}) for rule in named]
    check_rules(checked, made or Made())
    return AlertJudge(checked, **settings)


def restarted(before: AlertJudge, *rules: dict[str, Any], **settings: Any) -> AlertJudge:  # noqa: ANN401 - as `judge`
    """Another judge that goes on from the snapshot of the first."""
    after = judge(*rules, **settings)
    after.restore(pickle.loads(pickle.dumps(before.state())))  # noqa: S301 - our own bytes
    return after


def usage(t_ms: int, site: str = "h1", meter: str = "m1", window: str = "30m", **fields: float) -> Point:
    """A row of a meter; of a site with `meter` "", of the fleet with `site` "" as well."""
    level = "meter" if meter else "site" if site else "fleet"
    return Point("usage", {"level": level, "site": site, "meter": meter, "window": window}, t_ms, fields)


def forecast(
    t_ms: int, issued_ms: int, value: float, *, meter: str = "", lead: str = "latest", half: float = 1.0
) -> Point:
    """What is forecast for h1, or one of its meters."""
    tags = {"level": "meter" if meter else "site", "site": "h1", "meter": meter, "lead": lead}
    fields: dict[str, Any] = {"energy_kwh": value, "lower": value - half, "upper": value + half, "issued_at": issued_ms}
    return Point("forecast", tags, t_ms, fields)


def anomaly(t_ms: int, meter: str = "m1", kind: str = "anomaly", detector: str = "model", score: float = 1.0) -> Point:
    """An event of the edge."""
    tags = {"site": "h1", "gateway": "g", "meter": meter, "detector": detector}
    fields: dict[str, Any] = {"kind": kind, "score": score, "threshold": 0.5, "reason": "why", "interval_ms": 0}
    return Point("anomaly", tags, t_ms, fields)


def gateway(
    t_ms: int,
    status: str = "online",
    *,
    session: int = 1,
    reason: str = "",
    offset_s: float | None = None,
    name: str = "g",
) -> Point:
    """A birth, or a death."""
    fields: dict[str, Any] = {"status": status, "site": "h1", "session": str(session), "reason": reason}
    return Point(
        "gateway", {"gateway": name}, t_ms, fields if offset_s is None else fields | {"clock_offset_s": offset_s}
    )


def alerts(decisions: Decisions) -> list[Point]:
    """What goes to the store."""
    return [one for one in decisions if isinstance(one, Point)]


def notices(decisions: Decisions) -> list[Notice]:
    """What people are told."""
    return [one for one in decisions if isinstance(one, Notice)]


def states(decisions: Decisions) -> list[tuple[int, str]]:
    """(time, state) of the stored alerts."""
    return [(point.t_ms, str(point.fields["state"])) for point in alerts(decisions) if "state" in point.fields]


def paged(decisions: Decisions) -> list[str]:
    """The states that people are told."""
    return [one.state for one in notices(decisions)]


def messages(decisions: Decisions) -> list[str]:
    """The sentences of the stored alerts."""
    return [str(point.fields["message"]) for point in alerts(decisions) if "message" in point.fields]


def tracks(who: AlertJudge) -> list[Any]:
    """What is remembered of each subject."""
    return [track for group in who.state().groups for track in group.tracks]


def play(who: AlertJudge, points: Iterable[Point], delay_ms: int = 1000) -> Decisions:
    """Give each fact at its time, and a look at the clock each minute in between."""
    said: list[Point | Notice] = []
    now_ms = 0
    for point in points:
        while now_ms and now_ms + MINUTE_MS < point.t_ms + delay_ms:
            now_ms += MINUTE_MS
            said += who.due(now_ms)
        now_ms = point.t_ms + delay_ms
        said += who.judge([point], now_ms)
    return said
