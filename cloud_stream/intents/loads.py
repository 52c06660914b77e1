"""What is known of switchable loads: how they are, what we asked of them, and whether the meter has shown it."""

from dataclasses import asdict, dataclass, field
from typing import Any, Final, NamedTuple

from cloud_stream.records import Point

MAX_LOADS: Final = 4096
ANSWER_WITHIN_MS: Final = 180_000
"""An order without an answer for so long is given up."""
REST_MS: Final = 900_000
"""A load that refused, or did not answer, is left alone for so long."""
_ENDS: Final = frozenset({"expired", "released", "overridden", "refused"})


class LoadKey(NamedTuple):
    """A load: its gateway's name for it."""

    site: str
    gateway: str
    load: str


@dataclass(slots=True)
class Hold:
    """That we keep a load off.

    Attributes:
        intent: For which intent. order: the newest order's id.
        asked_ms: When it was ordered first. renewed_ms: the newest time.
        expires_ms: When the gateway leaves the load to itself.
        done_ms: When the relay switched, by the gateway's clock; 0 is unknown.
        draw_w: What the load took when it was ordered off. before_w: what its meter showed; NaN is unknown.
        answered: Whether the gateway has said anything to the newest order.
        verdict: Whether the meter showed it: `pending`, `yes`, `no`, or `unknown` where it cannot.
    """

    intent: str
    order: str
    asked_ms: int
    renewed_ms: int
    expires_ms: int
    done_ms: int = 0
    draw_w: float = 0.0
    before_w: float = float("nan")
    answered: bool = False
    verdict: str = "pending"

    def is_effective(self, now_ms: int) -> bool:
        """Whether the load can be taken to be off: the gateway said so, or has had no time to answer yet."""
        return self.done_ms > 0 or now_ms - self.asked_ms < ANSWER_WITHIN_MS


@dataclass(slots=True)
class Load:
    """One switchable load.

    Attributes:
        t_ms: Of the newest word about it. since_ms: how long its relay has been where it is, as far as we know.
        manual_ms: When it was taken over by hand; 0 when it was not.
        released_ms: When we let it go last. rest_until_ms: it is left alone until then.
        on_ms: How long it has been on since `cycle_ms`. looked_ms: when that was added up.
        away: Whether its gateway has gone, by its Will. session: of its gateway's newest birth; "" is unknown.
        is_whole: Whether it was known from the beginning of the cycle on.
        missed: Whether it did not get what it must, by its last deadline.
        slot_ms: Until when it is decided that it is moved out of the way, or not: `slot_off`. missing_ms: how much of
            what it must get did not fit before its deadline then.
    """

    meter: str = ""
    power_w: float = 0.0
    control: str = "never"
    mode: str = "auto"
    state: str = "unknown"
    min_on_ms: int = 0
    min_off_ms: int = 0
    t_ms: int = 0
    since_ms: int = 0
    released_ms: int = 0
    rest_until_ms: int = 0
    cycle_ms: int = 0
    on_ms: int = 0
    looked_ms: int = 0
    away: bool = False
    session: str = ""
    is_whole: bool = False
    missed: bool = False
    slot_ms: int = 0
    slot_off: bool = False
    missing_ms: int = 0
    hold: Hold | None = None

    @property
    def obeys(self) -> bool:
        """Whether the owner lets the cloud switch it, nobody has taken it over by hand, and its gateway is there."""
        return self.control == "cloud" and self.mode != "manual" and not self.away

    def may_go_off(self, now_ms: int) -> bool:
        """Whether it may be switched off: it is on, long enough, and was not in trouble lately."""
        on_for_ms = now_ms - max(self.since_ms, self.released_ms)
        is_on = self.state != "off" and on_for_ms >= self.min_on_ms
        return self.obeys and is_on and self.hold is None and now_ms >= self.rest_until_ms

    def may_come_back(self, now_ms: int) -> bool:
        """Whether it has been off long enough."""
        return self.hold is None or now_ms - (self.hold.done_ms or self.hold.asked_ms) >= self.min_off_ms

    def let_go_if_over(self) -> None:
        """End a hold that a hand has ended, or whose end was never told: the relay is on since."""
        hold = self.hold
        if hold is None:
            return
        if self.mode == "manual":
            self.hold = None
        elif self.state == "on" and 0 < hold.done_ms < self.since_ms:
            self.hold, self.released_ms = None, self.since_ms

    def count_on_time(self, until_ms: int) -> None:
        """Add up how long it has been on since `cycle_ms`."""
        if self.looked_ms and self.state != "off":
            self.on_ms += max(0, until_ms - max(self.looked_ms, self.since_ms))
        self.looked_ms = max(until_ms, self.looked_ms)

    def begin_cycle(self, cycle_ms: int) -> None:
        """Begin to count anew."""
        self.is_whole = self.cycle_ms > 0
        self.cycle_ms, self.on_ms, self.looked_ms, self.slot_ms = cycle_ms, 0, cycle_ms, 0


