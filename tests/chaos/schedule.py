"""When what is killed: decided by a seed before the run."""

import random
from collections.abc import Mapping
from typing import NamedTuple

MOST_WAIT_S = 1.0
MOST_DOWN_S = 1.0
TOGETHER = 0.25
"""How often two parts are down at the same time."""


class Fault(NamedTuple):
    """One or two parts that die together.

    Attributes:
        names: Which.
        after_s: How long everything runs before, once data flows again.
        down_s: How long they are away.
        recovers: Whether data must flow again before the next fault.
    """

    names: tuple[str, ...]
    after_s: float
    down_s: float
    recovers: bool


def faults(kills: int, shares: Mapping[str, int], seed: int) -> list[Fault]:
    """Draw a run.

    Args:
        kills: How many in all.
        shares: Part to how many of every `sum(shares)` kills are its own.
        seed: Decides everything.
    """
    draw = random.Random(seed)
    names = _names(kills, shares, draw)
    drawn = []
    while names:
        together = [names.pop()]
        if names and names[-1] != together[0] and draw.random() < TOGETHER:
            together.append(names.pop())
        after_s, down_s = draw.uniform(0, MOST_WAIT_S), draw.uniform(0, MOST_DOWN_S)
        drawn.append(Fault(tuple(together), after_s, down_s, draw.random() < 0.6))
    return drawn


def _names(kills: int, shares: Mapping[str, int], draw: random.Random) -> list[str]:
    deck = [name for name, share in shares.items() for _ in range(share)]
    names = (deck * (kills // len(deck) + 1))[: kills // len(deck) * len(deck)]
    names += draw.sample(deck, kills - len(names))
    draw.shuffle(names)
    return names
