"""What is known of one switchable load, as it is kept on disk, and what the owner has fixed for it."""

from typing import Final, Literal

import msgspec

DAY_MS: Final = 86_400_000
MOST_SPANS: Final = 256

Action = Literal["on", "off"]


class LoadRules(msgspec.Struct, frozen=True, kw_only=True):
    """What the owner has fixed for a load; durations in ms.

    Attributes:
        allowed: Whether commands of the cloud are carried out.
        released_on: Where the relay is while the load is left to itself; a boiler's thermostat needs it on.
        min_on_ms: It stays on for so long at least. min_off_ms: and off.
        max_off_ms: Commands may keep it off for so long in any 24 hours; 0 is without limit.
        max_hold_ms: A command may not reach further ahead.
        manual_ms: A switch by hand at the relay wins for so long.
        loss_ms: Held loads are released when the broker is away for so long; 0 never.
        release_at_start: Whether a start brings the relay where it belongs, or leaves it as it is found.
    """

    id: str
    kind: str = "boiler"
    meter: str = ""
    power_w: float = 0.0
    allowed: bool = False
    released_on: bool = True
    min_on_ms: int = 300_000
    min_off_ms: int = 300_000
    max_off_ms: int = 4 * 3_600_000
    max_hold_ms: int = DAY_MS
    manual_ms: int = DAY_MS
    loss_ms: int = 900_000
    release_at_start: bool = True


class Hold(msgspec.Struct, frozen=True):
    """A command that is being carried out, or waits for the load's least time.

    Attributes:
        until_ms: When the load is left to itself again, ms UTC by the wall clock.
        why_until: Why that is earlier than the command said; "" when it is not.
        done: Whether the relay has switched for it.
    """

    id: str
    action: Action
    until_ms: int
    why_until: str = ""
    done: bool = False


class Manual(msgspec.Struct, frozen=True):
    """Somebody has switched by hand at `since_ms`; until `until_ms`, or for ever with 0."""

    on: bool
    until_ms: int
    since_ms: int = 0


class LoadState(msgspec.Struct, kw_only=True):
    """What must survive a power cut.

    Attributes:
        on: Where the relay was when it was last known; None before.
        unsure: Whether it may be elsewhere: an order is on its way, or it did not answer.
        changed_ms: Since when it is where it is.
        returning: The relay has to be brought back to where it is while the load is left to itself.
        releasing: The command that asked for that and waits for its answer; "" without.
        off_since_ms: Since when a command keeps it off; 0 when none does.
        off_spans: When commands have kept it off, within the last day: [from, to) in ms.
        decided_ms: When the newest command that was accepted had been decided.
        last_answer_ms: Answers of one load have different times.
    """

    hold: Hold | None = None
    manual: Manual | None = None
    on: bool | None = None
    unsure: bool = True
    changed_ms: int = 0
    returning: bool = False
    releasing: str = ""
    off_since_ms: int = 0
    off_spans: list[tuple[int, int]] = []
    decided_ms: int = 0
    last_answer_ms: int = 0

    def off_ms(self, now_ms: int) -> int:
        """For how long commands have kept it off in the last 24 hours."""
        current = [(self.off_since_ms, now_ms)] if self.off_since_ms else []
        oldest_ms = now_ms - DAY_MS
        spans = [(max(start, oldest_ms), min(end, now_ms)) for start, end in (*self.off_spans, *current)]
        return sum(end - start for start, end in spans if end > start)

    def end_off_span(self, now_ms: int) -> None:
        """Book the time since `off_since_ms`, and forget what is older than a day."""
        if not self.off_since_ms:
            return
        spans = [span for span in self.off_spans if span[1] > now_ms - DAY_MS]
        goes_on = bool(spans) and spans[-1][1] == self.off_since_ms
        start_ms = spans.pop()[0] if goes_on else self.off_since_ms
        spans.append((start_ms, max(now_ms, self.off_since_ms)))
        if len(spans) > MOST_SPANS:  # the pause between the two oldest counts as off: never less than it was
            spans[:2] = [(spans[0][0], spans[1][1])]
        self.off_spans, self.off_since_ms = spans, 0

    def not_after(self, now_ms: int) -> None:
        """Move what was kept from a future that the clock does not know, as after a start in 1970: durations go on."""
        self.changed_ms = min(self.changed_ms, now_ms)
        manual = self.manual
        if manual is not None and manual.until_ms and manual.since_ms > now_ms:
            self.manual = Manual(manual.on, now_ms + manual.until_ms - manual.since_ms, now_ms)
        newest_ms = max((self.off_since_ms, *(end for _, end in self.off_spans)))
        if newest_ms > now_ms:
            self._move_off(now_ms - newest_ms)

    def clock_set(self, by_ms: int) -> None:
        """Move what is measured from then to now; ends that the cloud has named stay where they are."""
        self.changed_ms += by_ms if self.changed_ms else 0
        self._move_off(by_ms)
        if self.manual is not None and self.manual.until_ms:
            self.manual = Manual(self.manual.on, self.manual.until_ms + by_ms, self.manual.since_ms + by_ms)

    def _move_off(self, by_ms: int) -> None:
        self.off_since_ms += by_ms if self.off_since_ms else 0
        self.off_spans = [(start + by_ms, end + by_ms) for start, end in self.off_spans]
