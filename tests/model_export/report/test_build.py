"""One page: the result first, pictures that need nothing but the page, and how to make it again."""

import base64
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from model_export.alarm_matching import Bools
from model_export.evaluation import MeterVerdict, quality_of
from model_export.fault_examples import FaultExample
from model_export.fault_trial import FamilyRecall, FaultRecall
from model_export.findings import LabelFindings, RecallFindings
from model_export.label_trial import FamilyVerdicts
from model_export.report.build import FigurePages, Pages, Setting, html_report
from model_export.report.fault_pages import FaultPages
from model_export.report.label_pages import LabelPages, trade_off

HOUR_MS = 3_600_000
N = 24 * 60
T0 = 1_460_000_000_000 // HOUR_MS * HOUR_MS
SETTING = Setting(
    title="Detectors on made-up meters",
    command="wattline models evaluate --seed 7",
    created="2026-11-21T00:00:00+00:00",
    facts={"seed": "7"},
    cleaning={"rows": 100, "gap_hours": 1.5},
    excluded={"MAC000016": "16 days"},
    costs=[("gmm", 7.1, 20_000), ("ensemble", 33.0, 400_000)],
)


def verdict(name: str, labels: Bools, seed: int) -> MeterVerdict:
    rng = np.random.default_rng(seed)
    score = np.where(labels, rng.uniform(0.8, 1.0, N), rng.uniform(0.0, 0.95, N))
    start_ms = T0 + HOUR_MS * np.arange(N, dtype=np.int64)
    return MeterVerdict(name, start_ms, HOUR_MS, rng.gamma(1.0, 1.0, N), labels, score, score > 0.94)


def label_pages(*labels: Bools) -> LabelPages:
    families = ("gmm", "ensemble")
    said = [
        FamilyVerdicts(family, (b"m",), tuple(verdict(f"meter {i}", one, i + 10 * k) for i, one in enumerate(labels)))
        for k, family in enumerate(families)
    ]
    findings = [LabelFindings(one.family, tuple(map(quality_of, one.verdicts)), 7.0, 1000) for one in said]
    return LabelPages(findings, said, [0.94, 0.94])


def some(*places: int) -> Bools:
    labels = np.zeros(N, np.bool_)
    for place in places:
        labels[place : place + 5] = True
    return labels


def fault_pages() -> FaultPages:
    kinds = (("spike", FaultRecall(10, 0.9, 0.5, 1.0)), ("drift", FaultRecall(8, 0.25, 0.0, 0.25)))
    findings = [
        RecallFindings(family, FamilyRecall(family, b"", 0.98, (1.0, 0.01, 1.01), kinds), 7.0, 1000)
        for family in ("gmm", "ensemble")
    ]
    time = T0 + HOUR_MS * np.arange(100, dtype=np.int64)
    rate = np.ones(100)
    example = FaultExample(
        "spike",
        "MAC1",
        int(time[50]),
        int(time[52]),
        time,
        rate,
        rate * 0.5,
        rate > 2,
        time,
        rate,
        hit=False,
        by_rules=True,
    )
    return FaultPages([*findings, RecallFindings("ocsvm", error="too dull")], [example], 1.0, (15, 15), 700.0)


def pictures_of(html: str) -> list[str]:
    return [
        base64.b64decode(encoded).decode()
        for encoded in re.findall(r'src="data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)"', html)
    ]


PAGES: dict[str, Pages] = {
    "labelled": label_pages(some(100, 110, 600), some(300)),
    "a meter without labels": label_pages(some(100), some()),
    "a meter that is labelled all the time": label_pages(some(100), np.ones(N, np.bool_)),
    "many meters": label_pages(*(some(100 + i) for i in range(13))),
    "many events": label_pages(some(*range(20, N - 60, 90))),
    "faults": fault_pages(),
    "faults without examples": replace(fault_pages(), examples=()),
    "figures": FigurePages({"false_alarms_per_meter_week": 0.5, "meters": 4}),
    "all failed but one": LabelPages(
        [LabelFindings("ensemble", error="too dull"), *label_pages(some(100)).findings[:1]],
        [FamilyVerdicts("ensemble", error="too dull"), *label_pages(some(100)).said[:1]],
        [0.0, 0.94],
    ),
}


@pytest.mark.parametrize("pages", PAGES.values(), ids=PAGES)
def test_a_page_and_its_pictures_need_nothing_but_themselves(pages: Pages) -> None:
    html = html_report(SETTING, pages)
    outside = re.findall(r'(?:src|href)="(?!data:|#)[^"]*"|url\(|@import|<link|<script', html)
    assert outside == []
    assert "wattline models evaluate --seed 7" in html
    assert "MAC000016" in html
    assert "nan" not in re.sub(r"base64,[A-Za-z0-9+/=]+", "", html)
    drawn = pictures_of(html)
    assert drawn
    for svg in drawn:
        ET.fromstring(svg)  # noqa: S314 - as above
        assert "prefers-color-scheme:dark" in svg
        assert "currentColor" in svg
        assert not re.search(r'href="(?!#)', svg)


def test_the_same_figures_give_the_same_page() -> None:
    assert html_report(SETTING, PAGES["faults"]) == html_report(SETTING, PAGES["faults"])


def test_the_result_comes_first() -> None:
    html = html_report(SETTING, PAGES["labelled"])
    assert html.index("mean ROC-AUC") < html.index('id="summary"') < html.index('id="trade"') < html.index('id="again"')


def test_every_labelled_event_is_shown_found_or_missed() -> None:
    html = html_report(SETTING, label_pages(some(100, 600)))
    windows = re.findall(r"(?:5 h, found|5 h, missed)", html)
    assert len(windows) == 4  # as caption and as words of the picture


def test_events_close_to_each_other_share_a_window() -> None:
    assert "of 2 events found" in html_report(SETTING, label_pages(some(100, 110)))


def test_a_lower_threshold_finds_no_fewer_events_and_never_fewer_false_alarms_than_none() -> None:
    false_alarms, recall = trade_off(label_pages(some(100, 300, 600)).said[0].verdicts)
    assert len(false_alarms) == len(recall) > 5
    assert recall.max() == 1.0
    assert (false_alarms >= 0).all()
