"""What a demo tells whoever looks on: the step it is at, and how far that is."""

from collections.abc import Callable
from dataclasses import dataclass

from wattline.demo.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the demo's course.

    Attributes:
        text: What is going on.
        done: How much of `total` is done.
        total: 0 where nobody knows.
        unit: What is counted.
        left_s: Until the demo ends by itself; None where that is not the question.
    """

    text: str
    done: int = 0
    total: int = 0
    unit: str = "readings"
    left_s: float | None = None


Say = Callable[[str], None]
"""Told what has happened, a line each."""
Show = Callable[[Step, Ledger | None], None]
"""Told about twice a second what is going on; the ledger is there once the broker is back."""
