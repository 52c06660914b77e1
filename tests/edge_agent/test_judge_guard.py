"""A judge that fails is counted; the readings go on."""

from collections.abc import Sequence

from edge_agent.judge_guard import GuardedJudge, NoJudge
from wattline.reading import Reading
from wattline.wire import Event

EVENT = Event(kind="anomaly", meter="m", t=1)


class Moody:
    """Fails when it is told to."""

    def __init__(self) -> None:
        self.fails = False
        self.counts = {"judged": 3, "late": 0}
        self.skipped = {"no_number": 2, "time": 0}

    def add(self, readings: Sequence[Reading]) -> None:
        if self.fails:
            raise ValueError(len(readings))

    def events(self, now_ms: int) -> list[Event]:
        if self.fails:
            raise ZeroDivisionError(now_ms)
        return [EVENT]

    def clock_set(self, by_ms: int) -> None:
        if self.fails:
            raise KeyError(by_ms)


def test_failures_are_counted_and_end_by_themselves() -> None:
    moody = Moody()
    judge = GuardedJudge(moody)
    moody.fails = True
    judge.add([])
    assert judge.events(1) == []
    judge.clock_set(1)
    moody.fails = False
    judge.add([])
    assert judge.events(1) == [EVENT]
    assert judge.failures == {"add": 1, "events": 1, "clock_set": 1}
    assert judge.figures() == {
        "intervals_judged": 3.0,
        "skipped_no_number": 2.0,
        "judge_failed_add": 1.0,
        "judge_failed_events": 1.0,
        "judge_failed_clock_set": 1.0,
    }


def test_no_judge_finds_nothing() -> None:
    judge = NoJudge()
    judge.add([])
    judge.clock_set(1)
    assert judge.events(1) == []
