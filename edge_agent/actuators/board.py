"""All loads of a gateway: which command is for which, and each command once.

Pure, like `controller`.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from edge_agent.actuators.controller import RELEASE, LoadController, shown_action
from edge_agent.actuators.load_state import LoadRules, LoadState
from wattline.wire import Command, CommandAnswer, Event, LoadInfo

MAX_REMEMBERED: Final = 512
"""Commands that are answered again when they come again."""


class Remembered(msgspec.Struct):
    """A command's last answer; forgotten, when room is needed, once the command would be refused as late anyway."""

    expires_ms: int
    answer: Event


class BoardState(msgspec.Struct, kw_only=True):
    """What must survive a power cut: the file of the loads."""

    v: int = 1
    loads: dict[str, LoadState] = {}
    answered: dict[str, Remembered] = {}


class Switch(NamedTuple):
    """An order for a relay."""

    load: str
    on: bool


class LoadBoard:
    """The loads and what they were told.

    Attributes:
        loads: By id.
        counts: `repeated`, `unknown_load`, `remembered_out`: commands beside those that the loads count.
    """

    def __init__(self, rules: Sequence[LoadRules], state: BoardState | None, now_ms: int) -> None:
        """Take up where the last run ended.

        Args:
            rules: Of every load.
            state: What the last run knew; None when nothing is known.
            now_ms: The wall clock, ms UTC.
        """
        known = state or BoardState()
        self.loads = {one.id: LoadController(one, known.loads.get(one.id), now_ms) for one in rules}
        self.counts: Counter[str] = Counter()
        self._answered = known.answered
        self._answers: list[Event] = []
        self._collect()

    def take(self, command: Command, now_ms: int, *, synchronised: bool, retained: bool = False) -> None:
        """Answer a command, and have it carried out where that may be.

        Args:
            command: As it came.
            now_ms: The wall clock, ms UTC.
            synchronised: Whether that can be believed.
            retained: Whether the broker had kept it from who knows when.
        """
        if known := self._answered.get(command.id):
            self.counts["repeated"] += 1
            self._answers.append(known.answer)
            return
        load = self.loads.get(command.load)
        problem = self._objection(command, now_ms, synchronised=synchronised, retained=retained)
        if load is None:
            self.counts["unknown_load"] += 1
            self._refuse_stranger(command, now_ms)
        elif problem:
            load.refuse(command, problem, now_ms)
        else:
            load.take(command, now_ms)
        self._collect(command)

    def refuse(self, command: Command, problem: str, now_ms: int) -> None:
        """Answer that a command is not carried out, whatever was said before."""
        self.loads[command.load].refuse(command, problem, now_ms)
        self._collect(command)

    def restore(self, state: BoardState) -> None:
        """Take back what was decided since `state` was kept; nothing was ordered or told of it."""
        for name, load in self.loads.items():
            load.state = state.loads[name]
        self._answered = state.answered
        self._answers = []

    def told_since(self, t_ms: int) -> list[Event]:
        """The last answer of every command that was answered since, oldest first."""
        events = [known.answer for known in self._answered.values() if known.answer.t >= t_ms]
        return sorted(events, key=lambda event: event.t)

    def tick(self, now_ms: int, *, synchronised: bool, connected: bool) -> None:
        """Let time pass for every load."""
        for load in self.loads.values():
            load.tick(now_ms, synchronised=synchronised, connected=connected)
        self._collect()

    def stop(self, now_ms: int) -> None:
        """End every hold: the gateway ends in order."""
        for load in self.loads.values():
            load.stop(now_ms)
        self._collect()

    def orders(self, now_ms: int, *, at_once: bool = False) -> list[Switch]:
        """What the relays shall be told now, each order once."""
        orders = {load.rules.id: load.order(now_ms, at_once=at_once) for load in self.loads.values()}
        return [Switch(name, on) for name, on in orders.items() if on is not None]

    def take_answers(self) -> list[Event]:
        """What is to be told, once."""
        self._collect()
        answers, self._answers = self._answers, []
        return answers

    def clock_set(self, by_ms: int) -> None:
        """The wall clock was set by so much."""
        for load in self.loads.values():
            load.clock_set(by_ms)

    @property
    def state(self) -> BoardState:
        """What to keep; a command's answer is in it once `take` has returned."""
        self._collect()
        return BoardState(loads={name: load.state for name, load in self.loads.items()}, answered=self._answered)

    @property
    def infos(self) -> list[LoadInfo]:
        """The loads as a birth describes them."""
        return [load.info for load in self.loads.values()]

    def figures(self) -> Iterator[tuple[str, int]]:
        """What was counted, over all loads."""
        total = sum((load.counts for load in self.loads.values()), self.counts)
        return iter(total.items())

    def _objection(self, command: Command, now_ms: int, *, synchronised: bool, retained: bool) -> str:
        if not synchronised:
            return "the clock of the gateway is not synchronised"
        if retained:
            return "it was retained: nobody knows since when"
        if command.action != RELEASE and not self._make_room(now_ms):
            self.counts["remembered_out"] += 1
            return "more commands are in force than can be remembered"
        return ""

    def _make_room(self, now_ms: int) -> bool:
        """Forget commands that would be refused as late if they came again, the oldest first."""
        if len(self._answered) < MAX_REMEMBERED:
            return True
        ended = [name for name, known in self._answered.items() if known.expires_ms < now_ms]
        for name in ended[: max(1, len(ended) // 2)]:
            del self._answered[name]
        return len(self._answered) < MAX_REMEMBERED

    def _refuse_stranger(self, command: Command, now_ms: int) -> None:
        answer = CommandAnswer(id=command.id, load=command.load, action=shown_action(command), state="refused")
        reason = "there is no such load here"
        self._answers.append(Event(kind="command", meter=command.load, t=now_ms, reason=reason, command=answer))

    def _collect(self, command: Command | None = None) -> None:
        """Take the loads' answers, and remember each command's last one."""
        self._answers += [event for load in self.loads.values() for event in load.take_answers()]
        for event in self._answers:
            answer = event.command
            if answer is None or not answer.id:
                continue
            known = self._answered.pop(answer.id, None)
            if command is not None and command.id == answer.id:
                expires_ms = event.t if answer.state == "refused" else command.expires_at
            elif known is not None:
                expires_ms = known.expires_ms
            else:
                continue
            if len(self._answered) < MAX_REMEMBERED:
                self._answered[answer.id] = Remembered(expires_ms, event)
