"""The parts of an HTML page: text, tables, pictures. Everything that is said is escaped."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from typing import Final

NOTHING: Final = "-"
"""Stands where a figure has no meaning."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table.

    Attributes:
        cells: What it says; the first is its name.
        style: A class of the page's style; "" for an ordinary one.
        badge: A word beside the name.
        best: Which cell stands out; -1 for none.
    """

    cells: Sequence[str]
    style: str = ""
    badge: str = ""
    best: int = -1


def page(title: str, parts: Iterable[str]) -> str:
    """The whole page."""
    style = resources.files("model_export.report").joinpath("page.css").read_text("utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style></head>\n"
        f"<body><main>\n{_joined(parts)}\n</main></body></html>\n"
    )


def section(anchor: str, title: str, parts: Iterable[str]) -> str:
    """A part with a heading that can be linked to."""
    return f'<section id="{escape(anchor)}"><h2>{escape(title)}</h2>\n{_joined(parts)}\n</section>'


def links(targets: Iterable[tuple[str, str]]) -> str:
    """Ways to the sections."""
    return "<nav>" + " ".join(f'<a href="#{escape(to)}">{escape(name)}</a>' for to, name in targets) + "</nav>"


def heading(text: str, *, level: int = 3) -> str:
    """A heading."""
    return f"<h{level}>{escape(text)}</h{level}>"


def paragraph(text: str, style: str = "") -> str:
    """A paragraph."""
    return f'<p class="{escape(style)}">{escape(text)}</p>' if style else f"<p>{escape(text)}</p>"


def command_line(text: str) -> str:
    """Something to be typed again."""
    return f"<pre>{escape(text)}</pre>"


def table(headings: Sequence[str], rows: Sequence[Row]) -> str:
    """A table that scrolls sideways where it is too wide; wide."""
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    body = "\n".join(_row(row) for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>'


def picture(uri: str, title: str, words: str = "", style: str = "") -> str:
    """A picture with its title and some words, the words in a style."""
    shown = f'<span class="{escape(style)}">{escape(words)}</span>' if style else escape(words)
    caption = f"<figcaption><b>{escape(title)}</b> {shown}</figcaption>"
    return f'<figure>{caption}<img src="{escape(uri)}" alt="{escape(f"{title} {words}".strip())}"></figure>'


def pictures(all_of_them: Iterable[str]) -> str:
    """Pictures beside each other where there is room."""
    return '<div class="pictures">\n' + _joined(all_of_them) + "\n</div>"


def number(figure: float | None, digits: int = 3) -> str:
    """A figure with so many digits after the point."""
    return NOTHING if figure is None else f"{figure:,.{digits}f}"


def percent(share: float | None) -> str:
    """A share in per cent."""
    return NOTHING if share is None else f"{share * 100:.0f} %"


def _row(row: Row) -> str:
    badge = f'<span class="badge">{escape(row.badge)}</span>' if row.badge else ""
    said = [f"<b>{escape(cell)}</b>" if i == row.best else escape(cell) for i, cell in enumerate(row.cells)]
    cells = f"<td>{said[0]}{badge}</td>" + "".join(f"<td>{cell}</td>" for cell in said[1:])
    return f'<tr class="{escape(row.style)}">{cells}</tr>'


def _joined(parts: Iterable[str]) -> str:
    return "\n".join(part for part in parts if part)
