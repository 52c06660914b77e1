"""What the demo shows: a live table, and the summary at the end."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from wattline.demo.ledger import Ledger
from wattline.demo.summary import Summary

_NEWEST: Final = 4


@contextmanager
def live_table(console: Console) -> Iterator[Callable[[Ledger, float], None]]:
    """A table that follows the ledger for as long as the block runs."""
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        yield lambda ledger, left_s: live.update(_picture(ledger, left_s))


def nothing(ledger: Ledger, left_s: float) -> None:
    """Shows nothing."""
    del ledger, left_s


def show_summary(console: Console, summary: Summary) -> None:
    """Print the summary for a person."""
    table = Table(title="Wattline demo", title_justify="left", show_header=True)
    for name in ("gateway", "sent", "stored", "lost"):
        table.add_column(name, justify="left" if name == "gateway" else "right")
    for gateway, row in summary.gateways.items():
        table.add_row(gateway, *(f"{row[key]:,}" for key in ("sent", "stored", "lost")))
    table.add_section()
    table.add_row("all", *(f"{summary.readings[key]:,}" for key in ("sent", "stored", "lost")))
    console.print(table)
    latency = summary.latency_ms
    lines = {
        "duplicated": f"{summary.readings['duplicated']:,}",
        "backlog": f"{summary.backlog['readings']:,.0f} readings, stored after {summary.backlog['drain_s']} s",
        "windows": ", ".join(f"{count:,} {level}" for level, count in summary.windows.items()),
        "anomalies": "{found} of {injected} injected faults found, {events} events".format(**summary.anomalies),
        "alerts": str(summary.alerts),
        "dead letters": str(summary.dead_letters),
        "latency": f"p50 {latency['p50']} ms, p99 {latency['p99']} ms from a reading to the store, "
        f"over {latency['live_readings']} live readings",
    }
    for name, text in lines.items():
        console.print(f"{name:13} {text}")
    verdict = "[green]nothing lost, nothing duplicated" if summary.exact else "[red]readings were lost or duplicated"
    console.print(verdict)


def _picture(ledger: Ledger, left_s: float) -> Group:
    now_ms = time.time_ns() // 1_000_000
    table = Table(title=f"Wattline demo, {left_s:.0f} s left (Ctrl-C ends it)", title_justify="left")
    for name in ("gateway", "state", "stored readings", "newest", "outbox"):
        table.add_column(name, justify="right" if name in {"stored readings", "outbox"} else "left")
    for gateway, row in ledger.gateways().items():
        age_s = (now_ms - row.newest_ms) / 1000
        newest = f"{age_s:.1f} s ago" if row.newest_ms and age_s < 120 else _clock(row.newest_ms)  # noqa: PLR2004 (two minutes)
        table.add_row(gateway, row.state, f"{row.readings:,}", newest, f"{row.outbox_rows:.0f}")
    news = [Text(f"alert    {_clock(t)} {rule} {state}: {text}") for t, rule, state, text in ledger.alerts()[:_NEWEST]]
    news += [Text(f"anomaly  {_clock(t)} {meter}: {why}") for meter, t, _, why in ledger.anomalies()[:_NEWEST]]
    return Group(table, *news)


def _clock(t_ms: int) -> str:
    return datetime.fromtimestamp(t_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M") if t_ms else "-"
