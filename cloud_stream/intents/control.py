"""Which loads to switch off so that a power limit is kept, and which may come back: pure choices."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isnan, nan

from cloud_stream.intents.ledger import ShortWindow
from cloud_stream.intents.loads import LoadKey


@dataclass(frozen=True, slots=True)
class Candidate:
    """A load, as the choice sees it.

    Attributes:
        draw_w: What switching it off would save now.
        rated_w: What it may take once it is back.
        is_held: We keep it off already, since `held_ms`.
        may_go_off: See `Load.may_go_off`. may_come_back: see `Load.may_come_back`.
    """

    key: LoadKey
    draw_w: float
    rated_w: float
    is_held: bool = False
    held_ms: int = 0
    may_go_off: bool = True
    may_come_back: bool = True


@dataclass(frozen=True, slots=True)
class Choice:
    """What to do.

    Attributes:
        off: Loads to switch off. release: loads to leave to themselves again. missing_w: what is still too much.
    """

    off: tuple[LoadKey, ...]
    release: tuple[LoadKey, ...]
    missing_w: float


@dataclass(frozen=True, slots=True)
class Change:
    """That power changed by `by_w` at an instant, as far as we caused it."""

    at_ms: int
    by_w: float


def choose(
    power_w: float,
    shed_above_w: float,
    release_below_w: float,
    loads: Sequence[Candidate],
    exchange_before_ms: int = -1,
) -> Choice:
    """Switch off the largest loads first, until the power is down; release those longest off, while there is room.

    Args:
        power_w: What flows, with all that was ordered before.
        shed_above_w: Above it loads go off, never more than bring it below.
        release_below_w: Released loads must leave the power below it even when they take all they can.
        loads: That may be switched for this limit.
        exchange_before_ms: One that is off since before then changes places with one that is on, where room is lacking.
    """
    need_w = power_w - shed_above_w
    off: list[LoadKey] = []
    able = (load for load in loads if load.may_go_off and not load.is_held and load.draw_w > 0)
    for load in sorted(able, key=lambda load: (-load.draw_w, load.key)):
        if need_w <= 0:
            break
        off.append(load.key)
        need_w -= load.draw_w
    if off or need_w > 0:
        return Choice(tuple(off), (), max(need_w, 0.0))
    back = _back(release_below_w - power_w, loads)
    return Choice((), back, 0.0) if back else _exchange(shed_above_w - power_w, loads, exchange_before_ms)


def _exchange(room_w: float, loads: Sequence[Candidate], before_ms: int) -> Choice:
    """Let the load that is off longest have its turn."""
    waiting = [load for load in loads if load.is_held and load.may_come_back and load.held_ms <= before_ms]
    running = [load for load in loads if load.may_go_off and not load.is_held and load.draw_w > 0]
    for back in sorted(waiting, key=lambda load: (load.held_ms, load.key)):
        for off in sorted(running, key=lambda load: (-load.draw_w, load.key)):
            if back.rated_w - off.draw_w <= room_w:
                return Choice((off.key,), (back.key,), 0.0)
    return Choice((), (), 0.0)


def _back(room_w: float, loads: Iterable[Candidate]) -> tuple[LoadKey, ...]:
    back: list[LoadKey] = []
    held = (load for load in loads if load.is_held and load.may_come_back)
    for load in sorted(held, key=lambda load: (load.held_ms, load.key)):
        if load.rated_w <= room_w:
            back.append(load.key)
            room_w -= load.rated_w
    return tuple(back)


def power_now_w(window: ShortWindow, start_ms: int, until_ms: int, changes: Sequence[Change]) -> float:
    """The power that flows now, from a window that may have begun before we switched something.

    A change in the middle of the window is in its mean only by the part of the window that came after it; the rest is
    added. The newest value counts where it is higher and nothing was switched since the window began.

    Args:
        window: The newest.
        start_ms: Its start.
        until_ms: How far its readings reach.
        changes: All that are not in it entirely.
    """
    if isnan(window.mean_w):
        return window.last_w if not changes else nan
    span_ms = max(1, until_ms - start_ms)
    late = [change for change in changes if change.at_ms > start_ms]
    power_w = window.mean_w + sum(change.by_w * min(1.0, (change.at_ms - start_ms) / span_ms) for change in late)
    if not late and window.last_w > power_w:
        return window.last_w
    return power_w


def to_stay_under_w(limit_w: float, used_kwh: float, power_w: float, left_ms: int, interval_ms: int) -> float:
    """By how much the power must fall for an interval's average to stay under a limit; at most 0 when it need not.

    Args:
        limit_w: Of the interval's average.
        used_kwh: In the interval so far.
        power_w: What flows now.
        left_ms: Of the interval.
        interval_ms: Its length.
    """
    if left_ms <= 0:
        return 0.0
    allowed_w = (limit_w * interval_ms / 3.6e6 - used_kwh * 1000) * 3.6e6 / left_ms
    return power_w - allowed_w
