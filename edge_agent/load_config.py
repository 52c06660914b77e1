"""`[[load]]` and `[commands]`: what the gateway may switch, and what the owner allows.

```toml
[[load]]
id = "boiler"
actuator = "mqtt"
meter = "house-1-electricity"
power = 2000
control = "cloud"
[load.options]
url = "mqtt://192.168.1.20"
topic = "cmnd/boiler/POWER"
state_topic = "stat/boiler/POWER"
```

An actuator's options are a table of its own and are checked where the actuators are known (`edge_agent.actuators`).
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final, Literal

import msgspec

from edge_agent.id_rules import id_problem
from wattline.config import DurationMs
from wattline.wire import MAX_LOADS

DAY_MS: Final = 86_400_000
MAX_LEAST_MS: Final = DAY_MS
MAX_HOLD_MS: Final = 7 * DAY_MS


class LoadConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`[[load]]`: one switchable load and its relay.

    Attributes:
        actuator: A name of `edge_agent.actuators.ACTUATORS`.
        meter: The meter in whose power it is seen; "" for none.
        power: What it takes when it is on, in W; 0 is unknown.
        control: Whether commands of the cloud are carried out ("cloud"), or the owner keeps it for himself.
        min_on: It stays on for so long at least. min_off: and off.
        max_off: Commands may keep it off for so long in any 24 hours; "0s" is without limit.
        max_hold: A command may not reach further ahead.
        manual_for: A switch by hand at the relay wins for so long.
        released: Where the relay is while the load is left to itself.
        at_start: Whether a start brings the relay there, or leaves it as it is found.
        at_loss: Whether a held load is left to itself when the broker is away for `loss_after`.
        poll: How often the agent looks where the relay is.
        options: The actuator's own.
    """

    id: str
    actuator: str
    kind: Literal["boiler"] = "boiler"
    meter: str = ""
    power: Annotated[float, msgspec.Meta(ge=0, le=1e9)] = 0.0
    control: Literal["cloud", "never"] = "never"
    min_on: DurationMs = DurationMs(300_000)
    min_off: DurationMs = DurationMs(300_000)
    max_off: DurationMs = DurationMs(4 * 3_600_000)
    max_hold: DurationMs = DurationMs(DAY_MS)
    manual_for: DurationMs = DurationMs(DAY_MS)
    released: Literal["on", "off"] = "on"
    at_start: Literal["release", "keep"] = "release"
    at_loss: Literal["release", "keep"] = "release"
    loss_after: DurationMs = DurationMs(900_000)
    poll: DurationMs = DurationMs(5_000)
    options: dict[str, Any] = {}


class CommandsConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`[commands]`: what all loads share.

    Attributes:
        clock: How the agent knows that the time is right, without which it carries out nothing: "kernel" asks the
            kernel, which a time service tells; "/a/path" is a file that is there when it is, such as
            `/run/systemd/timesync/synchronized`; "trusted" believes the clock, where something else keeps it right.
    """

    clock: str = "kernel"


def load_problems(loads: Sequence[LoadConfig], commands: CommandsConfig) -> Iterator[tuple[str, str]]:
    """What the types do not say: path inside the file, and what is wrong there."""
    if commands.clock not in ("kernel", "trusted") and not commands.clock.startswith("/"):
        yield "commands.clock", f'expected "kernel", "trusted" or the path of a file, got {commands.clock!r}'
    if len(loads) > MAX_LOADS:
        yield "load", f"expected at most {MAX_LOADS}, got {len(loads)}"
    for index, load in enumerate(loads):
        where = f"load[{index}]"
        if problem := id_problem(load.id):
            yield f"{where}.id", problem
        if load.id in [other.id for other in loads[:index]]:
            yield f"{where}.id", f"{load.id!r} is taken by an earlier load"
        yield from _span_problems(load, where)


def _span_problems(load: LoadConfig, where: str) -> Iterator[tuple[str, str]]:
    for name in ("min_on", "min_off", "max_off"):
        if getattr(load, name) > MAX_LEAST_MS:
            yield f"{where}.{name}", "expected at most 1d"
    if not 0 < load.max_hold <= MAX_HOLD_MS:
        yield f"{where}.max_hold", "expected more than 0 and at most 7d"
    if load.manual_for <= 0:
        yield f"{where}.manual_for", "must be longer than 0"
    if load.loss_after <= 0:
        yield f"{where}.loss_after", 'must be longer than 0; at_loss = "keep" switches it off'
    if not 100 <= load.poll <= 3_600_000:  # noqa: PLR2004 (said in words beside)
        yield f"{where}.poll", "expected 100ms to 1h"
