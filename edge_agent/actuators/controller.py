"""Decides where the relay of one load has to be: commands, hands, times, and a relay that may not answer.

Pure: no clock, no thread, no file. Whoever drives it passes what has happened and the time, and takes out what is to
be switched (`order`) and what is to be answered (`take_answers`).

```
         command            relay has switched        until_ms
auto ----------> hold: accepted ------------> done ------------> expired -> the load is left to itself
                   |   (waits for the least time of on or off)
                   +-- release, another command, broker away, clock lost --> released
                   +-- somebody switches by hand --> overridden -> manual, until its time is over or `auto`
```
"""

from collections import Counter
from typing import Final

import msgspec

from edge_agent.actuators.load_state import DAY_MS, Action, Hold, LoadRules, LoadState, Manual
from wattline.wire import Command, CommandAnswer, Event, LoadInfo

STRAY_MS: Final = 600_000
"""So long after an order that failed, the relay may still carry it out: that is not a hand."""
CLOCK_GRACE_MS: Final = 300_000
"""So long a hold goes on without a synchronised clock, as after a start."""
CLOCK_AHEAD_MS: Final = 300_000
"""A command from further in the future says that one of the two clocks is wrong."""
_SWITCHING: Final[dict[str, Action]] = {"on": "on", "off": "off"}
RELEASE: Final = "release"
MAX_ACTION_LENGTH: Final = 32
MAX_REASON_LENGTH: Final = 500
_BOOKED_MS: Final = 300_000
"""So often the time that a load is kept off is booked: a power cut may cost no more of the account."""
_CROWDED_MS: Final = 60_000
"""Answers that come together get times of their own; farther off, the clock was set back."""
_WORDS: Final = {True: "on", False: "off", None: "unknown"}


