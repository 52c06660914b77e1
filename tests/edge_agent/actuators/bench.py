"""A load on a bench: the controller, a relay that obeys or not, and a clock that is moved."""

from typing import Any, Final

import msgspec

from edge_agent.actuators.board import BoardState, LoadBoard, Switch
from edge_agent.actuators.load_state import LoadRules
from wattline.wire import Command, Event

NOW_MS: Final = 1_790_000_000_000
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
RULES: Final = LoadRules(
    id="boiler", meter="main", power_w=2000, allowed=True, min_on_ms=5 * MINUTE_MS, min_off_ms=3 * MINUTE_MS
)


class Bench:
    """One board and its relays; orders are carried out at once, unless `dead`.

    Attributes:
        now_ms: Moves with `wait` only.
        relays: Where they are.
        moves: Every move that a relay made for us: time and position, of the load "boiler".
        told: Every answer.
    """

    def __init__(self, *rules: LoadRules, relay: bool = True, now_ms: int = NOW_MS) -> None:
        self.rules = rules or (RULES,)
        self.now_ms = now_ms
        self.synchronised = True
        self.connected = True
        self.dead = False
        self.relays = {one.id: relay for one in self.rules}
        self.moves: list[tuple[int, bool]] = []
        self.told: list[Event] = []
        self.board = LoadBoard(self.rules, None, now_ms)
        self.turn()
        self.wait(HOUR_MS)  # no least time is running any more

    def command(self, name: str, action: str = "off", *, lasts_ms: int = HOUR_MS, **changes: object) -> Command:
        """A command for the boiler, decided now."""
        fields: dict[str, Any] = {
            "v": 1,
            "gateway": "gw-1",
            "id": name,
            "load": "boiler",
            "action": action,
            "t": self.now_ms,
            "expires_at": self.now_ms + lasts_ms,
            **changes,
        }
        return Command(**fields)

    def send(
        self, name: str, action: str = "off", *, lasts_ms: int = HOUR_MS, retained: bool = False, **changes: object
    ) -> None:
        """Let a command come, and see what is done about it."""
        command = self.command(name, action, lasts_ms=lasts_ms, **changes)
        self.board.take(command, self.now_ms, synchronised=self.synchronised, retained=retained)
        self.turn()

    def turn(self) -> None:
        """One turn of the agent's loop: look, decide, switch, and hear what the relay did."""
        if not self.dead:
            for name, on in self.relays.items():
                self.board.loads[name].seen(on, self.now_ms)
        for _ in range(3):
            self.board.tick(self.now_ms, synchronised=self.synchronised, connected=self.connected)
            for order in self.board.orders(self.now_ms):
                self.carry_out(order)
        self.told += self.board.take_answers()

    def carry_out(self, order: Switch) -> None:
        """What a relay does with an order."""
        load = self.board.loads[order.load]
        if self.dead:
            load.failed(order.on, "no answer", self.now_ms)
            return
        if self.relays[order.load] != order.on and order.load == "boiler":
            self.moves.append((self.now_ms, order.on))
        self.relays[order.load] = order.on
        load.switched(order.on, self.now_ms)

    def wait(self, ms: int, step_ms: int = MINUTE_MS) -> None:
        """Let time pass."""
        end_ms = self.now_ms + ms
        while self.now_ms < end_ms:
            self.now_ms = min(end_ms, self.now_ms + step_ms)
            self.turn()

    def by_hand(self, where: str) -> None:
        """Somebody presses the button at the relay: `on` or `off`."""
        self.relays["boiler"] = where == "on"
        self.turn()

    def power_cut(self, ms: int = 0, *, relay: bool | None = None, forget: bool = False) -> None:
        """Everything ends at once and starts again later, with what was on disk; the relay may have moved."""
        kept = msgspec.json.decode(msgspec.json.encode(self.board.state), type=BoardState)
        self.now_ms += ms
        if relay is not None:
            self.relays["boiler"] = relay
        self.board = LoadBoard(self.rules, None if forget else kept, self.now_ms)
        self.turn()

    @property
    def on(self) -> bool:
        """Where the boiler's relay is."""
        return self.relays["boiler"]

    def states(self, name: str) -> list[str]:
        """How a command was answered, in order."""
        return [event.command.state for event in self.told if event.command and event.command.id == name]

    def reason(self, name: str) -> str:
        """The last reason that it was given."""
        return [event.reason for event in self.told if event.command and event.command.id == name][-1]

    @property
    def mode(self) -> str:
        """Of the boiler, as births say it."""
        return self.board.infos[0].mode
