"""From what loads shall do to orders, and from what meters show to whether they were obeyed."""

from collections.abc import Collection, Mapping
from math import isnan
from typing import Final

from cloud_stream.intents.loads import ANSWER_WITHIN_MS, REST_MS, Hold, Load, LoadKey
from cloud_stream.intents.periods import local_date
from cloud_stream.intents.scene import Scene, Want
from cloud_stream.intents.tracks import stable_id, trouble
from cloud_stream.records import Notice, Order, Point

LOOKS: Final = 3
"""In one of so many short windows the meter must have shown it."""
SHOWN_SHARE: Final = 0.5
"""A fall by so much of what the load took shows it."""
IDLE_SHARE: Final = 0.3
"""A load that took less of its power was idle: its meter cannot show anything."""
DISOBEYED_REST_MS: Final = 3_600_000


def look_after(scene: Scene, key: LoadKey, load: Load) -> list[Point | Notice]:
    """End what is over, and see whether the last order was answered and obeyed."""
    hold = load.hold
    if hold is None:
        return []
    if hold.expires_ms <= scene.now_ms:
        load.hold, load.released_ms = None, hold.expires_ms
        return []
    if not hold.answered and scene.now_ms - hold.renewed_ms >= ANSWER_WITHIN_MS and hold.verdict != "unanswered":
        hold.verdict = "unanswered"
        load.rest_until_ms = scene.now_ms + REST_MS
        return [
            _trouble(scene, key, hold, "no answer", f"Gateway {key.gateway} did not answer the order to {key.load}.")
        ]
    return _verify(scene, key, load, hold) if hold.verdict == "pending" and hold.done_ms else []


def orders(scene: Scene, wants: Mapping[LoadKey, Want], frozen: Collection[LoadKey], decision_ms: int) -> list[Order]:
    """Bring the loads to what is wanted, as far as they may be switched now.

    Args:
        scene: The site now.
        wants: Loads that shall be off.
        frozen: Loads that are left as they are.
        decision_ms: The decision interval; part of each order's id.
    """
    found = []
    for key, load in scene.loads:
        if load.obeys and key not in frozen:
            order = _order(scene, key, load, wants.get(key), decision_ms)
            if order is not None:
                found.append(order)
    return found


def _order(scene: Scene, key: LoadKey, load: Load, want: Want | None, decision_ms: int) -> Order | None:
    hold, now_ms = load.hold, scene.now_ms
    if hold is None:
        if want is None or not load.may_go_off(now_ms):
            return None
        order = _make(scene, key, want, "off", decision_ms)
        before_w = scene.shown_w(load)
        load.hold = Hold(want.intent, order.id, now_ms, now_ms, order.expires_ms, 0, scene.draw_w(load), before_w)
        return order
    if want is None and load.may_come_back(now_ms):
        load.hold, load.released_ms = None, now_ms
        return _make(scene, key, Want(hold.intent, "there is room again"), "release", decision_ms)
    if hold.expires_ms - now_ms < scene.settings.renew_ms and hold.verdict != "unanswered":
        why = want or Want(hold.intent, "it must stay off for its least time")
        order = _make(scene, key, why, "off", decision_ms)
        hold.intent, hold.order, hold.renewed_ms, hold.expires_ms = why.intent, order.id, now_ms, order.expires_ms
        hold.answered = False
        return order
    return None


def _make(scene: Scene, key: LoadKey, want: Want, action: str, decision_ms: int) -> Order:
    lasts_ms = scene.settings.order_ms
    return Order(
        id=stable_id(want.intent, *key, str(decision_ms), action),
        gateway=key.gateway,
        site=key.site,
        load=key.load,
        action=action,
        decided_ms=scene.now_ms,
        expires_ms=scene.now_ms + lasts_ms,
        reason=want.reason,
    )


def _verify(scene: Scene, key: LoadKey, load: Load, hold: Hold) -> list[Point | Notice]:
    """Compare the meter before and after the relay has switched."""
    settings, ledger = scene.settings, scene.ledgers.get(scene.seen_by(load))
    if ledger is None or isnan(hold.before_w) or hold.draw_w < IDLE_SHARE * load.power_w or hold.draw_w <= 0:
        hold.verdict = "unknown"
        return []
    closed = sorted(
        start_ms
        for start_ms in ledger.short
        if start_ms >= hold.done_ms and start_ms + settings.short_ms + settings.grace_ms <= scene.now_ms
    )
    falls_w = [hold.before_w - ledger.short[start_ms].mean_w for start_ms in closed[:LOOKS]]
    if any(fall_w >= SHOWN_SHARE * hold.draw_w for fall_w in falls_w):
        hold.verdict = "yes"
        return [_verified(key, hold, max(falls_w), is_shown=True)]
    if len(falls_w) < LOOKS:
        return []
    if not load.meter:  # something else may have come on at the site meanwhile
        hold.verdict = "unknown"
        return []
    hold.verdict = "no"
    load.rest_until_ms = scene.now_ms + DISOBEYED_REST_MS
    text = (
        f"{key.load} was switched off, but {load.meter} shows {max(falls_w):.0f} W less instead of {hold.draw_w:.0f} W."
    )
    return [_verified(key, hold, max(falls_w), is_shown=False), _trouble(scene, key, hold, "does not react", text)]


def _verified(key: LoadKey, hold: Hold, fall_w: float, *, is_shown: bool) -> Point:
    tags = {"gateway": key.gateway, "site": key.site, "load": key.load}
    return Point("command", tags, hold.done_ms, {"verified": is_shown, "fall_w": fall_w})


def _trouble(scene: Scene, key: LoadKey, hold: Hold, what: str, text: str) -> Notice:
    day = local_date(scene.site.time_zone, scene.now_ms).isoformat()
    return trouble(hold.intent, key, what, text, day, scene.now_ms)
