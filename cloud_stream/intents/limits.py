"""Power limits: what flows, what is to come, and which loads give way."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isnan, nan
from typing import Final

import numpy as np

from cloud_stream.intents.advice import Advice
from cloud_stream.intents.control import Candidate, Change, Choice, choose, power_now_w, to_stay_under_w
from cloud_stream.intents.ledger import Ledger, Subject
from cloud_stream.intents.loads import Load, LoadKey
from cloud_stream.intents.progress import State
from cloud_stream.intents.scene import Scene, Want
from cloud_stream.intents.tracks import Case, Track, Verdict
from cloud_stream.intents.wishes import PowerLimit

LOOK_AHEAD_MS: Final = 24 * 3_600_000
LEAST_LEFT_MS: Final = 120_000
"""So shortly before its end the average of an interval can no longer be helped."""


@dataclass(frozen=True, slots=True)
class LimitLook:
    """What came of looking at one limit.

    Attributes:
        wants: Loads that shall be off for it. frozen: loads that are left as they are, for nothing is known now.
        verdict: How it stands. advice: what would help.
    """

    wants: dict[LoadKey, Want]
    frozen: frozenset[LoadKey]
    verdict: Verdict
    advice: Sequence[Advice]


@dataclass(frozen=True, slots=True)
class _Power:
    """What flows: now, in the utility interval so far, and in the one before; W, NaN is unknown."""

    now_w: float
    used_kwh: float
    before_w: float
    interval_ms: int
    start_ms: int
    left_ms: int

    @property
    def average_w(self) -> float:
        """Of the whole interval, if it goes on like now."""
        return (self.used_kwh * 3.6e9 + self.now_w * self.left_ms) / self.interval_ms

    @property
    def least_w(self) -> float:
        """Of the whole interval, if nothing more were used."""
        return self.used_kwh * 3.6e9 / self.interval_ms


def look_at_limit(scene: Scene, case: Case, wish: PowerLimit, moved: Collection[LoadKey]) -> LimitLook:
    """Decide for one limit.

    Args:
        scene: The site now.
        case: The limit about one subject.
        wish: The limit.
        moved: Loads that are to be off for another reason anyway.
    """
    subject = case.subject
    loads = _switchable(scene, wish, subject) if scene.commands and wish.act else []
    power = _power(scene, subject, moved)
    if isnan(power.now_w):
        frozen = frozenset(key for key, load in loads if load.hold is not None and key not in moved)
        verdict = _verdict(scene, wish, State.UNKNOWN, power, _Peak(nan, 0))
        return LimitLook({}, frozen, verdict, ())
    choice = _choice(scene, wish, power, [pair for pair in loads if pair[0] not in moved])
    peak = _peak(scene.ledgers[subject], scene.now_ms, power.interval_ms)
    spare_w = sum(load.power_w for _, load in loads if load.obeys)
    state = _state(wish, power, choice, peak, spare_w)
    verdict = _verdict(scene, wish, _calm(case.track, state, scene), power, peak)
    return LimitLook(_wants(wish, power, choice, loads, moved), frozenset(), verdict, _advice(scene, wish, power, peak))


def _switchable(scene: Scene, wish: PowerLimit, subject: Subject) -> list[tuple[LoadKey, Load]]:
    """The loads that may give way, and that show in the subject's power."""
    return [
        (key, load)
        for key, load in scene.loads
        if (not wish.loads or key.load in wish.loads)
        and (subject.level == "site" or load.meter == subject.meter)
        and (load.obeys or load.hold is not None)
    ]


def _power(scene: Scene, subject: Subject, moved: Collection[LoadKey]) -> _Power:
    interval_ms = scene.settings.utility_ms
    start_ms = scene.now_ms // interval_ms * interval_ms
    left_ms = start_ms + interval_ms - scene.now_ms
    fresh, ledger = scene.newest(subject), scene.ledgers.get(subject)
    if fresh is None or ledger is None:
        return _Power(nan, nan, nan, interval_ms, start_ms, left_ms)
    changes = _changes(scene, subject, moved, fresh.start_ms)
    now_w = power_now_w(fresh.window, fresh.start_ms, fresh.until_ms, changes)
    before_kwh, used_kwh = ledger.used_kwh(start_ms - interval_ms, start_ms + interval_ms).tolist()
    if isnan(used_kwh):
        used_kwh = now_w * (interval_ms - left_ms) / 3.6e9
    return _Power(now_w, used_kwh, before_kwh * 3.6e9 / interval_ms, interval_ms, start_ms, left_ms)


def _changes(scene: Scene, subject: Subject, moved: Collection[LoadKey], since_ms: int) -> list[Change]:
    """What we have switched since, or are about to, as far as it shows in the subject's power."""
    changes = []
    for key, load in scene.loads:
        if subject.level == "meter" and load.meter != subject.meter:
            continue
        if load.hold is not None and load.hold.is_effective(scene.now_ms):
            changes.append(Change(load.hold.done_ms or load.hold.asked_ms, -load.hold.draw_w))
        elif load.hold is None and load.released_ms > since_ms:
            changes.append(Change(load.released_ms, load.power_w))
        elif key in moved and load.may_go_off(scene.now_ms):
            changes.append(Change(scene.now_ms, -scene.draw_w(load)))
    return [change for change in changes if change.at_ms > since_ms]