@dataclass(slots=True)
class Loads:
    """The loads of a shard's sites.

    Attributes:
        known: By key. refused: loads beyond the bound, which are not looked at.
    """

    known: dict[LoadKey, Load] = field(default_factory=dict)
    refused: int = 0

    def of_site(self, site: str) -> list[tuple[LoadKey, Load]]:
        """A site's loads in a fixed order."""
        return sorted(((key, load) for key, load in self.known.items() if key.site == site), key=lambda pair: pair[0])

    def hear(self, point: Point, now_ms: int) -> bool:
        """Take a `load` point: a birth's, or the two fields that an answer brings.

        Returns:
            Whether it has become known, or by another meter than before.
        """
        key = _key(point)
        load = self.known.get(key)
        if load is None:
            if len(self.known) >= MAX_LOADS:
                self.refused += 1
                return False
            load = self.known[key] = Load()
        if point.t_ms < load.t_ms:
            return False
        before = (load.t_ms > 0, load.meter)
        state = str(point.fields.get("state", load.state))
        if state != load.state or not load.since_ms:
            load.since_ms = min(point.t_ms, now_ms)
        load.state, load.t_ms = state, point.t_ms
        load.meter = str(point.fields.get("meter", load.meter))
        load.control = str(point.fields.get("control", load.control))
        load.mode = str(point.fields.get("mode", load.mode))
        load.power_w = _number(point, "power_w", load.power_w)
        load.min_on_ms = round(1000 * _number(point, "min_on_s", load.min_on_ms / 1000))
        load.min_off_ms = round(1000 * _number(point, "min_off_s", load.min_off_ms / 1000))
        load.let_go_if_over()
        return before != (True, load.meter)

    def hear_gateway(self, point: Point) -> None:
        """Take a `gateway` point: loads of a gateway that is gone, or was replaced, get no orders until it is back."""
        session, is_gone = str(point.fields.get("session", "")), point.fields.get("status") == "offline"
        for key, load in self.known.items():
            # A Will of an older session may come late: it has the number of that session's birth.
            if key.gateway == point.tags.get("gateway") and not (is_gone and load.session not in {"", session}):
                load.away, load.session = is_gone, session

    def answer(self, point: Point) -> str:
        """Take a `command` point.

        Returns:
            What it means for our hold: its `state`, or "" when it is not about the newest order.
        """
        load = self.known.get(_key(point))
        if load is None:
            return ""
        state = str(point.fields.get("state", ""))
        if state == "overridden" and point.t_ms >= load.t_ms:
            load.mode, load.t_ms, load.hold = "manual", point.t_ms, None
            return state
        hold = load.hold or _adopted(point)
        if hold is None or hold.order != point.fields.get("id"):
            return ""
        load.hold = hold
        hold.answered = True
        if state == "done" and not hold.done_ms:
            hold.done_ms = point.t_ms
        if state in {"done", "accepted"}:
            hold.expires_ms = min(hold.expires_ms, round(_number(point, "expires_at", 0)) or hold.expires_ms)
        elif state in _ENDS:
            load.hold, load.released_ms = None, point.t_ms
            load.rest_until_ms = point.t_ms + REST_MS if state == "refused" else load.rest_until_ms
        return state

    def snapshot(self) -> tuple[Any, ...]:
        """Plain values to go on from."""
        return (self.refused, tuple((tuple(key), asdict(load)) for key, load in self.known.items()))

    def restore(self, state: tuple[Any, ...]) -> None:
        """Take a snapshot back."""
        self.refused, known = state
        for key, values in known:
            hold = values["hold"]
            self.known[LoadKey(*key)] = Load(**(values | {"hold": Hold(**hold) if hold else None}))


def _adopted(point: Point) -> Hold | None:
    """A hold of ours that a crash made us forget, told of by its answer."""
    order, state = str(point.fields.get("id", "")), point.fields.get("state")
    expires_ms = round(_number(point, "expires_at", 0))
    if state not in {"accepted", "done"} or point.fields.get("action") != "off" or not order.startswith("intent/"):
        return None
    return Hold("", order, point.t_ms, point.t_ms, expires_ms, answered=True, verdict="unknown")


def _key(point: Point) -> LoadKey:
    return LoadKey(point.tags.get("site", ""), point.tags.get("gateway", ""), point.tags.get("load", ""))


def _number(point: Point, name: str, otherwise: float) -> float:
    value = point.fields.get(name)
    return float(value) if isinstance(value, int | float) else otherwise
