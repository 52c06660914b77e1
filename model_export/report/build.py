"""The report: the result in a sentence, tables, pictures, and how to make it again."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from model_export.report.page import (
    Row,
    command_line,
    heading,
    links,
    number,
    page,
    paragraph,
    section,
    table,
)


class Pages(Protocol):
    """What a kind of trial has to say."""

    def verdict(self) -> str:
        """The result in a sentence or two."""

    def summary(self) -> Iterator[str]:
        """The tables that come first."""

    def sections(self) -> Iterator[tuple[str, str, str]]:
        """Anchor, title and content of each section."""


@dataclass(frozen=True, slots=True)
class FigurePages:
    """Pages of a trial that has figures and nothing to draw."""

    figures: Mapping[str, float | int]

    def verdict(self) -> str:
        """The result in a sentence."""
        rate = self.figures.get("false_alarms_per_meter_week", 0.0)
        return f"{rate:.2f} false alarms per meter and week at the model file's own threshold."

    def summary(self) -> Iterator[str]:
        """All figures."""
        yield table(
            ("figure", "value"), [Row((name.replace("_", " "), f"{value:.4g}")) for name, value in self.figures.items()]
        )

    def sections(self) -> Iterator[tuple[str, str, str]]:
        """None."""
        yield from ()


@dataclass(frozen=True, slots=True)
class Setting:
    """What was tried, on what, and how to try it again.

    Attributes:
        title: What the report is about.
        command: The command line that made it.
        created: When, ISO 8601.
        facts: What matters of the set-up, name to words.
        cleaning: What was left out of the data, reason to number.
        excluded: Meters that could not be used, name to reason.
        costs: Family, microseconds per interval, bytes.
    """

    title: str
    command: str
    created: str
    facts: Mapping[str, str]
    cleaning: Mapping[str, float]
    excluded: Mapping[str, str]
    costs: Sequence[tuple[str, float, int]]


def html_report(setting: Setting, pages: Pages) -> str:
    """One page that needs nothing but itself."""
    sections = [*pages.sections(), *_closing(setting)]
    facts = "; ".join(f"{name}: {words}" for name, words in setting.facts.items())
    return page(
        setting.title,
        [
            heading(setting.title, level=1),
            paragraph(f"{facts}. Made {setting.created[:16].replace('T', ' ')} UTC.", "soft"),
            paragraph(pages.verdict(), "verdict"),
            links((anchor, title) for anchor, title, _ in sections),
            section("summary", "Summary", pages.summary()),
            *(section(anchor, title, [content]) for anchor, title, content in sections),
        ],
    )


def _closing(setting: Setting) -> Iterator[tuple[str, str, str]]:
    if setting.costs:
        yield "cost", "Latency and size", _cost(setting.costs)
    yield "data", "What was left out of the data", _data(setting)
    yield "again", "Make it again", command_line(setting.command)


def _cost(costs: Sequence[tuple[str, float, int]]) -> str:
    from model_export.report.charts import cost_bars
    from model_export.report.page import picture, pictures

    words = (
        "One interval at a time through the gateway's own detector class, on one core of the machine that made this "
        "report: the quickest of some rounds."
    )
    rows = [Row((family, number(latency_us, 1), number(size / 1000, 1))) for family, latency_us, size in costs]
    names = [family for family, _, _ in costs]
    drawn = [
        picture(cost_bars(names, [latency for _, latency, _ in costs], "µs"), "Latency", "microseconds per interval"),
        picture(cost_bars(names, [size / 1000 for _, _, size in costs], "kB"), "Size", "kilobytes of the model file"),
    ]
    return paragraph(words) + table(("family", "µs / interval", "kB"), rows) + pictures(drawn)


def _data(setting: Setting) -> str:
    counted = [Row((reason.replace("_", " "), f"{count:,.10g}")) for reason, count in setting.cleaning.items()]
    excluded = [Row((name, reason)) for name, reason in setting.excluded.items()]
    parts = [table(("rows", "number"), counted) if counted else paragraph("Nothing was counted.")]
    if excluded:
        parts += [heading("Meters that were not used"), table(("meter", "why"), excluded)]
    return "\n".join(parts)
