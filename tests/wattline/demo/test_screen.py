"""What a person reads: the step, the table, the news, and the summary."""

import dataclasses
import io
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from tests.wattline.demo.rows import StoreFile, alert, anomaly, status
from tests.wattline.demo.test_summary import EXACT
from wattline.demo.course import Step
from wattline.demo.ledger import Ledger
from wattline.demo.screen import live_view, show_summary
from wattline.demo.summary import AnomalySpan, Backlog, Counted, FaultLabel, summarise

NOW_MS = time.time_ns() // 1_000_000


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    store = StoreFile(tmp_path / "store.db", NOW_MS)
    store.put("m-1", [NOW_MS - 500])
    store.put_points(
        status("gw", NOW_MS, "online", outbox_rows=3),
        status("new", NOW_MS, "online"),
        alert(NOW_MS - 1000, "firing"),
        anomaly("m-1", NOW_MS - 2000),
    )
    store.close()
    opened = Ledger(tmp_path / "store.db")
    yield opened
    opened.close()


def _seen(step: Step, ledger: Ledger | None = None) -> str:
    """What stays on a wide terminal's screen."""
    screen = io.StringIO()
    console = Console(file=screen, width=140, force_terminal=True, color_system=None)
    with live_view(console) as show:
        show(step, ledger)
    return screen.getvalue()


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (Step("starting"), "starting"),
        (Step("the outboxes fill", 26_025), "the outboxes fill: 26,025 readings"),
        (Step("draining", 5, 1200), "draining: 5 of 1,200 readings"),
        (Step("live", left_s=12.4), "live, 12 s left; Ctrl-C ends it with a summary"),
        (Step("live", left_s=-1), "live, 0 s left"),
    ],
)
def test_the_step_is_told(step: Step, text: str) -> None:
    assert text in _seen(step)


def test_gateways_alerts_and_anomalies_are_shown(ledger: Ledger) -> None:
    seen = _seen(Step("live"), ledger)
    assert [cell.strip() for cell in next(line for line in seen.splitlines() if "│ gw " in line).split("│")][1:4] == [
        "gw",
        "online",
        "1",
    ]
    assert "│ new     │ online     │               0 │ -" in seen
    assert "Alerts, newest of 1" in seen
    assert "firing   [m-1] is firing" in seen, "brackets of a message are no markup"
    assert "Anomalies, newest of 1" in seen
    assert "m-1: jump" in seen


def test_an_empty_table_is_not_shown(tmp_path: Path) -> None:
    assert "gateway" not in _seen(Step("starting"), Ledger(tmp_path / "none.db"))


def _summary(counted: Counted) -> str:
    screen = io.StringIO()
    show_summary(Console(file=screen, width=200), summarise(counted))
    return screen.getvalue()


def test_an_exact_summary_says_so() -> None:
    text = _summary(EXACT)
    assert "nothing lost, nothing duplicated" in text
    assert "2 readings waited for the broker and were stored 2.5 s after it came back" in text
    assert "(gateways connected again after 1.2 s, the cloud after 1.5 s)" in text
    assert "p50 20 ms, p99 30 ms" in text
    assert "3 per meter, 2 per site" in text


@pytest.mark.parametrize(
    ("counted", "text"),
    [
        pytest.param(dataclasses.replace(EXACT, stored={}), "LOST OR DUPLICATED", id="lost"),
        pytest.param(dataclasses.replace(EXACT, window_readings=9), "LOST OR DUPLICATED", id="duplicated"),
        pytest.param(dataclasses.replace(EXACT, latencies_ms=()), "not measured", id="no live readings"),
        pytest.param(
            dataclasses.replace(EXACT, backlog=Backlog(2, 1.2, 1.5, None)),
            "not all stored when the demo ended",
            id="not drained",
        ),
        pytest.param(
            dataclasses.replace(EXACT, backlog=Backlog(2, None, 1.5, 2.5)),
            "stored 2.5 s after it came back\n",
            id="not all reconnected",
        ),
        pytest.param(dataclasses.replace(EXACT, publishes=5), "3 of 5 messages were resent", id="resent"),
        pytest.param(dataclasses.replace(EXACT, windows={}), "windows       none", id="no windows"),
        pytest.param(
            dataclasses.replace(
                EXACT,
                faults=(FaultLabel("m", 1, 2, "spike"), FaultLabel("m", 8, 9, "night_load")),
                anomalies=(AnomalySpan("m", 8, 9),),
                judged_from_ms=3,
            ),
            "1 of 1 injected ones found (night load 1 of 1); 1 more in the first three days",
            id="faults",
        ),
    ],
)
def test_a_summary_hides_nothing(counted: Counted, text: str) -> None:
    assert text in "\n".join(line.rstrip() for line in _summary(counted).splitlines()) + "\n"
