"""Decides who is told what, and when: beliefs, groups, rates. Plain values in, plain values out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from cloud_stream.notify.alert_names import FIRING, RESOLVED

HOUR_MS: Final = 3_600_000
STEPS_ASIDE_AFTER: Final = 5
"""A message that has failed so often lets others of its channel pass: it may be the message that is at fault."""
MOST_UNFINISHED: Final = 8
"""So many messages of a channel are in the works at most; what comes meanwhile waits, and is joined."""


class Step(Enum):
    """What a channel does with a notice."""

    WAIT = "wait"
    """It shall be told, in place of what waits of the same alert."""
    CANCEL = "cancel"
    """It is not told, and what waits of the same alert is not either: the two cancel out."""
    SKIP = "skip"
    """There is nothing to tell: the channel believes it already."""


def step(state: str, *, told: bool, waits: str) -> Step:
    """What a channel does with a notice of an alert.

    A person believes what was told last; only what differs from that belief is worth a message.

    Args:
        state: Of the notice.
        told: Whether the channel was told, or is being told, that the alert fires, and not yet of its end.
        waits: State of the notice of the same alert that waits for the channel; "" when none does.
    """
    if state not in (FIRING, RESOLVED):
        return Step.WAIT
    if state == RESOLVED:
        if told:
            return Step.WAIT
        return Step.CANCEL if waits else Step.SKIP
    return Step.CANCEL if told and waits == RESOLVED else Step.WAIT


@dataclass(frozen=True, slots=True)
class Pace:
    """How often people are told, see `NotifyConfig`."""

    group_wait_ms: int
    group_interval_ms: int
    max_per_hour: int


@dataclass(frozen=True, slots=True)
class WaitingGroup:
    """What waits of one group for one channel.

    Attributes:
        first_ms: When the oldest of it came, wall clock. last_ms: the newest.
        told_ms: When the group's last message was made; None without one.
    """

    group: str
    first_ms: int
    last_ms: int
    told_ms: int | None = None


def is_due(group: WaitingGroup, pace: Pace, now_ms: int) -> bool:
    """Whether a group's message may be made.

    It waits until nothing more has come for `group_wait`, so that an outage is one message; but at most
    `group_interval`, and after another message of the group at least that long.
    """
    calm = now_ms - group.last_ms >= pace.group_wait_ms
    patient = now_ms - group.first_ms < max(pace.group_interval_ms, pace.group_wait_ms)
    spaced = group.told_ms is None or not 0 <= now_ms - group.told_ms < pace.group_interval_ms
    return spaced and (calm or not patient)


def messages_due(groups: Iterable[WaitingGroup], pace: Pace, budget: int, now_ms: int) -> list[tuple[str, ...]]:
    """Which messages to make now: each is the names of the groups in it.

    Args:
        groups: What waits for the channel.
        pace: See `Pace`.
        budget: How many messages the channel may still be sent now, see `budget`.
        now_ms: The wall clock, ms UTC.
    """
    due = sorted((group for group in groups if is_due(group, pace, now_ms)), key=lambda group: group.first_ms)
    names = [group.group for group in due]
    if budget <= 0 or not names:
        return []
    if len(names) <= budget:
        return [(name,) for name in names]
    return [*((name,) for name in names[: budget - 1]), tuple(names[budget - 1 :])]


def budget(recent_ms: Sequence[int], unfinished_attempts: Sequence[int], pace: Pace, now_ms: int) -> int:
    """How many messages a channel may be given now.

    Args:
        recent_ms: When its last messages were made, wall clock.
        unfinished_attempts: How often each message was tried that is neither sent nor given up.
        pace: See `Pace`.
        now_ms: The wall clock, ms UTC.
    """
    if any(0 < attempts < STEPS_ASIDE_AFTER for attempts in unfinished_attempts):
        return 0
    in_hour = sum(now_ms - HOUR_MS < made_ms <= now_ms for made_ms in recent_ms)
    return max(0, min(pace.max_per_hour - in_hour, MOST_UNFINISHED - len(unfinished_attempts)))
