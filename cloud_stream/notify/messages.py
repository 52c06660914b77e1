"""What a message says: subject, text and HTML from notices. No clock, no files."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Final
from urllib.parse import quote
from zoneinfo import ZoneInfo

from cloud_stream.notify.alert_names import FIRING, INFO, RESOLVED, name_of, rank
from cloud_stream.records import Notice
from cloud_stream.sites import Sites

LISTED: Final = 10
MAX_SUBJECT: Final = 120
MAX_LINE: Final = 300
MAX_GROUPS_NAMED: Final = 3
CHART_NAME: Final = "last-24-hours.png"
_ORDER: Final = (FIRING, RESOLVED, INFO)
_WORDS: Final = {FIRING: "alert", RESOLVED: "resolved", INFO: "note"}
_HEADINGS: Final = {FIRING: "Firing", RESOLVED: "Resolved", INFO: "For information"}
_COLOURS: Final = {"critical": "#b3261e", "warning": "#b26a00", "info": "#1f5fa8", RESOLVED: "#2e7d32"}
_UNITS: Final = {
    "w": "W", "kw": "kW", "kwh": "kWh", "m3": "m³", "v": "V", "a": "A", "hz": "Hz", "c": "°C", "pct": "%",
    "s": "s", "ms": "ms",
}  # fmt: skip


_STATISTICS: Final = ("_mean", "_min", "_max", "_last")


@dataclass(frozen=True, slots=True)
class Wording:
    """A message as people read it.

    Attributes:
        severity: The highest of what fires, or of all.
        html: A whole document; it shows the picture "cid:last-24-hours.png" where `has_chart`.
    """

    subject: str
    text: str
    html: str
    severity: str


def word_message(notices: Sequence[Notice], sites: Sites, link: str, now_ms: int, *, has_chart: bool) -> Wording:
    """Put notices into words.

    Args:
        notices: At least one.
        sites: Their time zones.
        link: See `NotifyConfig`.
        now_ms: When the message is made, ms UTC.
        has_chart: Whether a chart comes with it.
    """
    ordered = sorted(notices, key=lambda one: (_ORDER.index(_state(one)), -rank(one.severity), one.happened_ms))
    firing = [one for one in ordered if _state(one) == FIRING]
    severity = max((one.severity for one in firing or ordered), key=rank)
    subject = _subject(ordered, severity)
    sections = _sections(ordered, sites, link, now_ms)
    text = "\n\n".join(_section_text(heading, entries, more) for heading, entries, more in sections)
    html = _document(subject, _colour(ordered, severity), sections, has_chart=has_chart)
    return Wording(subject, text + "\n", html, severity)


def number_text(value: float) -> str:
    """A number for a person: four digits at least, no more than the value needs."""
    if abs(value) >= 1000:  # noqa: PLR2004 (where thousands separators help)
        return f"{value:,.0f}"
    return f"{value:.4g}"


def unit_of(quantity: str) -> str:
    """The unit that a quantity's name ends in, as people write it."""
    return _UNITS.get(_plain(quantity).rpartition("_")[2], "")


def name_text(quantity: str) -> str:
    """A quantity's name without its unit: "power" of "power_w"."""
    plain = _plain(quantity)
    return (plain.rpartition("_")[0] if unit_of(quantity) else plain).replace("_", " ")


def time_text(t_ms: int, zone: ZoneInfo) -> str:
    """A local time such as "Sat 21 Nov 2026, 14:05 GMT"."""
    try:
        return datetime.fromtimestamp(t_ms / 1000, zone).strftime("%a %d %b %Y, %H:%M %Z")
    except (ValueError, OverflowError, OSError):
        return "at an unknown time"


def span_text(span_ms: int) -> str:
    """A span such as "35 s", "12 min", "2 h 10 min", "3 d 4 h"."""
    seconds = max(0, span_ms) // 1000
    for unit_s, unit, small_s, small in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min")):
        if seconds >= unit_s:
            rest = seconds % unit_s // small_s
            return f"{seconds // unit_s} {unit} {rest} {small}" if rest else f"{seconds // unit_s} {unit}"
    return f"{seconds // 60} min" if seconds >= 60 else f"{seconds} s"  # noqa: PLR2004 (seconds of a minute)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One notice in words: a headline, a sentence, and facts as (name, value)."""

    headline: str
    sentence: str
    facts: tuple[tuple[str, str], ...]
    link: str


_Section = tuple[str, list[_Entry], int]
"""A heading, the entries that are listed, and how many more there are."""


def _state(notice: Notice) -> str:
    return notice.state if notice.state in _ORDER else INFO


def _subject(ordered: Sequence[Notice], severity: str) -> str:
    tag = severity if any(_state(one) == FIRING for one in ordered) else _state(ordered[0])
    if len(ordered) == 1:
        return _cut(f"[{tag}] {_headline(ordered[0])}", MAX_SUBJECT)
    groups = list(dict.fromkeys(one.group for one in ordered))
    named = ", ".join(groups[:MAX_GROUPS_NAMED]) + (" .." if len(groups) > MAX_GROUPS_NAMED else "")
    counts = Counter(_state(one) for one in ordered)
    amounts = ", ".join(_amount(counts[state], state) for state in _ORDER if counts[state])
    places = len({name_of(one).site for one in ordered})
    at = f" at {places} sites" if places > 1 else f" at {name_of(ordered[0]).site or 'all sites'}"
    return _cut(f"[{tag}] {named}: {amounts}{at}", MAX_SUBJECT)


def _amount(n: int, state: str) -> str:
    word = _WORDS[state]
    return f"{n} {word}" if n == 1 or state == RESOLVED else f"{n} {word}s"