class LoadController:
    """One load.

    Attributes:
        rules: What the owner has fixed.
        state: What is known; kept on disk by whoever drives this, before orders and answers leave.
        counts: Answers by state, `orders`, `strays` (orders carried out late), `by_hand`, `orders_failed`.
    """

    def __init__(self, rules: LoadRules, state: LoadState | None, now_ms: int) -> None:
        """Take up where the last run ended.

        Args:
            rules: What the owner has fixed.
            state: What the last run knew; None when nothing is known.
            now_ms: The wall clock, ms UTC.
        """
        self.rules = rules
        self.state = state or LoadState()
        self.counts: Counter[str] = Counter()
        self._ordered: bool | None = None
        self._failed: tuple[bool, int] | None = None
        self._answering = False
        self._no_clock_since_ms = 0
        self._away_since_ms = 0
        self._answers: list[Event] = []
        self._start(now_ms)

    @property
    def info(self) -> LoadInfo:
        """The load as a birth describes it."""
        rules = self.rules
        return LoadInfo(
            id=rules.id,
            kind=rules.kind,
            meter=rules.meter,
            power_w=rules.power_w,
            control="cloud" if rules.allowed else "never",
            mode=self._mode,
            state=self._switched,
            min_on_s=rules.min_on_ms // 1000,
            min_off_s=rules.min_off_ms // 1000,
        )

    @property
    def wish(self) -> bool | None:
        """Where the relay has to be; None leaves it alone."""
        state = self.state
        if state.manual is not None:
            return state.manual.on
        if state.hold is not None:
            return state.hold.action == "on"
        return self.rules.released_on if state.returning else None

    def take(self, command: Command, now_ms: int) -> None:
        """Accept or refuse a command that was never seen before."""
        if problem := self._objection(command, now_ms):
            self.refuse(command, problem, now_ms)
        elif command.action == RELEASE:
            self._release(command, now_ms)
        else:
            self._hold(command, _SWITCHING[command.action], now_ms)
        self._settle(now_ms)

    def refuse(self, command: Command, problem: str, now_ms: int) -> None:
        """Answer that it is not carried out."""
        self._answer(command.id, shown_action(command), "refused", problem, now_ms)

    def by_hand(self, wish: str, until_ms: int, now_ms: int) -> None:
        """Somebody wishes `on` or `off` until `until_ms` (0: for ever), or `auto`: nobody switches by hand any more."""
        self.counts["by_hand"] += 1
        if wish == "auto":
            self._let_go("somebody has let go of it", now_ms)
            return
        self._take_over(Manual(wish == "on", until_ms, now_ms), f"switched {wish} by hand, at the gateway", now_ms)

    def seen(self, on: bool | None, now_ms: int) -> None:  # noqa: FBT001 (a value, not a switch of this method)
        """The relay says where it is; None: it does not answer."""
        self._answering = on is not None
        state = self.state
        if on is None or self._ordered is not None:  # what was read before an order says nothing about it
            return
        if state.on is None or state.unsure:
            self._moved(on, now_ms)
        elif on != state.on:
            self._moved(on, now_ms)
            self._explain_move(on, now_ms)

    def switched(self, on: bool, now_ms: int) -> None:  # noqa: FBT001 (as above)
        """The relay has carried out an order."""
        self._answering = True
        if self._ordered is not None and self._ordered != on:
            return  # an order that has been replaced
        self._ordered = self._failed = None
        self._moved(on, now_ms)
        self._settle(now_ms)

    def failed(self, on: bool, problem: str, now_ms: int) -> None:  # noqa: FBT001 (as above)
        """The relay has not carried out an order, and is tried again until another one comes."""
        self._answering = False
        self.counts["orders_failed"] += 1
        self._failed = (on, now_ms + STRAY_MS)
        hold = self.state.hold
        if hold is not None and not hold.done and on == (hold.action == "on"):
            self.state.hold = None
            self.state.returning = True
            self._answer(hold.id, hold.action, "refused", f"the relay does not answer: {problem}", now_ms)

    def tick(self, now_ms: int, *, synchronised: bool, connected: bool) -> None:
        """Let time pass.

        Args:
            now_ms: The wall clock, ms UTC.
            synchronised: Whether it can be believed.
            connected: Whether the broker is there.
        """
        state, rules = self.state, self.rules
        state.not_after(now_ms)  # the clock may have been wrong while we were away
        state.decided_ms = min(state.decided_ms, now_ms + CLOCK_AHEAD_MS)
        self._no_clock_since_ms = 0 if synchronised else self._no_clock_since_ms or now_ms
        self._away_since_ms = 0 if connected else self._away_since_ms or now_ms
        if state.hold is not None and now_ms >= state.hold.until_ms:
            self._end_hold("expired", state.hold.why_until or "its time is over", now_ms)
        if state.hold is not None and state.hold.action == "off" and self._off_left_ms(now_ms) <= 0:
            self._end_hold("expired", self._most_off, now_ms)
        if (
            synchronised
            and state.hold is not None
            and state.hold.until_ms - now_ms > rules.max_hold_ms + CLOCK_AHEAD_MS
        ):
            self._end_hold("released", "the clock was set back: its end is too far ahead now", now_ms)
        if self._no_clock_since_ms and now_ms - self._no_clock_since_ms >= CLOCK_GRACE_MS:
            self._end_hold("released", "nobody knows the time: the clock is not synchronised", now_ms)
        if rules.loss_ms and self._away_since_ms and now_ms - self._away_since_ms >= rules.loss_ms:
            self._end_hold("released", f"the broker has been away for {_span(rules.loss_ms)}", now_ms)
        if state.manual is not None and state.manual.until_ms and now_ms >= state.manual.until_ms:
            self._let_go("the time of the switch by hand is over", now_ms)
        self._settle(now_ms)

    def stop(self, now_ms: int) -> None:
        """The gateway ends in order: nobody would be there to let go of the load."""
        self._end_hold("released", "the gateway stops", now_ms)

    def order(self, now_ms: int, *, at_once: bool = False) -> bool | None:
        """What the relay shall be told now, each order once; None for nothing.

        Args:
            now_ms: The wall clock, ms UTC.
            at_once: Not even the least times of on and off are waited for, as at the end.
        """
        wish = self.wish
        if wish is None or wish == self._ordered or (self._ordered is None and self._is(wish)):
            return None
        if not at_once and self.state.manual is None and self._free_from_ms(wish, now_ms) > now_ms:
            return None
        self._ordered = wish
        self.state.unsure = True
        self.counts["orders"] += 1
        return wish

    def take_answers(self) -> list[Event]:
        """What is to be told, once."""
        answers, self._answers = self._answers, []
        return answers

    def clock_set(self, by_ms: int) -> None:
        """The wall clock was set by so much: durations go on, ends stay."""
        self.state.clock_set(by_ms)
        self._no_clock_since_ms += by_ms if self._no_clock_since_ms else 0
        self._away_since_ms += by_ms if self._away_since_ms else 0
        self._failed = (self._failed[0], self._failed[1] + by_ms) if self._failed else None

    # ---- decisions

    def _start(self, now_ms: int) -> None:
        state = self.state
        if not self.rules.allowed:
            self._end_hold("released", "the owner has taken control back", now_ms)
        elif state.manual is None and self.rules.release_at_start:
            state.returning |= state.hold is None
        if state.hold is not None or state.returning:
            state.unsure = True  # a power cut moves relays as well

    def _objection(self, command: Command, now_ms: int) -> str:
        """Why a command is refused whatever the load does; "" when it is not."""
        manual, late_ms = self.state.manual, now_ms - command.expires_at
        objections = {
            f"unknown action {shown_action(command)!r}": command.action not in (*_SWITCHING, RELEASE),
            "the owner keeps control of it": not self.rules.allowed,
            f"switched {_WORDS[manual.on if manual else None]} by hand, which wins": manual is not None,
            f"{_span(late_ms)} late": late_ms >= 0,
            "overtaken: one that was decided later has come before": command.t < self.state.decided_ms,
            "decided in the future: one of the clocks is wrong": command.t > now_ms + CLOCK_AHEAD_MS,
            f"reaches further than {_span(self.rules.max_hold_ms)} ahead": -late_ms > self.rules.max_hold_ms,
        }
        return next((problem for problem, holds in objections.items() if holds), "")

    def _hold(self, command: Command, action: Action, now_ms: int) -> None:
        """Begin a hold, where the times allow one."""
        starts_ms = self._free_from_ms(action == "on", now_ms)
        waits_ms = starts_ms - now_ms
        if starts_ms >= command.expires_at:
            self.refuse(command, f"it was switched just before, and stays so for another {_span(waits_ms)}", now_ms)
            return
        left_ms = self._off_left_ms(now_ms) if action == "off" else DAY_MS
        if left_ms <= 0:
            self.refuse(command, self._most_off, now_ms)
            return
        short = starts_ms + left_ms < command.expires_at
        until_ms = min(command.expires_at, starts_ms + left_ms)
        self.state.decided_ms = command.t
        self._end_hold("released", f"replaced by {command.id}", now_ms)
        self._end_release("released", f"replaced by {command.id}", now_ms)
        self.state.returning = False
        self.state.hold = Hold(command.id, action, until_ms, self._most_off if short else "")
        waits = f"in {_span(waits_ms)}, after its least time" if waits_ms else ""
        self._answer(
            command.id, action, "accepted", "; ".join(filter(None, (waits, self.state.hold.why_until))), now_ms
        )

    def _release(self, command: Command, now_ms: int) -> None:
        self.state.decided_ms = command.t
        self._end_hold("released", f"by {command.id}", now_ms)
        self._end_release("released", f"replaced by {command.id}", now_ms)
        self.state.returning, self.state.releasing = True, command.id
        self._answer(command.id, RELEASE, "accepted", "", now_ms)

    def _off_left_ms(self, now_ms: int) -> int:
        """For how long commands may still keep it off today."""
        return self.rules.max_off_ms - self.state.off_ms(now_ms) if self.rules.max_off_ms else DAY_MS

    @property
    def _most_off(self) -> str:
        return f"{_span(self.rules.max_off_ms)} off in 24 h are the most"

    def _free_from_ms(self, on: bool, now_ms: int) -> int:  # noqa: FBT001 (as above)
        """When the load may be brought there, for the least times of on and off."""
        known = self.state.on
        if known is None or known == on:
            return now_ms
        least_ms = self.rules.min_on_ms if known else self.rules.min_off_ms
        return max(now_ms, self.state.changed_ms + least_ms)

    def _settle(self, now_ms: int) -> None:
        """Tell what has come true, and keep account of the time that commands keep it off."""
        state, hold = self.state, self.state.hold
        if hold is not None and not hold.done and self._is(hold.action == "on"):
            state.hold = hold = msgspec.structs.replace(hold, done=True)
            self._answer(hold.id, hold.action, "done", hold.why_until, now_ms)
        if hold is None and self._is(self.rules.released_on):
            state.returning = False
        if not state.returning:
            self._end_release("done", "", now_ms)
        if hold is not None and hold.action == "off" and state.on is False:
            if state.off_since_ms and now_ms - state.off_since_ms >= _BOOKED_MS:
                state.end_off_span(now_ms)
            state.off_since_ms = state.off_since_ms or now_ms
        else:
            state.end_off_span(now_ms)

    def _end_hold(self, how: str, reason: str, now_ms: int) -> None:
        hold = self.state.hold
        if hold is None:
            return
        self.state.hold = None
        self.state.returning = self.state.manual is None
        self.state.end_off_span(now_ms)
        self._answer(hold.id, hold.action, how, reason, now_ms)

    def _end_release(self, how: str, reason: str, now_ms: int) -> None:
        released, self.state.releasing = self.state.releasing, ""
        if released:
            self._answer(released, RELEASE, how, reason, now_ms)

    def _explain_move(self, on: bool, now_ms: int) -> None:  # noqa: FBT001 (as above)
        """The relay is not where it was: an order of ours that came late, or a hand."""
        if self._failed is not None and self._failed[0] == on and now_ms < self._failed[1]:
            self.counts["strays"] += 1
            self._failed = None
            self.state.returning = self.state.hold is None and self.state.manual is None
            return
        self.counts["by_hand"] += 1
        if self.rules.allowed or self.state.manual is not None:
            until_ms = now_ms + self.rules.manual_ms
            self._take_over(Manual(on, until_ms, now_ms), f"switched {_WORDS[on]} by hand, at the relay", now_ms)

    def _take_over(self, manual: Manual, reason: str, now_ms: int) -> None:
        hold, self.state.manual = self.state.hold, manual
        self.state.returning = False
        if hold is not None:
            self._end_hold("overridden", reason, now_ms)
        else:
            self._answer("", "", "overridden", reason, now_ms)
        self._end_release("overridden", reason, now_ms)

    def _let_go(self, reason: str, now_ms: int) -> None:
        """No hand any more: the load is left to itself."""
        if self.state.manual is not None:
            self.state.manual = None
            self.state.returning = True
            self._answer("", "", "released", reason, now_ms)
            self._settle(now_ms)

    def _moved(self, on: bool, now_ms: int) -> None:  # noqa: FBT001 (as above)
        if self.state.on != on:
            self.state.on, self.state.changed_ms = on, now_ms
        self.state.unsure = False

    def _is(self, on: bool) -> bool:  # noqa: FBT001 (as above)
        return self.state.on == on and not self.state.unsure

    @property
    def _mode(self) -> str:
        return "auto" if self.state.manual is None else "manual"

    @property
    def _switched(self) -> str:
        known = self._answering and (self._ordered is not None or not self.state.unsure)
        return _WORDS[self.state.on if known else None]

    def _answer(self, command: str, action: str, how: str, reason: str, now_ms: int) -> None:
        self.counts[how] += 1
        state, rules = self.state, self.rules
        later_ms = state.last_answer_ms + 1
        state.last_answer_ms = later_ms if now_ms < later_ms < now_ms + _CROWDED_MS else now_ms
        ends_ms = state.hold.until_ms if state.hold is not None and state.hold.id == command and command else 0
        answer = CommandAnswer(
            id=command,
            load=rules.id,
            action=action,
            state=how,
            expires_at=ends_ms,
            mode=self._mode,
            switched=self._switched,
        )
        meter = rules.meter or rules.id
        self._answers.append(
            Event(
                kind="command",
                meter=meter,
                t=state.last_answer_ms,
                reason=reason[:MAX_REASON_LENGTH],
                command=answer,
            )
        )


def shown_action(command: Command) -> str:
    """A command's action, short, and still a name of the wire."""
    return command.action[:MAX_ACTION_LENGTH].rstrip()


def _span(ms: int) -> str:
    """A duration for a person."""
    seconds = round(ms / 1000)
    if seconds < 120:  # noqa: PLR2004 (two minutes are told in seconds)
        return f"{seconds} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.3g} h"  # noqa: PLR2004 (and two hours in minutes)
