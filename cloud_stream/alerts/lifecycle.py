"""From samples to episodes: calm, pending, firing, and what the world was told of it. The same for all kinds of rules.

The world believes the last alert that it was told. So a change is told only when it differs from that belief: a
repeated sample says nothing, a revision that turns the newest verdict is told with that sample's time, and a store that
upserts by (rule, subject, time) ends with the right state. People are a second, smaller world: they are told only what
is news now, and hear of an end only where they have heard of the beginning.
"""

from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import NamedTuple

from cloud_stream.alerts.condition import FAR_PAST, Frozen, Sample, Verdict


class State(IntEnum):
    """Where an episode is."""

    CALM = 0
    PENDING = 1
    FIRING = 2


class Phase(NamedTuple):
    """What is remembered of an episode.

    Attributes:
        since_ms: When it began: the time of its first sample. calm_ms: since when a firing one is inside its limit; 0
            when it is not.
    """

    state: int
    since_ms: int
    calm_ms: int


CALM = Phase(State.CALM, 0, 0)


class Timing(NamedTuple):
    """The times of a rule: `for`, `keep_firing_for`, and how old news may be for people."""

    hold_ms: int
    keep_ms: int
    max_age_ms: int


class Turn(NamedTuple):
    """A change that someone is told.

    Attributes:
        state: The new state. since_ms: when the episode began, also of one that has ended.
        was: The state before.
        is_news: Whether the store is told; if not, people hear only now of what the store was told at `fired_ms`.
        round: Of what people are told, the how many-th time in this episode that they hear the same; 0 when they are
            not told.
    """

    sample: Sample
    state: int
    since_ms: int
    was: int
    is_news: bool
    round: int
    fired_ms: int


def _phase(values: tuple[int, int, int]) -> Phase:
    return CALM if values[0] == State.CALM else Phase(*values)


def advance(phase: Phase, sample: Sample, hold_ms: int, keep_ms: int) -> Phase:
    """The phase after a sample."""
    if sample.verdict is Verdict.BEYOND:
        if phase.state == State.FIRING:
            return phase._replace(calm_ms=0) if phase.calm_ms else phase
        since_ms = phase.since_ms if phase.state == State.PENDING else sample.t_ms
        state = State.FIRING if sample.until_ms - since_ms >= hold_ms else State.PENDING
        return Phase(state, since_ms, 0)
    if phase.state != State.FIRING:
        return CALM
    if sample.verdict is Verdict.BETWEEN:
        return phase._replace(calm_ms=0) if phase.calm_ms else phase
    calm_ms = phase.calm_ms or sample.t_ms
    return CALM if sample.until_ms - calm_ms >= keep_ms else phase._replace(calm_ms=calm_ms)


