"""What births and answers say of switchable loads, as points for the store.

A gateway names few loads. One that names ever new ones would fill the database with series: it is cut off.
"""

from collections import OrderedDict
from typing import Final

from cloud_stream.records import Point
from wattline.wire import MAX_LOADS, CommandAnswer, Event, LoadInfo

LOAD: Final = "load"
COMMAND: Final = "command"
MAX_GATEWAYS: Final = 10_000
"""Whose loads are remembered; the one that was heard longest ago is forgotten first."""
Fields = dict[str, float | int | str | bool]


class KnownLoads:
    """Which loads each gateway has named: bounded, and forgotten by a restart, which only lets in a few more."""

    def __init__(self) -> None:
        self._by_gateway: OrderedDict[str, set[str]] = OrderedDict()

    def admit(self, gateway: str, load: str) -> bool:
        """Note a load; False when the gateway has named as many others as it may have."""
        known = self._by_gateway.setdefault(gateway, set())
        self._by_gateway.move_to_end(gateway)
        if len(self._by_gateway) > MAX_GATEWAYS:
            self._by_gateway.popitem(last=False)
        if load not in known and len(known) >= MAX_LOADS:
            return False
        known.add(load)
        return True


def birth_point(gateway: str, site: str, load: LoadInfo, t_ms: int) -> Point:
    """A load as its gateway's birth describes it."""
    fields: Fields = {
        "kind": load.kind,
        "meter": load.meter,
        "power_w": load.power_w,
        "control": load.control,
        "mode": load.mode,
        "state": load.state,
        "min_on_s": load.min_on_s,
        "min_off_s": load.min_off_s,
    }
    return Point(LOAD, _tags(gateway, site, load.id), t_ms, fields)


def answer_points(gateway: str, site: str, event: Event, answer: CommandAnswer, t_ms: int) -> list[Point]:
    """An answer, and what it says of the load; a switch that was no command's is only the latter."""
    tags = _tags(gateway, site, answer.load)
    points = []
    if answer.id:
        fields: Fields = {
            "id": answer.id,
            "action": answer.action,
            "state": answer.state,
            "reason": event.reason,
            "expires_at": answer.expires_at,
        }
        points.append(Point(COMMAND, tags, t_ms, fields))
    if answer.mode:
        points.append(Point(LOAD, tags, t_ms, {"mode": answer.mode, "state": answer.switched or "unknown"}))
    return points


def _tags(gateway: str, site: str, load: str) -> dict[str, str]:
    return {"gateway": gateway, "site": site, "load": load}
