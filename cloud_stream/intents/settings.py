"""The pace and the bounds of following intents."""

from dataclasses import dataclass


@dataclass(frozen=True)
class IntentSettings:
    """The pace and the bounds.

    Attributes:
        short_ms: Length of the short windows. utility_ms: of the utility intervals.
        grace_ms: A window counts as closed so long after its end.
        account_after_ms: An interval is booked so long after its end.
        decide_every_ms: How often limits and loads are looked at.
        order_ms: An order expires after this. renew_ms: it is renewed when it has less left.
        slot_ms: A load that is moved is on or off for the whole of such a piece of time.
        turn_ms: A load that is off for so long changes places with one that is on.
        turn: Accounts made in one call at most. reads: periods read from the store in one call at most.
        max_subjects: Meters and sites that are followed in one shard at most.
    """

    short_ms: int = 300_000
    utility_ms: int = 1_800_000
    grace_ms: int = 10_000
    account_after_ms: int = 60_000
    decide_every_ms: int = 60_000
    order_ms: int = 900_000
    renew_ms: int = 300_000
    slot_ms: int = 900_000
    turn_ms: int = 1_800_000
    turn: int = 100
    reads: int = 4
    max_subjects: int = 256

    @property
    def fresh_ms(self) -> int:
        """A short window whose end is longer ago says nothing of now."""
        return 2 * self.short_ms + self.grace_ms