class Episode:
    """The life of one subject under one rule."""

    __slots__ = ("_before", "_fired_ms", "_now", "_paged_ms", "_pages", "_told", "newest_ms")

    def __init__(
        self,
        newest_ms: int = FAR_PAST,
        phases: tuple[tuple[int, int, int], tuple[int, int, int]] = (CALM, CALM),
        told: tuple[tuple[int, int], ...] = (),
        pages: tuple[int, int, int] = (0, 0, 0),
    ) -> None:
        """A calm one, or what `freeze` gave.

        Args:
            newest_ms: Time of the newest sample that is no open window's.
            phases: Before and after it.
            told: Time to the state that the store was told, of the newest sample and open windows.
            pages: The episode of which people were told, and how often - after an odd number they believe it firing -,
                and the time under which the store was told last that it fires.
        """
        self.newest_ms = newest_ms
        self._before, self._now = map(_phase, phases)
        self._told = dict(told)
        self._paged_ms, self._pages, self._fired_ms = pages

    @property
    def is_firing(self) -> bool:
        """Whether it fires after its newest sample."""
        return self._now.state == State.FIRING

    @property
    def is_told(self) -> bool:
        """Whether people believe that it fires."""
        return self._pages % 2 == 1

    @property
    def round(self) -> int:
        """How many beginnings of the episode people were told of; its end has the same number."""
        return (self._pages + 1) // 2

    @property
    def since_ms(self) -> int:
        """When what people or the store believe began."""
        return self._paged_ms if self.is_told else self._now.since_ms

    def feed(self, samples: Sequence[Sample], timing: Timing, now_ms: int) -> Iterator[Turn]:
        """Take samples in the order of time.

        Args:
            samples: Open windows after closed ones.
            timing: Of the rule.
            now_ms: The wall clock.

        Yields:
            What someone is told, in the order of time.
        """
        ahead: Phase | None = None
        for sample in samples:
            if sample.is_open:
                was = self._now if ahead is None else ahead
                ahead = advance(was, sample, timing.hold_ms, timing.keep_ms)
                turn = self._look(sample, was, ahead, timing, now_ms)
            else:
                turn = self._take(sample, timing, now_ms)
            if turn is not None:
                yield turn

    def freeze(self) -> Frozen:
        """What to go on from; short while all is well, as it nearly always is."""
        if self._now is CALM and self._before is CALM and not self._told and not self._pages:
            return (self.newest_ms,)
        phases = (tuple(self._before), tuple(self._now))
        return self.newest_ms, phases, tuple(self._told.items()), (self._paged_ms, self._pages, self._fired_ms)

    def _take(self, sample: Sample, timing: Timing, now_ms: int) -> Turn | None:
        if sample.t_ms < self.newest_ms:
            return None
        if sample.t_ms > self.newest_ms:
            self._before, self.newest_ms = self._now, sample.t_ms
            if self._told:
                self._told = {t_ms: state for t_ms, state in self._told.items() if t_ms >= sample.t_ms}
        self._now = advance(self._before, sample, timing.hold_ms, timing.keep_ms)
        believed = self._told.get(sample.t_ms, self._before.state) if self._told else self._before.state
        return self._tell(sample, self._now, believed, timing, now_ms)

    def _look(self, sample: Sample, was: Phase, phase: Phase, timing: Timing, now_ms: int) -> Turn | None:
        """An open window can make it worse, never better."""
        if phase.state <= was.state:
            return None
        believed = self._told.get(sample.t_ms, State.CALM)
        return self._tell(sample, phase, believed if believed >= phase.state else was.state, timing, now_ms)

    def _tell(self, sample: Sample, phase: Phase, believed: int, timing: Timing, now_ms: int) -> Turn | None:
        is_news = phase.state != believed
        if not is_news and not (phase.state == State.FIRING and not self.is_told):
            return None
        if is_news:
            self._told[sample.t_ms] = phase.state
            self._fired_ms = sample.t_ms if phase.state == State.FIRING else self._fired_ms
        round_ = self._page(sample, phase, timing, now_ms)
        if not is_news and not round_:
            return None
        since_ms = phase.since_ms if phase.state != State.CALM else self._ended_ms(sample)
        if round_:
            since_ms = self._paged_ms
        return Turn(sample, phase.state, since_ms, believed, is_news, round_, self._fired_ms)

    def _page(self, sample: Sample, phase: Phase, timing: Timing, now_ms: int) -> int:
        """Whether people are told, and which time; a beginning that is old news is told once it is fresh."""
        if phase.state == State.FIRING:
            is_fresh = sample.seen_ms >= now_ms - timing.max_age_ms
            if self.is_told or not is_fresh or sample.verdict is Verdict.CLEAR:
                return 0
            if phase.since_ms != self._paged_ms:
                self._paged_ms, self._pages = phase.since_ms, 0
        elif not self.is_told:
            return 0
        self._pages += 1
        return self.round

    def _ended_ms(self, sample: Sample) -> int:
        return self._before.since_ms if self._before.state != State.CALM else sample.t_ms
