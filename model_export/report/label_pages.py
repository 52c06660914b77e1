"""The parts of a report about labelled meters: tables, curves, timelines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from model_export.alarm_matching import Bools, Events, JudgedRows, Match, labelled_events, match
from model_export.evaluation import MeterVerdict
from model_export.findings import DEFAULT_FAMILY, LabelFindings, called, default_of
from model_export.label_trial import FamilyVerdicts
from model_export.report.charts import precision_recall_chart, roc_chart, score_histogram, trade_off_chart
from model_export.report.page import (
    NOTHING,
    Row,
    heading,
    number,
    paragraph,
    percent,
    picture,
    pictures,
    table,
)
from model_export.report.timelines import AFTER_MS, BEFORE_MS, Line, overview, zoomed
from model_export.report.words import moment, span
from wattline.intervals import Floats

MOST_DRAWN: Final = 12
"""Meters with pictures; the tables have all."""
_MOST_WINDOWS: Final = 12
_MOST_FALSE: Final = 3
_TRADE_OFFS: Final = 24
_WEEK_MS: Final = 7 * 86_400_000


@dataclass(frozen=True, slots=True)
class LabelPages:
    """What a trial on labelled meters gave.

    Attributes:
        findings: Figures by family.
        said: What each family said, in the same order.
        thresholds: The threshold of each family's first model, in the same order.
    """

    findings: Sequence[LabelFindings]
    said: Sequence[FamilyVerdicts]
    thresholds: Sequence[float]

    @property
    def default(self) -> int:
        """Which family is the default one."""
        names = [one.family for one in self.findings]
        return names.index(default_of(names))

    @property
    def usable(self) -> list[FamilyVerdicts]:
        """The families that could be trained."""
        return [one for one in self.said if not one.error]

    def verdict(self) -> str:
        """The result in a sentence or two."""
        best = self.findings[self.default]
        if best.error:
            return f"No result: {called(best.family)} could not be trained ({best.error})."
        found, events = sum(m.events_found for m in best.meters), sum(m.events for m in best.meters)
        rate = best.mean("false_alarms_per_meter_week") or 0.0
        return (
            f"On {len(best.meters)} labelled meter{'s' * (len(best.meters) > 1)} {called(best.family)} ranks intervals "
            f"with a mean ROC-AUC of {number(best.mean('roc_auc'))} and a mean average precision of "
            f"{number(best.mean('average_precision'))}. "
            f"At its threshold it finds {found} of {events} labelled events, with {_often(rate)}."
        )

    def summary(self) -> Iterator[str]:
        """Tables of families, and of families by meter."""
        yield _families_table(self.findings, self.default)
        usable = [one for one in self.findings if not one.error]
        yield heading("ROC-AUC by meter")
        yield _meters_table(usable, "roc_auc")
        yield heading("Average precision by meter")
        yield _meters_table(usable, "average_precision")
        yield heading(f"By meter, at the threshold of {self.findings[self.default].family}")
        yield _alarms_table(self.findings[self.default])

    def sections(self) -> Iterator[tuple[str, str, str]]:
        """Anchor, title and content of each section."""
        if not self.usable:
            return
        yield "trade", "Events found, and what they cost", _trade_off(self.usable)
        yield "curves", "ROC and precision-recall by meter", _curves(self.usable)
        said = self.said[self.default]
        if not said.error:
            threshold = self.thresholds[self.default]
            yield "scores", "How strange intervals look", _histograms(said, threshold)
            yield "timelines", "Timelines", _timelines(said, threshold)


def _families_table(findings: Sequence[LabelFindings], default: int) -> str:
    head = ("family", "ROC-AUC", "average precision", "events found", "alarms deserved", "false alarms / meter, week",
            "µs / interval", "kB")  # fmt: skip
    rows = []
    for i, one in enumerate(findings):
        if one.error:
            rows.append(Row((one.family, *[NOTHING] * 6, one.error)))
            continue
        cells = (
            one.family,
            number(one.mean("roc_auc")),
            number(one.mean("average_precision")),
            percent(one.mean("event_recall")),
            percent(one.mean("event_precision")),
            number(one.mean("false_alarms_per_meter_week"), 2),
            number(one.latency_us, 1),
            number(one.bytes / 1000, 0),
        )
        badge = "default" if one.family == DEFAULT_FAMILY else ""
        rows.append(Row(cells, "chosen" if i == default else "", badge))
    return table(head, rows)


def _meters_table(findings: Sequence[LabelFindings], figure: str) -> str:
    if not findings:
        return ""
    rows = []
    for i, meter in enumerate(findings[0].meters):
        figures = [getattr(one.meters[i], figure) for one in findings]
        rows.append(Row((meter.name, *map(number, figures)), best=_best(figures)))
    means = [one.mean(figure) for one in findings]
    rows.append(Row(("mean", *map(number, means)), "chosen total"))
    return table(("meter", *(one.family for one in findings)), rows)


def _best(figures: Sequence[float | None]) -> int:
    """The column of the largest figure; -1 where there is none."""
    known = [-1.0 if figure is None else figure for figure in figures]
    return known.index(max(known)) + 1 if max(known) >= 0 else -1


def _alarms_table(one: LabelFindings) -> str:
    head = ("meter", "labelled events", "found", "alarms", "false", "false / week", "intervals", "labelled")
    rows = [
        Row((
            meter.name,
            str(meter.events),
            str(meter.events_found),
            str(meter.alarms),
            str(meter.false_alarms),
            number(meter.false_alarms_per_meter_week, 2),
            f"{meter.intervals:,}",
            f"{meter.labelled_intervals:,}",
        ))
        for meter in one.meters
    ]  # fmt: skip
    return table(head, rows)


def _trade_off(said: Sequence[FamilyVerdicts]) -> str:
    words = (
        "Every threshold is a bargain: a lower one finds more events and calls more often for nothing. An alarm is a "
        "run of anomalous intervals at most an hour apart; an event is a run of labelled intervals, found when an "
        "interval in it, or in the hour after it, is anomalous."
    )
    curves = {one.family: trade_off(one.verdicts) for one in said}
    drawn = picture(trade_off_chart(curves), "Events found by false alarms", "all meters together")
    return paragraph(words) + pictures([drawn])


def trade_off(verdicts: Sequence[MeterVerdict]) -> tuple[Floats, Floats]:
    """False alarms per meter and week, and the largest share of events that can be found with no more of them.

    Args:
        verdicts: What a family said of some meters.
    """
    scores = np.sort(np.concatenate([one.score for one in verdicts]))[::-1]
    ranks = np.unique(np.geomspace(1, max(len(scores) // 10, 1), _TRADE_OFFS).astype(np.int64)) - 1
    weeks = sum(len(one.score) * one.interval_ms for one in verdicts) / _WEEK_MS
    points = []
    for threshold in np.unique(scores[ranks])[::-1].tolist():
        matched = [_match(one, threshold) for one in verdicts]
        events = sum(len(one.hit) for one in matched)
        points.append(
            (sum(m.false_alarms for m in matched) / weeks, sum(m.hit.sum() for m in matched) / max(events, 1))
        )
    points.sort()
    false_alarms, recall = np.array(points).T
    return false_alarms, np.maximum.accumulate(recall)


def _match(one: MeterVerdict, threshold: float | None = None) -> Match:
    rows = JudgedRows(np.zeros(len(one.labels), np.int64), one.start_ms, one.interval_ms)
    found = one.found if threshold is None else one.score >= threshold
    return match(rows, found, labelled_events(rows, one.labels))


def _curves(said: Sequence[FamilyVerdicts]) -> str:
    parts = [_left_out(len(said[0].verdicts))]
    for i, one in enumerate(said[0].verdicts[:MOST_DRAWN]):
        if one.labels.any() and not one.labels.all():
            scores = {family.family: family.verdicts[i].score for family in said}
            roc = picture(roc_chart(one.labels, scores), one.name, "ROC")
            parts += [
                pictures([roc, picture(precision_recall_chart(one.labels, scores), one.name, "precision, recall")])
            ]
    return "\n".join(parts)


def _histograms(said: FamilyVerdicts, threshold: float) -> str:
    drawn = [
        picture(score_histogram(one.score[~one.labels], one.score[one.labels], threshold), one.name, said.family)
        for one in said.verdicts[:MOST_DRAWN]
    ]
    words = "A score is the share of ordinary training intervals that look less strange, so 0.999 is one in a thousand."
    return paragraph(words) + _left_out(len(said.verdicts)) + pictures(drawn)


def _timelines(said: FamilyVerdicts, threshold: float) -> str:
    words = (
        "Yellow: labelled as anomalous. Red: found. After all judged days come windows around the labelled events, and "
        "then the false alarms that looked strangest; the lower line is the score, dashed its threshold. Use is per "
        "hour, in the meter's own unit; times are the data's own."
    )
    parts = [paragraph(words), _left_out(len(said.verdicts))]
    for one in said.verdicts[:MOST_DRAWN]:
        matched = _match(one)
        rows = JudgedRows(np.zeros(len(one.labels), np.int64), one.start_ms, one.interval_ms)
        events = labelled_events(rows, one.labels)
        line = Line(one.start_ms, one.interval_ms, one.rate, one.score, one.found)
        found = f"{int(matched.hit.sum())} of {len(events)} events found, {matched.false_alarms} false alarms"
        whole = picture(overview(line, events), "all judged days", found)
        groups = _neighbours(events)
        windows = [_window(line, events, matched.hit, group, threshold) for group in groups[:_MOST_WINDOWS]]
        parts += [heading(one.name), pictures([whole, *windows, *_false_alarms(line, events, matched, threshold)])]
        if len(groups) > _MOST_WINDOWS:
            parts.append(paragraph(f"{len(groups) - _MOST_WINDOWS} more windows are not shown.", "soft"))
    return "\n".join(parts)


def _neighbours(events: Events) -> list[list[int]]:
    """Events that fit into one window, together."""
    groups: list[list[int]] = []
    for i in range(len(events)):
        first = groups[-1][0] if groups else i
        near = i > 0 and events.start_ms[i] - events.end_ms[i - 1] < AFTER_MS
        if groups and near and events.end_ms[i] - events.start_ms[first] < _WEEK_MS:
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups


def _window(line: Line, events: Events, hit: Bools, group: list[int], threshold: float) -> str:
    start_ms, end_ms = int(events.start_ms[group[0]]), int(events.end_ms[group[-1]])
    shown = line.between(start_ms - BEFORE_MS, end_ms + AFTER_MS)
    found = int(hit[group].sum())
    words = ("found" if found else "missed") if len(group) == 1 else f"{found} of {len(group)} events found"
    style = "good" if found == len(group) else "bad"
    return picture(zoomed(shown, events, threshold), moment(start_ms), f"{span(end_ms - start_ms)}, {words}", style)


def _false_alarms(line: Line, events: Events, matched: Match, threshold: float) -> Iterator[str]:
    """The false alarms that looked strangest."""
    false = np.flatnonzero(~matched.deserved)
    worst = [float(line.between(int(s), int(e)).score.max()) for s, e in _spans(matched.alarms, false)]
    for i in false[np.argsort(worst)[::-1][:_MOST_FALSE]].tolist():
        start_ms, end_ms = int(matched.alarms.start_ms[i]), int(matched.alarms.end_ms[i])
        shown = line.between(start_ms - BEFORE_MS, end_ms + AFTER_MS)
        yield picture(zoomed(shown, events, threshold), moment(start_ms), "false alarm", "bad")


def _spans(events: Events, chosen: "np.typing.NDArray[np.intp]") -> list[tuple[int, int]]:
    return list(zip(events.start_ms[chosen].tolist(), events.end_ms[chosen].tolist(), strict=True))


def _left_out(meters: int) -> str:
    return paragraph(f"The first {MOST_DRAWN} of {meters} meters.", "soft") if meters > MOST_DRAWN else ""


def _often(rate: float) -> str:
    """A rate per meter and week as a person says it."""
    if rate <= 0:
        return "no false alarm at all"
    weeks = 1 / rate
    return (
        f"a false alarm per meter every {weeks:.1f} weeks"
        if weeks > 1
        else f"{rate:.2f} false alarms per meter and week"
    )
