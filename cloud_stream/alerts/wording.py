"""Turns as records of the store and as notices for people."""

from collections.abc import Mapping
from typing import Final

from cloud_stream.alerts.condition import Condition
from cloud_stream.alerts.lifecycle import State, Turn
from cloud_stream.alerts.rule import GATEWAY, Level, Rule
from cloud_stream.measurements import ALERT, width_label
from cloud_stream.records import Notice, Point

STATES: Final = {State.CALM: "resolved", State.PENDING: "pending", State.FIRING: "firing"}
GONE: Final = "the rule was changed or taken away"


def who(level: str, site: str, meter: str) -> str:
    """Whom an alert is about, for a person."""
    if level == GATEWAY:
        return f"gateway {meter} of {site}"
    return {Level.METER: f"meter {meter} of {site}", Level.SITE: site}.get(Level(level), "the fleet")


def alert_point(rule: Rule, site: str, meter: str, turn: Turn, message: str) -> Point:
    """What the store keeps of a turn."""
    tags = alert_tags(rule.name, rule.severity.value, rule.subject_level, site, meter)
    if not turn.is_news:  # an upsert of what it knows already
        return Point(ALERT, tags, turn.fired_ms, {"told": True})
    fields: dict[str, float | int | str | bool] = {
        "state": STATES[State(turn.state)],
        "value": float(turn.sample.value),
        "limit": float(turn.sample.limit),
        "message": message,
        "since_ms": turn.since_ms,
        "told": bool(turn.round),
    }
    return Point(ALERT, tags, turn.sample.t_ms, fields)


def alert_tags(rule: str, severity: str, level: str, site: str, meter: str) -> dict[str, str]:
    """The tags of an alert."""
    return {"rule": rule, "severity": severity, "level": level, "site": site, "meter": meter}


def sentence(rule: Rule, condition: Condition, site: str, meter: str, turn: Turn) -> str:
    """What happened, for a person."""
    about = who(rule.subject_level, site, meter)
    words = condition.words(about, turn.sample, firing=turn.state != State.CALM)
    if turn.state == State.PENDING:
        return f"{words} (pending)"
    never_fired = turn.state == State.CALM and turn.was == State.PENDING
    return f"{words} (over before it fired)" if never_fired else words


def notice(rule: Rule, site: str, meter: str, turn: Turn, message: str, now_ms: int) -> Notice:
    """What people are told of a turn."""
    state, level = STATES[State(turn.state)], rule.subject_level
    tags = alert_tags(rule.name, rule.severity.value, level, site, meter)
    window_ms = rule.judged_window_ms
    return Notice(
        key=notice_key(tags, turn.since_ms, state, turn.round),
        group=rule.name,
        state=state,
        severity=rule.severity.value,
        happened_ms=min(turn.sample.seen_ms, now_ms),
        decided_ms=now_ms,
        since_ms=turn.since_ms,
        level=level,
        site=site,
        meter=meter,
        title=f"{rule.name}: {who(level, site, meter)}",
        text=message,
        quantity=rule.judged_quantity,
        value=float(turn.sample.value),
        limit=float(turn.sample.limit),
        window=width_label(window_ms) if window_ms else "",
    )


def notice_key(tags: Mapping[str, str], since_ms: int, state: str, round_: int) -> str:
    """The same for ever for the same thing: a replay after a crash says it again under the same key.

    Args:
        tags: Of the alert: a rule whose severity has changed ends its alerts and begins them anew, at the same time.
        since_ms: When it began.
        state: `firing` or `resolved`.
        round_: See `Turn`.
    """
    again = f"/{round_}" if round_ > 1 else ""
    return f"{'/'.join(tags.values())}/{since_ms}/{state}{again}"