def _choice(scene: Scene, wish: PowerLimit, power: _Power, loads: Sequence[tuple[LoadKey, Load]]) -> Choice:
    candidates = [
        Candidate(
            key,
            draw_w=scene.draw_w(load),
            rated_w=max(load.power_w, scene.draw_w(load)),
            is_held=load.hold is not None,
            held_ms=load.hold.asked_ms if load.hold else 0,
            may_go_off=load.may_go_off(scene.now_ms),
            may_come_back=load.may_come_back(scene.now_ms),
        )
        for key, load in loads
    ]
    shed_w, release_w = wish.shed_above_w, wish.release_below_w
    if power.left_ms >= LEAST_LEFT_MS:
        # An interval that began above the limit must end so much below it.
        for_average = (power.used_kwh, power.now_w, power.left_ms, power.interval_ms)
        shed_w = min(shed_w, power.now_w - to_stay_under_w(shed_w, *for_average))
        release_w = min(release_w, power.now_w - to_stay_under_w(release_w, *for_average))
    return choose(power.now_w, shed_w, release_w, candidates, scene.now_ms - scene.settings.turn_ms)


def _wants(
    wish: PowerLimit,
    power: _Power,
    choice: Choice,
    loads: Sequence[tuple[LoadKey, Load]],
    moved: Collection[LoadKey],
) -> dict[LoadKey, Want]:
    reason = f"{wish.name}: {power.now_w:.0f} W of at most {wish.limit_w:.0f} W"
    kept = [key for key, load in loads if load.hold is not None and key not in moved and key not in choice.release]
    return {key: Want(wish.name, reason) for key in (*kept, *choice.off)}


@dataclass(frozen=True, slots=True)
class _Peak:
    """The highest average power that is forecast, and when; NaN is unknown."""

    power_w: float
    at_ms: int


def _peak(ledger: Ledger, now_ms: int, interval_ms: int) -> _Peak:
    """Of the intervals that begin within a day."""
    ahead = ledger.ahead_kwh(now_ms, now_ms + LOOK_AHEAD_MS)
    if np.isnan(ahead).all():
        return _Peak(nan, 0)
    place = int(np.nanargmax(ahead))
    return _Peak(float(ahead[place]) * 3.6e9 / interval_ms, int(ledger.starts(now_ms, now_ms + LOOK_AHEAD_MS)[place]))


def _state(wish: PowerLimit, power: _Power, choice: Choice, peak: _Peak, spare_w: float) -> State:
    if power.least_w > wish.limit_w or power.before_w > wish.limit_w:
        return State.BROKEN
    will_stay = power.now_w <= wish.limit_w or (choice.off and choice.missing_w <= 0)
    if not will_stay and power.average_w > wish.limit_w:
        return State.AT_RISK
    return State.AT_RISK if peak.power_w - spare_w > wish.limit_w else State.ON_TRACK


def _calm(track: Track, state: State, scene: Scene) -> State:
    """Things are told to be better only when they have been so for a whole interval."""
    if state.badness >= track.told.badness:
        track.calm_ms = 0
        return state
    track.calm_ms = track.calm_ms or scene.now_ms
    return state if scene.now_ms - track.calm_ms >= scene.settings.utility_ms else track.told


def _verdict(scene: Scene, wish: PowerLimit, state: State, power: _Power, peak: _Peak) -> Verdict:
    text = "no power is known now" if isnan(power.now_w) else f"{power.now_w:.0f} W now"
    if not isnan(peak.power_w):
        text += f", {peak.power_w:.0f} W expected at {_clock(scene, peak.at_ms)}"
    held = sorted(key.load for key, load in scene.loads if load.hold is not None)
    text += f", at most {wish.limit_w:.0f} W wanted" + (f"; off: {', '.join(held)}" if held else "")
    worst_w = max((value for value in (power.now_w, power.before_w) if not isnan(value)), default=nan)
    return Verdict(
        state=state,
        t_ms=power.start_ms,
        period_ms=power.start_ms,
        text=text,
        value=peak.power_w if state is State.AT_RISK and peak.power_w > wish.limit_w else worst_w,
        limit=wish.limit_w,
        quantity="power_w",
        fields={
            "actual": power.now_w,
            "expected": power.average_w,
            "limit": wish.limit_w,
            "unit": "W",
            "before": power.before_w,
            "peak": peak.power_w,
            "as_of_ms": scene.now_ms,
            "loads_off": len(held),
        },
    )


def _advice(scene: Scene, wish: PowerLimit, power: _Power, peak: _Peak) -> list[Advice]:
    advice = []
    over_w = max(power.now_w, power.average_w) - wish.limit_w
    on = sorted(((scene.draw_w(load), key.load) for key, load in scene.loads if load.hold is None), reverse=True)
    if over_w > 0 and on and on[0][0] > 0:
        draw_w, name = on[0]
        shifted = draw_w * max(power.left_ms, 0) / 3.6e9
        text = f"Switch off {name} ({draw_w:.0f} W) for now: {over_w:.0f} W are too much."
        advice.append(Advice("switch_off", text, "it takes as much as its meter shows now", 0.0, 0.0, shifted))
    if peak.power_w > wish.limit_w:
        excess_kwh = (peak.power_w - wish.limit_w) * power.interval_ms / 3.6e9
        text = (
            f"Move {excess_kwh:.1f} kWh away from {_clock(scene, peak.at_ms)}, when {peak.power_w:.0f} W are expected."
        )
        advice.append(Advice("move", text, "by the newest forecast", 0.0, 0.0, excess_kwh))
    return advice


def _clock(scene: Scene, at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, scene.site.zone).strftime("%a %H:%M")
