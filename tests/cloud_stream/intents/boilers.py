"""A house with three boilers: what its meters show, and relays that obey orders as a gateway does."""

from dataclasses import dataclass, field
from math import pi, sin

from cloud_stream.records import Order, Point

MINUTE_MS = 60_000
WATER_KWH_PER_K = 0.175
"""150 litres."""
LOSS_W_PER_K = 2.0
ROOM_C = 20.0
THERMOSTAT_C = (55.0, 60.0)


@dataclass(slots=True)
class Boiler:
    """A tank with a thermostat behind a relay."""

    name: str
    draws: dict[int, float]
    """Minute of the UTC day to kWh of hot water taken then."""
    power_w: float = 3000.0
    temperature_c: float = 57.0
    heating: bool = False
    relay_on: bool = True
    until_ms: int = 0
    order: str = ""
    switched_ms: int = 0
    drawn_kwh: float = 0.0
    coldest_c: float = 99.0
    flow_w: float = 0.0
    deaf: bool = False
    manual: bool = False
    history: list[tuple[int, bool, float]] = field(default_factory=list)

    def on_minutes(self, start_ms: int, end_ms: int) -> int:
        """How many minutes its relay was on in [start, end)."""
        return sum(was_on for at_ms, was_on, _ in self.history if start_ms <= at_ms < end_ms)

    def warmth_at(self, at_ms: int) -> float:
        """The water's temperature at the beginning of a minute."""
        return next(warmth_c for minute_ms, _, warmth_c in self.history if minute_ms == at_ms)

    def run(self, now_ms: int) -> float:
        """One minute; returns the power taken."""
        if self.temperature_c < THERMOSTAT_C[0]:
            self.heating = True
        if self.temperature_c > THERMOSTAT_C[1]:
            self.heating = False
        self.flow_w = self.power_w if self.heating and (self.relay_on or self.deaf) else 0.0
        self.history.append((now_ms, self.relay_on, self.temperature_c))
        taken_kwh = self.draws.get(now_ms // MINUTE_MS % 1440, 0.0)
        gained_kwh = (self.flow_w - LOSS_W_PER_K * (self.temperature_c - ROOM_C)) / 60_000 - taken_kwh
        self.temperature_c += gained_kwh / WATER_KWH_PER_K
        self.drawn_kwh += self.flow_w / 60_000
        self.coldest_c = min(self.coldest_c, self.temperature_c)
        return self.flow_w


@dataclass(slots=True)
class House:
    """What the cloud's windows would say of a house, minute by minute; and its gateway."""

    boilers: list[Boiler]
    site: str = "house-1"
    now_ms: int = 0
    power_w: list[float] = field(default_factory=list)
    answers: list[Point] = field(default_factory=list)
    obeyed: list[tuple[int, str, str]] = field(default_factory=list)
    base_w: float = 2200.0
    min_on_s: int = 300
    min_off_s: int = 600
    _windows: dict[tuple[str, str, int], list[float]] = field(default_factory=dict)

    def minute(self) -> tuple[Point, ...]:
        """One minute passes; returns the facts at its end."""
        for boiler in self.boilers:
            if boiler.order and self.now_ms >= boiler.until_ms:
                self._answer(boiler, boiler.order, "expired", relay_on=True)
        flows = {boiler.name: boiler.run(self.now_ms) for boiler in self.boilers}
        total_w = self.base_of(self.now_ms) + sum(flows.values())
        self.power_w.append(total_w)
        facts = self._rows("site", "", total_w)
        for name, flow_w in flows.items():
            facts += self._rows("meter", f"m-{name}", flow_w)
        self.now_ms += MINUTE_MS
        facts += [self._birth(boiler) for boiler in self.boilers]
        facts += self.answers
        self.answers = []
        return tuple(facts)

    def base_of(self, at_ms: int) -> float:
        """What everything else takes."""
        return self.base_w + 600 * sin(2 * pi * (at_ms / 3_600_000 % 24 - 11) / 24)

    def take_over(self, boiler: Boiler) -> None:
        """Somebody switches it on by hand."""
        boiler.manual = True
        self._answer(boiler, boiler.order, "overridden", relay_on=True)

    def obey(self, order: Order) -> None:
        """The gateway takes an order; least times are kept here as well."""
        boiler = next(one for one in self.boilers if one.name == order.load)
        rested_s = (self.now_ms - boiler.switched_ms) / 1000
        if boiler.manual or (order.action == "off" and boiler.relay_on and rested_s < self.min_on_s):
            self._answer(boiler, order.id, "refused", relay_on=boiler.relay_on)
            return
        if order.action == "release" and not boiler.relay_on and rested_s < self.min_off_s:
            self._answer(boiler, order.id, "refused", relay_on=False)
            return
        self.obeyed.append((self.now_ms, order.load, order.action))
        boiler.until_ms = order.expires_ms
        self._answer(boiler, order.id, "done", relay_on=order.action != "off", action=order.action)

    def peak_w(self, minutes: int = 30) -> float:
        """The highest average of an aligned span."""
        spans = [self.power_w[at : at + minutes] for at in range(0, len(self.power_w), minutes)]
        return max(sum(span) / len(span) for span in spans if len(span) == minutes)

    def _answer(self, boiler: Boiler, order: str, state: str, *, relay_on: bool, action: str = "off") -> None:
        if relay_on != boiler.relay_on:
            boiler.switched_ms = self.now_ms
        boiler.relay_on = relay_on
        boiler.order = "" if relay_on else order
        tags = {"gateway": "gw-1", "site": self.site, "load": boiler.name}
        fields: dict[str, float | int | str | bool] = {
            "id": order,
            "action": action,
            "state": state,
            "reason": "",
            "expires_at": boiler.until_ms,
        }
        self.answers.append(Point("command", tags, self.now_ms, fields))
        switched = {"mode": "manual" if boiler.manual else "auto", "state": "on" if relay_on else "off"}
        self.answers.append(Point("load", tags, self.now_ms, switched))

    def _birth(self, boiler: Boiler) -> Point:
        return Point(
            "load",
            {"gateway": "gw-1", "site": self.site, "load": boiler.name},
            self.now_ms,
            {
                "kind": "boiler",
                "meter": f"m-{boiler.name}",
                "power_w": boiler.power_w,
                "control": "cloud",
                "mode": "manual" if boiler.manual else "auto",
                "state": "on" if boiler.relay_on else "off",
                "min_on_s": self.min_on_s,
                "min_off_s": self.min_off_s,
            },
        )

    def _rows(self, level: str, meter: str, flow_w: float) -> list[Point]:
        rows = []
        for window, minutes in (("5m", 5), ("30m", 30)):
            start_ms = self.now_ms // (minutes * MINUTE_MS) * minutes * MINUTE_MS
            key = (meter, window, start_ms)
            values = self._windows.setdefault(key, [])
            values.append(flow_w)
            fields = {
                "power_w_mean": sum(values) / len(values),
                "power_w_last": flow_w,
                "energy_kwh": sum(values) / 60_000,
            }
            tags = {"level": level, "site": self.site, "meter": meter, "window": window}
            rows.append(Point("usage", tags, start_ms, fields))
        self._windows = {key: values for key, values in self._windows.items() if key[2] > self.now_ms - 3_600_000}
        return rows
