"""The parts of a report about faults that were put into meters."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from model_export.alarm_matching import Events
from model_export.fault_examples import FaultExample
from model_export.fault_trial import FamilyRecall
from model_export.findings import DEFAULT_FAMILY, RecallFindings, called, default_of
from model_export.report.charts import recall_bars
from model_export.report.page import NOTHING, Row, heading, number, paragraph, percent, picture, pictures, table
from model_export.report.timelines import Line, zoomed
from model_export.report.words import moment, span

SIZES = (
    "spike: one interval at 3 to 10 times the meter's highest rate. stuck: the last value for 6 to 24 hours. "
    "drop out: 2 to 24 hours missing. drift: an error growing to 30 to 60 % of the value, up or down, over two weeks. "
    "night load: 30 to 100 % of the meter's mean more from 23 h to 5 h, for 3 to 7 nights. Each meter has one of a "
    "kind every six weeks."
)


@dataclass(frozen=True, slots=True)
class FaultPages:
    """What a trial with injected faults gave.

    Attributes:
        findings: Figures by family.
        examples: Some faults as the default family judged them.
        alarms_per_week: False alarms per meter and week that the thresholds were set to.
        meters: Meters learned from, and meters judged.
        meter_weeks: Judged time without faults.
    """

    findings: Sequence[RecallFindings]
    examples: Sequence[FaultExample]
    alarms_per_week: float
    meters: tuple[int, int]
    meter_weeks: float

    @property
    def default(self) -> RecallFindings:
        """What the default family reached."""
        name = default_of([one.family for one in self.findings])
        return next(one for one in self.findings if one.family == name)

    def verdict(self) -> str:
        """The result in a sentence or two."""
        best = self.default
        if best.recall is None:
            return f"No result: {called(best.family)} could not be trained ({best.error})."
        shares = ", ".join(f"{_words(kind)} {percent(one.both)}" for kind, one in best.recall.kinds)
        return (
            f"With its threshold at {self.alarms_per_week:g} false alarm{'s' * (self.alarms_per_week != 1)} per meter "
            f"and week, {called(best.family)} finds together with the rules: {shares}."
        )

    def summary(self) -> Iterator[str]:
        """What each family found, alone and with the rules."""
        yield _recall_table(self.findings, self.default.family)
        learned, judged = self.meters
        yield paragraph(
            f"{learned} meters to learn from, {judged} others judged for {self.meter_weeks:,.0f} meter-weeks. Each "
            "threshold is set on the judged meters without faults, where every alarm is a false one, to "
            f"{self.alarms_per_week:g} per meter and week; what is anomalous there at the same time does not count as "
            "found. Rules have no threshold: their false alarms come on top.",
            "soft",
        )
        if usable := _usable(self.findings):
            yield heading("With the rules")
            yield _together_table(usable)

    def sections(self) -> Iterator[tuple[str, str, str]]:
        """Anchor, title and content of each section."""
        usable = _usable(self.findings)
        if not usable:
            return
        kinds = [kind for kind, _ in usable[0].kinds]
        alone = {one.family: [recall.model for _, recall in one.kinds] for one in usable}
        charts = [picture(recall_bars(kinds, alone), "Found by the model alone", "by family")]
        best = self.default.recall
        if best is not None:
            ways = {way: [getattr(recall, way) for _, recall in best.kinds] for way in ("model", "rules", "both")}
            charts.append(picture(recall_bars(kinds, ways), "Model and rules", best.family))
        yield "kinds", "Recall by kind of fault", paragraph(SIZES, "soft") + pictures(charts)
        if self.examples and best is not None:
            yield "examples", "Some of the faults", _examples(self.examples, best.threshold)


def _usable(findings: Sequence[RecallFindings]) -> list[FamilyRecall]:
    return [one.recall for one in findings if one.recall is not None]


def _words(kind: str) -> str:
    return kind.replace("_", " ")


def _recall_table(findings: Sequence[RecallFindings], default: str) -> str:
    known = next((one.kinds for one in _usable(findings)), ())
    head = ("family, model alone", *(f"{_words(kind)} ({one.injected})" for kind, one in known), "mean",
            "false alarms / meter, week", "µs / interval", "kB")  # fmt: skip
    rows = []
    for one in findings:
        if one.recall is None:
            rows.append(Row((one.family, *[NOTHING] * (len(head) - 2), one.error)))
            continue
        shares = [recall.model for _, recall in one.recall.kinds]
        mean = percent(float(np.mean(shares)))
        cells = (one.family, *map(percent, shares), mean, number(one.recall.false_alarms[0], 2),
                 number(one.latency_us, 1), number(one.bytes / 1000, 0))  # fmt: skip
        badge = "default" if one.family == DEFAULT_FAMILY else ""
        rows.append(Row(cells, "chosen" if one.family == default else "", badge))
    return table(head, rows)


def _together_table(usable: Sequence[FamilyRecall]) -> str:
    head = ("", *(_words(kind) for kind, _ in usable[0].kinds), "false alarms / meter, week")
    alone = usable[0]
    rules = ("rules alone", *(percent(one.rules) for _, one in alone.kinds), number(alone.false_alarms[1], 2))
    either = [
        (f"{one.family} or rules", *(percent(kind.both) for _, kind in one.kinds), number(one.false_alarms[2], 2))
        for one in usable
    ]
    return table(head, [Row(rules), *map(Row, either)])


def _examples(examples: Sequence[FaultExample], threshold: float) -> str:
    words = (
        "Yellow: the fault. Dashed: what the meter would have shown. Red: found. Below: the score and its threshold."
    )
    drawn = []
    for one in examples:
        step_ms = int(np.median(np.diff(one.start_ms)))
        line = Line(one.start_ms, step_ms, one.rate, one.score, one.found, (one.true_start_ms, one.true_rate))
        event = Events(np.zeros(1, np.int64), np.array([one.begin_ms]), np.array([one.end_ms]))
        title = f"{_words(one.kind)}, {one.meter}"
        found = "found" if one.hit else "missed"
        found += (
            ", also by a rule" if one.hit and one.by_rules else " by the model, found by a rule" if one.by_rules else ""
        )
        words_below = f"{moment(one.begin_ms)}, {span(one.end_ms - one.begin_ms)}: {found}"
        drawn.append(
            picture(zoomed(line, event, threshold), title, words_below, "good" if one.hit or one.by_rules else "bad")
        )
    return paragraph(words) + pictures(drawn)
