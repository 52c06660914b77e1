"""A message as HTML that mail programs show: one document, styles in place, no script and nothing fetched."""

from collections.abc import Sequence
from html import escape
from typing import Final, NamedTuple

GREY: Final = "#5f6672"


class Entry(NamedTuple):
    """One notice in words.

    Attributes:
        sentence: What happened; "" when the headline says it all.
        brief: The same with its time, for a list.
        facts: Names and values, for an entry that stands alone.
        link: "" without one.
    """

    headline: str
    sentence: str
    brief: str
    facts: tuple[tuple[str, str], ...]
    link: str


class Section(NamedTuple):
    """The entries of one kind that are listed, and how many more there are."""

    heading: str
    entries: Sequence[Entry]
    more: int


def is_alone(sections: Sequence[Section]) -> bool:
    """Whether a message is about one thing."""
    return len(sections) == 1 and len(sections[0].entries) == 1


def document(subject: str, colour: str, sections: Sequence[Section], chart: str) -> str:
    """The whole document.

    Args:
        subject: Its heading.
        colour: Of the bar above it.
        sections: What it lists.
        chart: Name of the picture that comes with it; "" without one.
    """
    body = _alone(sections[0].entries[0]) if is_alone(sections) else "".join(map(_section, sections))
    style = "display:block;width:100%;max-width:640px;margin:16px 0 0"
    image = f'<img src="cid:{chart}" alt="The last 24 hours" style="{style}">' if chart else ""
    return (
        f'<!DOCTYPE html><html><head><meta charset="utf-8"><title>{escape(subject)}</title></head>'
        '<body style="margin:0;padding:16px;background:#f4f5f7;color:#1c1e21;'
        'font:15px/1.45 -apple-system,Segoe UI,Roboto,Helvetica,Arial,sans-serif">'
        '<div style="max-width:640px;margin:0 auto;background:#fff;border:1px solid #dfe1e6;'
        f'border-top:4px solid {colour};border-radius:4px;padding:16px 20px">'
        f'<h1 style="font-size:18px;line-height:1.3;margin:0 0 4px">{escape(subject)}</h1>'
        f"{body}{image}</div></body></html>"
    )


def _alone(entry: Entry) -> str:
    sentence = f'<p style="margin:6px 0 0">{escape(entry.sentence)}</p>' if entry.sentence else ""
    row = f'<tr><td style="padding:2px 16px 2px 0;color:{GREY}">{{}}</td><td style="padding:2px 0">{{}}</td></tr>'
    rows = "".join(row.format(escape(name), escape(value)) for name, value in entry.facts)
    table = f'<table style="border-collapse:collapse;margin:8px 0 0;font-size:14px">{rows}</table>'
    link = f'<p style="margin:8px 0 0"><a href="{escape(entry.link)}">Open the dashboard</a></p>' if entry.link else ""
    return sentence + table + link


def _section(section: Section) -> str:
    style = f"font-size:13px;margin:16px 0 0;color:{GREY};text-transform:uppercase;letter-spacing:.04em"
    rest = f'<p style="margin:12px 0 0;color:{GREY}">and {section.more:,} more</p>' if section.more else ""
    return f'<h2 style="{style}">{escape(section.heading)}</h2>' + "".join(map(_listed, section.entries)) + rest


def _listed(entry: Entry) -> str:
    headline = escape(entry.headline)
    head = f'<a href="{escape(entry.link)}" style="color:#1f5fa8">{headline}</a>' if entry.link else headline
    return (
        f'<p style="margin:12px 0 0"><span style="font-weight:600">{head}</span>'
        f'<br><span style="color:{GREY};font-size:14px">{escape(entry.brief)}</span></p>'
    )