def _headline(notice: Notice) -> str:
    title = _line(notice.title) or notice.group
    place = name_of(notice).place
    return title if title.startswith((place, f"{notice.site}:")) and notice.site else f"{place}: {title}"


def _sections(ordered: Sequence[Notice], sites: Sites, link: str, now_ms: int) -> list[_Section]:
    sections: list[_Section] = []
    for state in _ORDER:
        found = [one for one in ordered if _state(one) == state]
        if found:
            entries = [_entry(one, sites, link, now_ms) for one in found[:LISTED]]
            sections.append((_HEADINGS[state], entries, len(found) - len(entries)))
    return sections


def _entry(notice: Notice, sites: Sites, link: str, now_ms: int) -> _Entry:
    sentence = _cut(_line(notice.text), MAX_LINE * 2)
    return _Entry(_headline(notice), sentence, tuple(_facts(notice, sites, now_ms)), _link(notice, link))


def _facts(notice: Notice, sites: Sites, now_ms: int) -> Iterable[tuple[str, str]]:
    zone = sites.of(notice.site).zone
    unit = unit_of(notice.quantity)
    if notice.value is not None:
        yield name_text(notice.quantity) or "value", f"{number_text(notice.value)} {unit}".strip()
    if notice.limit is not None:
        yield "limit", f"{number_text(notice.limit)} {unit}".strip()
    if notice.state == RESOLVED:
        lasted = span_text(notice.happened_ms - notice.since_ms)
        yield "ended", f"{time_text(notice.happened_ms, zone)} (after {lasted})"
    else:
        yield "since", f"{time_text(notice.since_ms, zone)} ({span_text(now_ms - notice.since_ms)} ago)"
    yield "where", name_of(notice).place
    yield "rule", f"{_line(notice.group)} ({notice.severity})"


def _link(notice: Notice, link: str) -> str:
    return link.replace("{site}", quote(notice.site, safe="")).replace("{meter}", quote(notice.meter, safe=""))


def _section_text(heading: str, entries: Sequence[_Entry], more: int) -> str:
    lines = [heading, "=" * len(heading)]
    for entry in entries:
        lines += ["", entry.headline]
        lines += [f"  {entry.sentence}"] if entry.sentence and entry.sentence != entry.headline else []
        lines += [f"  {name}: {value}" for name, value in entry.facts]
        lines += [f"  {entry.link}"] if entry.link else []
    lines += ["", f"and {more:,} more"] if more else []
    return "\n".join(lines)


def _colour(ordered: Sequence[Notice], severity: str) -> str:
    resolved = all(_state(one) == RESOLVED for one in ordered)
    return _COLOURS[RESOLVED] if resolved else _COLOURS.get(severity, _COLOURS["info"])


def _document(subject: str, colour: str, sections: Sequence[_Section], *, has_chart: bool) -> str:
    body = "".join(_section_html(*section, alone=len(sections) == 1) for section in sections)
    image = (
        '<img src="cid:{}" alt="The last 24 hours" style="display:block;width:100%;max-width:640px;margin:16px 0 0">'
    )
    chart = image.format(CHART_NAME) if has_chart else ""
    return (
        f'<!DOCTYPE html><html><head><meta charset="utf-8"><title>{escape(subject)}</title></head>'
        '<body style="margin:0;padding:16px;background:#f4f5f7;color:#1c1e21;'
        'font:15px/1.45 -apple-system,Segoe UI,Roboto,Helvetica,Arial,sans-serif">'
        '<div style="max-width:640px;margin:0 auto;background:#fff;border:1px solid #dfe1e6;'
        f'border-top:4px solid {colour};border-radius:4px;padding:16px 20px">'
        f'<h1 style="font-size:18px;line-height:1.3;margin:0 0 4px">{escape(subject)}</h1>'
        f"{body}{chart}</div></body></html>"
    )


def _section_html(heading: str, entries: Sequence[_Entry], more: int, *, alone: bool) -> str:
    style = "font-size:13px;margin:16px 0 0;color:#5f6672;text-transform:uppercase;letter-spacing:.04em"
    head = "" if alone else f'<h2 style="{style}">{escape(heading)}</h2>'
    rest = f'<p style="margin:12px 0 0;color:#5f6672">and {more:,} more</p>' if more else ""
    return head + "".join(_entry_html(entry, alone=alone and len(entries) == 1) for entry in entries) + rest


def _entry_html(entry: _Entry, *, alone: bool) -> str:
    head = "" if alone else f'<p style="margin:14px 0 0;font-weight:600">{escape(entry.headline)}</p>'
    sentence = f'<p style="margin:6px 0 0">{escape(entry.sentence)}</p>' if entry.sentence else ""
    row = '<tr><td style="padding:2px 16px 2px 0;color:#5f6672">{}</td><td style="padding:2px 0">{}</td></tr>'
    rows = "".join(row.format(escape(name), escape(value)) for name, value in entry.facts)
    table = f'<table style="border-collapse:collapse;margin:8px 0 0;font-size:14px">{rows}</table>'
    link = f'<p style="margin:8px 0 0"><a href="{escape(entry.link)}">Open the dashboard</a></p>' if entry.link else ""
    return head + sentence + table + link


def _plain(quantity: str) -> str:
    """The quantity of a usage field: "power_w" of "power_w_max"."""
    return next((quantity.removesuffix(end) for end in _STATISTICS if quantity.endswith(end)), quantity)


def _line(text: str) -> str:
    """One line without control characters: what a meter's name or a rule's text may hold is not ours."""
    return _cut(" ".join("".join(char if char.isprintable() else " " for char in text).split()), MAX_LINE)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 2].rstrip() + " .."
