"""What the demo shows: the step it is at, a live table, and the summary at the end."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from wattline.demo.course import Show, Step
from wattline.demo.ledger import GatewayRow, Ledger
from wattline.demo.summary import Summary

_NEWEST: Final = 4
_RECENT_S: Final = 120
_BAR_WIDTH: Final = 40
_ALERT_STYLE: Final = {"firing": "bold red", "pending": "yellow", "resolved": "green"}


@contextmanager
def live_view(console: Console) -> Iterator[Show]:
    """A view that follows the demo for as long as the block runs."""
    spinner = Spinner("dots")
    with Live(console=console, refresh_per_second=8, transient=True) as live:
        yield lambda step, ledger: live.update(_picture(spinner, step, ledger))


def nothing(step: Step, ledger: Ledger | None) -> None:
    """Shows nothing."""
    del step, ledger


def show_summary(console: Console, summary: Summary) -> None:
    """Print the summary for a person."""
    table = Table(title="What became of every reading", title_justify="left")
    columns = {"sent": "sent", "stored": "stored", "waiting": "still in the outbox", "lost": "lost"}
    table.add_column("gateway")
    for title in columns.values():
        table.add_column(title, justify="right")
    for gateway, row in summary.gateways.items():
        table.add_row(gateway, *(f"{row[key]:,}" for key in columns))
    table.add_section()
    table.add_row("all", *(f"{summary.readings[key]:,}" for key in columns))
    console.print(table)
    lines = Table.grid(padding=(0, 2))
    for name, text in _lines(summary).items():
        lines.add_row(name, text)
    console.print(lines)
    verdict = "[bold green]nothing lost, nothing duplicated" if summary.exact else "[bold red]LOST OR DUPLICATED"
    console.print(verdict)


def _lines(summary: Summary) -> dict[str, str]:
    readings, batches = summary.readings, summary.batches
    windows = ", ".join(f"{count:,} per {level}" for level, count in summary.windows.items())
    return {
        "duplicated": f"{readings['duplicated']:,} readings counted twice in windows; "
        f"{batches['published'] - batches['distinct']:,} of {batches['published']:,} messages were resent",
        "backlog": _backlog(summary.backlog),
        "windows": windows or "none",
        "faults": _found(summary.anomalies),
        "anomalies": f"{summary.anomalies['events']:,} intervals reported, "
        f"{summary.anomalies['events_without_fault']:,} of them on the meters with faults, but at no fault",
        "alerts": f"{summary.alerts:,} (begun or ended)",
        "dead letters": f"{summary.dead_letters:,}",
        "latency": _latency(summary.latency_ms),
    }


def _backlog(backlog: dict[str, float | None]) -> str:
    text = f"{backlog['readings']:,.0f} readings waited for the broker"
    if backlog["drain_s"] is None:
        return f"{text}; they were not all stored when the demo ended"
    text += f" and were stored {backlog['drain_s']:.1f} s after it came back"
    if backlog["reconnect_s"] is None or backlog["ingest_s"] is None:
        return text
    return (
        f"{text} (gateways connected again after {backlog['reconnect_s']:.1f} s, "
        f"the cloud after {backlog['ingest_s']:.1f} s)"
    )


def _found(anomalies: dict[str, Any]) -> str:
    kinds = ", ".join(
        f"{kind.replace('_', ' ')} {one['found']} of {one['judged']}" for kind, one in anomalies["by_kind"].items()
    )
    early = anomalies["injected"] - anomalies["judged"]
    text = f"{anomalies['found']:,} of {anomalies['judged']:,} injected ones found" + (f" ({kinds})" if kinds else "")
    return f"{text}; {early:,} more in the first three days, when detectors only watch" if early else text


def _latency(latency: dict[str, float | None]) -> str:
    if not latency["live_readings"]:
        return "not measured: the demo ended before it was live"
    return (
        f"p50 {latency['p50']:.0f} ms, p99 {latency['p99']:.0f} ms from a meter's reading to its row in the store, "
        f"over {latency['live_readings']:,.0f} live readings; 1 s of it is the gateways' batching"
    )


def _picture(spinner: Spinner, step: Step, ledger: Ledger | None) -> Group:
    parts: list[RenderableType] = [_step(spinner, step)]
    rows = ledger.gateways() if ledger is not None else {}
    if ledger is not None and rows:
        parts += [_gateways(rows), *_news(ledger)]
    return Group(*parts)


def _step(spinner: Spinner, step: Step) -> RenderableType:
    text = step.text
    if step.total:
        text += f": {step.done:,} of {step.total:,} {step.unit}"
    elif step.done:
        text += f": {step.done:,} {step.unit}"
    if step.left_s is not None:
        text += f", {max(0, step.left_s):.0f} s left; Ctrl-C ends it with a summary"
    spinner.update(text=Text(text))
    if not step.total:
        return spinner
    bar = Table.grid()
    bar.add_row(ProgressBar(total=step.total, completed=step.done, width=_BAR_WIDTH))
    return Group(spinner, bar)


def _gateways(rows: Mapping[str, GatewayRow]) -> Table:
    now_ms = time.time_ns() // 1_000_000
    table = Table()
    for name in ("gateway", "connection", "readings stored", "newest reading", "batches in its outbox"):
        table.add_column(name, justify="right" if name.startswith(("readings", "batches")) else "left")
    for gateway, row in rows.items():
        age_s = (now_ms - row.newest_ms) / 1000
        newest = f"{max(0.0, age_s):.0f} s ago" if row.newest_ms and age_s < _RECENT_S else _clock(row.newest_ms)
        table.add_row(gateway, row.state, f"{row.readings:,}", newest, f"{row.outbox_rows:,.0f}")
    return table


def _news(ledger: Ledger) -> list[RenderableType]:
    alerts, anomalies = ledger.alerts(), ledger.anomalies()
    news: list[RenderableType] = []
    if alerts:
        news.append(Text(f"Alerts, newest of {len(alerts):,}", style="bold"))
        news += [_line(_ALERT_STYLE.get(state, ""), t, f"{state:8} {text}") for t, _, state, text in alerts[:_NEWEST]]
    if anomalies:
        news.append(Text(f"Anomalies, newest of {len(anomalies):,}", style="bold"))
        news += [_line("yellow", t, f"{meter}: {why}") for meter, t, _, why in anomalies[:_NEWEST]]
    return news


def _line(style: str, t_ms: int, text: str) -> Text:
    line = Text.from_markup(f"  {_clock(t_ms)}  [{style or 'default'}]{escape(text)}")
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def _clock(t_ms: int) -> str:
    return datetime.fromtimestamp(t_ms / 1000, UTC).strftime("%a %d %b %H:%M UTC") if t_ms else "-"
