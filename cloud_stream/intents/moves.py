"""Loads that are moved out of the dear hours, and get what they must by their deadline all the same."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf, isnan
from typing import Final

import numpy as np
import numpy.typing as npt

from cloud_stream.intents.accounts import peak_share
from cloud_stream.intents.ledger import Subject
from cloud_stream.intents.loads import Load, LoadKey
from cloud_stream.intents.periods import last_wall_ms, next_wall_ms
from cloud_stream.intents.progress import State
from cloud_stream.intents.scene import Scene, Want
from cloud_stream.intents.shifting import Plan, Slots, plan, slot_starts
from cloud_stream.intents.tariffs import minute_of
from cloud_stream.intents.tracks import Case, Verdict
from cloud_stream.intents.wishes import PowerLimit, Shift, ShiftLoad

NEARLY: Final = 0.98
"""Of what a load must get; it is looked at once a minute only."""


Planned = dict[int, float]
"""End of a slot to the power of the loads that are planned in it already, W."""


@dataclass(frozen=True, slots=True)
class MoveLook:
    """What came of looking at one shift.

    Attributes:
        wants: Loads that shall be off for it.
        verdict: How it stands.
    """

    wants: dict[LoadKey, Want]
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class _Outcome:
    """One load: whether it shall be off, what it still must get, and what of that does not fit."""

    name: str
    is_off: bool
    need_ms: int
    missing_ms: int
    missed: bool
    manual: bool


def look_at_shift(scene: Scene, case: Case, wish: Shift) -> MoveLook:
    """Decide for the loads of one shift at one site."""
    wants: dict[LoadKey, Want] = {}
    planned_w: Planned = {}
    outcomes = []
    for wanted in wish.load:
        for key, load in scene.loads:
            if key.load == wanted.id:
                outcome = _look_at_load(scene, wish, wanted, load, planned_w)
                outcomes.append(outcome)
                if outcome.is_off and scene.commands and wish.act:
                    wants[key] = Want(wish.name, f"{wish.name}: dear hours")
    return MoveLook(wants, _verdict(scene, case, outcomes))


def _look_at_load(scene: Scene, wish: Shift, wanted: ShiftLoad, load: Load, planned_w: Planned) -> _Outcome:
    zone, minute = scene.site.time_zone, minute_of(wanted.by) % 1440
    cycle_ms = last_wall_ms(zone, minute, scene.now_ms)
    if load.cycle_ms != cycle_ms:
        load.count_on_time(cycle_ms)
        watched = load.is_whole and load.mode != "manual"
        load.missed = watched and _need_ms(scene, wanted, load, cycle_ms) > (1 - NEARLY) * max(wanted.hours, 3_600_000)
        load.begin_cycle(cycle_ms)
    load.count_on_time(scene.now_ms)
    deadline_ms = next_wall_ms(zone, minute, scene.now_ms)
    need_ms = _need_ms(scene, wanted, load, scene.now_ms)
    if not scene.now_ms < load.slot_ms <= scene.now_ms + scene.settings.slot_ms:
        slots = _slots(scene, wish, deadline_ms)
        slots = replace(slots, is_full=_is_full(scene, slots, load, planned_w))
        found = plan(slots, need_ms)
        load.slot_ms, load.slot_off = int(slots.ends_ms[0]), _is_off(wish, slots, found)
        load.missing_ms = found.missing_ms
        for end_ms in slots.ends_ms[found.chosen].tolist():
            planned_w[end_ms] = planned_w.get(end_ms, 0.0) + load.power_w
    return _Outcome(wanted.id, load.slot_off, need_ms, load.missing_ms, load.missed, load.mode == "manual")


def _need_ms(scene: Scene, wanted: ShiftLoad, load: Load, until_ms: int) -> int:
    """For how long a load must still be on."""
    if not wanted.kwh:
        return max(0, wanted.hours - load.on_ms)
    ledger = scene.ledgers.get(Subject("meter", scene.site.id, load.meter))
    used_kwh = float(np.nansum(ledger.used_kwh(load.cycle_ms, until_ms))) if ledger and load.cycle_ms else 0.0
    power_w = load.power_w or 1000.0
    return max(0, round((wanted.kwh - used_kwh) / power_w * 3.6e9))


def _slots(scene: Scene, wish: Shift, deadline_ms: int) -> Slots:
    slot_ms, interval_ms = scene.settings.slot_ms, scene.settings.utility_ms
    starts, ends = slot_starts(scene.now_ms, deadline_ms, slot_ms)
    grid = starts // slot_ms * slot_ms
    tariff = scene.book.tariff_of(scene.site)
    price = tariff.price(scene.site, grid, slot_ms) if tariff else np.zeros(len(grid))
    is_peak = peak_share(scene.book, wish, scene.site, grid, slot_ms) > 0
    ledger = scene.ledgers.get(Subject("site", scene.site.id, ""))
    ahead = ledger.forecast_kwh if ledger else {}
    site_kwh = np.array([ahead.get(start // interval_ms * interval_ms, np.nan) for start in grid.tolist()])
    return Slots(starts, ends, price, is_peak, np.zeros_like(is_peak), site_kwh)


def _is_full(scene: Scene, slots: Slots, load: Load, planned_w: Planned) -> npt.NDArray[np.bool_]:
    """Where the load, with those planned before it, would break the tightest limit of its site."""
    limits = (wish for wish in scene.book.wishes if isinstance(wish, PowerLimit))
    limit_w = min((one.release_below_w for one in limits if one.covers("site", scene.site.id, "")), default=inf)
    site_w = np.nan_to_num(slots.site_kwh * 3.6e9 / scene.settings.utility_ms, nan=_others_w(scene))
    others_w = np.array([planned_w.get(end_ms, 0.0) for end_ms in slots.ends_ms.tolist()])
    full: npt.NDArray[np.bool_] = site_w + others_w + load.power_w > limit_w
    return full


def _others_w(scene: Scene) -> float:
    """What the site takes now without its loads; 0 where that is unknown."""
    fresh = scene.newest(Subject("site", scene.site.id, ""))
    if fresh is None or isnan(fresh.window.mean_w):
        return 0.0
    return max(0.0, fresh.window.mean_w - sum(scene.draw_w(load) for _, load in scene.loads if load.hold is None))


def _is_off(wish: Shift, slots: Slots, found: Plan) -> bool:
    if found.chosen[0]:
        return False
    return wish.run == "cheapest" or bool(slots.is_peak[0])


def _verdict(scene: Scene, case: Case, outcomes: Sequence[_Outcome]) -> Verdict:
    interval_ms = scene.settings.utility_ms
    state = State.ON_TRACK if outcomes else State.UNKNOWN
    if any(one.missing_ms > 0 for one in outcomes):
        state = State.AT_RISK
    if any(one.missed for one in outcomes):
        state = State.BROKEN
    t_ms = scene.now_ms // interval_ms * interval_ms
    text = "; ".join(_sentence(one) for one in outcomes) or "none of its loads is known"
    return Verdict(
        state=state,
        t_ms=t_ms,
        period_ms=case.track.period_ms or t_ms,
        text=text,
        value=sum(one.need_ms for one in outcomes) / 3_600_000,
        limit=float("nan"),
        quantity="",
        fields={
            "need_h": sum(one.need_ms for one in outcomes) / 3_600_000,
            "missing_h": sum(one.missing_ms for one in outcomes) / 3_600_000,
            "loads_off": sum(one.is_off for one in outcomes),
            "as_of_ms": scene.now_ms,
            "unit": "h",
        },
    )


def _sentence(one: _Outcome) -> str:
    text = f"{one.name} is {'kept off' if one.is_off else 'left to itself'}"
    if one.need_ms:
        text += f", must run {one.need_ms / 3_600_000:.1f} h more"
    if one.missing_ms:
        text += f", of which {one.missing_ms / 3_600_000:.1f} h do not fit before its deadline"
    if one.missed:
        text += ", did not get what it must by the last deadline"
    return text + (", but is switched by hand" if one.manual else "")
