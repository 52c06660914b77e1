"""What a message says: subject, text and HTML from notices. No clock, no files."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Final
from urllib.parse import quote
from zoneinfo import ZoneInfo

from cloud_stream.notify.alert_names import FIRING, INFO, RESOLVED, name_of, rank
from cloud_stream.notify.message_html import Entry, Section, document, is_alone
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
    severity = _line(max((one.severity for one in firing or ordered), key=rank))
    subject = _subject(ordered, severity)
    sections = _sections(ordered, sites, link, now_ms)
    html = document(subject, _colour(ordered, severity), sections, CHART_NAME if has_chart else "")
    return Wording(subject, _text(sections), html, severity)


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


def _state(notice: Notice) -> str:
    return notice.state if notice.state in _ORDER else INFO


def _subject(ordered: Sequence[Notice], severity: str) -> str:
    tag = severity if any(_state(one) == FIRING for one in ordered) else _state(ordered[0])
    if len(ordered) == 1:
        return _cut(f"[{tag}] {_headline(ordered[0])}", MAX_SUBJECT)
    groups = list(dict.fromkeys(_line(one.group) for one in ordered))
    named = ", ".join(groups[:MAX_GROUPS_NAMED]) + (" .." if len(groups) > MAX_GROUPS_NAMED else "")
    counts = Counter(_state(one) for one in ordered)
    # "[resolved] meter silent: 2 alerts" says it already.
    words = _WORDS if len(counts) > 1 else _WORDS | {RESOLVED: "alert"}
    amounts = ", ".join(_amount(counts[state], words[state]) for state in _ORDER if counts[state])
    places = len({name_of(one).site for one in ordered})
    at = f" at {places} sites" if places > 1 else f" at {_line(name_of(ordered[0]).site) or 'all sites'}"
    return _cut(f"[{tag}] {named}: {amounts}{at}", MAX_SUBJECT)


def _amount(n: int, word: str) -> str:
    return f"{n:,} {word}" if n == 1 or word == _WORDS[RESOLVED] else f"{n:,} {word}s"


def _headline(notice: Notice) -> str:
    return _line(name_of(notice).headline(_line(notice.title) or _line(notice.group)))


def _sections(ordered: Sequence[Notice], sites: Sites, link: str, now_ms: int) -> list[Section]:
    sections: list[Section] = []
    for state in _ORDER:
        found = [one for one in ordered if _state(one) == state]
        if found:
            entries = [_entry(one, sites, link, now_ms) for one in found[:LISTED]]
            sections.append(Section(_HEADINGS[state], entries, len(found) - len(entries)))
    return sections


def _entry(notice: Notice, sites: Sites, link: str, now_ms: int) -> Entry:
    when = _when(notice, sites.of(notice.site).zone, now_ms)
    sentence = _line(notice.text)
    return Entry(
        headline=_headline(notice),
        sentence="" if sentence == _line(notice.title) else sentence,
        brief=" \u00b7 ".join(part for part in (sentence, " ".join(when)) if part),
        facts=tuple(_facts(notice, when)),
        link=_link(notice, link),
    )


def _facts(notice: Notice, when: tuple[str, str]) -> Iterable[tuple[str, str]]:
    unit = unit_of(notice.quantity)
    if notice.value is not None and isfinite(notice.value):
        yield name_text(notice.quantity) or "value", f"{number_text(notice.value)} {unit}".strip()
    if notice.limit is not None and isfinite(notice.limit):
        yield "limit", f"{number_text(notice.limit)} {unit}".strip()
    yield when
    if notice.site or notice.level == "fleet":
        yield "where", _line(name_of(notice).place)
    yield "rule", f"{_line(notice.group)} ({_line(notice.severity)})"


def _when(notice: Notice, zone: ZoneInfo, now_ms: int) -> tuple[str, str]:
    if notice.state == RESOLVED:
        lasted = span_text(notice.happened_ms - notice.since_ms)
        return "ended", f"{time_text(notice.happened_ms, zone)} (after {lasted})"
    if notice.state == FIRING:
        return "since", f"{time_text(notice.since_ms, zone)} ({span_text(now_ms - notice.since_ms)} ago)"
    return "on", time_text(notice.happened_ms, zone)


def _link(notice: Notice, link: str) -> str:
    site, meter = (quote(name, safe="", errors="replace") for name in (notice.site, notice.meter))
    return link.replace("{site}", site).replace("{meter}", meter)


def _text(sections: Sequence[Section]) -> str:
    alone = is_alone(sections)
    return "\n\n".join(_section_text(section, alone=alone) for section in sections) + "\n"


def _section_text(section: Section, *, alone: bool) -> str:
    if alone:
        return "\n".join(_entry_text(section.entries[0]))
    lines = [section.heading, "=" * len(section.heading)]
    for entry in section.entries:
        lines += ["", entry.headline, f"  {entry.brief}", *([f"  {entry.link}"] if entry.link else [])]
    lines += ["", f"and {section.more:,} more"] if section.more else []
    return "\n".join(lines)


def _entry_text(entry: Entry) -> Iterable[str]:
    yield entry.headline
    if entry.sentence:
        yield entry.sentence
    yield ""
    yield from (f"{name}: {value}" for name, value in entry.facts)
    if entry.link:
        yield from ("", entry.link)


def _colour(ordered: Sequence[Notice], severity: str) -> str:
    resolved = all(_state(one) == RESOLVED for one in ordered)
    return _COLOURS[RESOLVED] if resolved else _COLOURS.get(severity, _COLOURS["info"])


def _plain(quantity: str) -> str:
    """The quantity of a usage field: "power_w" of "power_w_max"."""
    return next((quantity.removesuffix(end) for end in _STATISTICS if quantity.endswith(end)), quantity)


def _line(text: str) -> str:
    """One line without control characters: what a meter's name or a rule's text may hold is not ours."""
    return _cut(" ".join("".join(char if char.isprintable() else " " for char in text).split()), MAX_LINE)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 2].rstrip() + " .."
