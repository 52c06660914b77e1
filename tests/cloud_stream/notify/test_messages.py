"""What people read: what happened, value and limit, since when and where; ten of a thousand."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_stream.notify.messages import (
    MAX_SUBJECT,
    name_text,
    number_text,
    span_text,
    time_text,
    unit_of,
    word_message,
)
from cloud_stream.records import Notice
from cloud_stream.sites import Defaults, Sites
from tests.cloud_stream.notify.notices import NOW_MS, POWER, power, silent

AMSTERDAM = Sites(Defaults(time_zone="Europe/Amsterdam"))
LINK = "https://grafana.example/d/site?var-site={site}&var-meter={meter}"


def subject(*notices: Notice) -> str:
    return word_message(notices, AMSTERDAM, "", NOW_MS, has_chart=False).subject


@pytest.mark.parametrize(
    ("notices", "expected"),
    [
        ([POWER], "[critical] house-1: power above 9000 W"),
        ([power("r", state="resolved")], "[resolved] house-1: power above 9000 W"),
        ([power("i", state="info", title="heat the boiler at noon")], "[info] house-1: heat the boiler at noon"),
        ([power("t", title="house-1: power above 9000 W")], "[critical] house-1: power above 9000 W"),
        ([power("u", title="house-10 is not meant")], "[critical] house-1: house-10 is not meant"),
        ([power("f", level="fleet", site="")], "[critical] power above 9000 W"),
        ([power("e", title="")], "[critical] house-1: connection limit"),
        ([power("l", title="connection limit: house-1")], "[critical] connection limit: house-1"),
        ([silent(1, title="silent: meter MAC000001 of house-1")], "[warning] silent: meter MAC000001 of house-1"),
        (
            [silent(1, title="silent: meter MAC0000010 of house-1")],
            "[warning] house-1/MAC000001: silent: meter MAC0000010 of house-1",
        ),
        ([silent(1)], "[warning] house-1/MAC000001: silent for 15 minutes"),
        ([silent(n) for n in range(1000)], "[warning] meter silent: 1,000 alerts at 300 sites"),
        ([silent(n, "resolved") for n in range(1000)], "[resolved] meter silent: 1,000 alerts at 300 sites"),
        ([silent(1), silent(301)], "[warning] meter silent: 2 alerts at house-1"),
        ([POWER, silent(1, "resolved")], "[critical] connection limit, meter silent: 1 alert, 1 resolved at house-1"),
        ([silent(1), POWER], "[critical] connection limit, meter silent: 2 alerts at house-1"),
        ([power(str(n), group=f"g{n}") for n in range(5)], "[critical] g0, g1, g2 ..: 5 alerts at house-1"),
        ([power("h", title="a\r\nBcc: x@example.org\x00")], "[critical] house-1: a Bcc: x@example.org"),
    ],
)
def test_a_subject_is_short_and_says_it(notices: list[Notice], expected: str) -> None:
    assert subject(*notices) == expected


def test_a_text_says_what_where_and_since_when() -> None:
    message = word_message([POWER], AMSTERDAM, LINK, NOW_MS + 3_600_000, has_chart=False)
    assert message.text == (
        "house-1: power above 9000 W\n"
        "The mean of 5 minutes was 9420 W; the limit is 9000 W.\n\n"
        "power: 9,420 W\n"
        "limit: 9,000 W\n"
        "since: Fri 21 Nov 2025, 14:50 CET (1 h 10 min ago)\n"
        "where: house-1\n"
        "rule: connection limit (critical)\n\n"
        "https://grafana.example/d/site?var-site=house-1&var-meter=\n"
    )


def test_an_end_says_how_long_it_was() -> None:
    ended = power("r", state="resolved", happened_ms=NOW_MS + 60_000)
    text = word_message([ended], AMSTERDAM, "", NOW_MS + 61_000, has_chart=False).text
    assert "ended: Fri 21 Nov 2025, 15:01 CET (after 11 min)" in text


def test_ten_of_a_thousand_are_listed() -> None:
    message = word_message([silent(n) for n in range(1000)], AMSTERDAM, LINK, NOW_MS, has_chart=False)
    assert message.text.count("silent for 15 minutes") == 10
    assert message.text.endswith("and 990 more\n")
    assert message.html.count("silent for 15 minutes") == 10
    assert "and 990 more" in message.html


def test_the_most_severe_come_first_and_ends_last() -> None:
    notices = [silent(2, "resolved"), silent(1), power("i", state="info", title="a note"), POWER]
    text = word_message(notices, AMSTERDAM, "", NOW_MS, has_chart=False).text
    order = [text.index(part) for part in ("Firing", "power above", "MAC000001", "Resolved", "MAC000002", "a note")]
    assert order == sorted(order)


def test_html_shows_what_is_said_and_nothing_else() -> None:
    hostile = power("x", title="<script>alert(1)</script>", text='<img src="http://evil">', site='a"><b>')
    html = word_message([hostile], AMSTERDAM, LINK, NOW_MS, has_chart=True).html
    assert "<script" not in html
    assert "<b>" not in html
    assert html.count("<img") == 1
    assert "cid:last-24-hours.png" in html


def test_without_a_chart_no_picture_is_shown() -> None:
    assert "<img" not in word_message([POWER], AMSTERDAM, "", NOW_MS, has_chart=False).html


@given(notice=st.builds(
    Notice, key=st.text(), group=st.text(), state=st.sampled_from(["firing", "resolved", "info", "other"]),
    severity=st.text(), happened_ms=st.integers(), decided_ms=st.integers(), since_ms=st.integers(), level=st.text(),
    site=st.text(), meter=st.text(), title=st.text(), text=st.text(max_size=1000), quantity=st.text(),
    value=st.none() | st.floats(), limit=st.none() | st.floats(), window=st.text(),
))  # fmt: skip
def test_whatever_a_notice_holds_can_be_worded(notice: Notice) -> None:
    for notices in ([notice], [notice, POWER]):
        message = word_message(notices, AMSTERDAM, LINK, NOW_MS, has_chart=False)
        assert message.subject.isprintable()
        assert len(message.subject) <= MAX_SUBJECT
        assert message.text.encode()
        assert message.html.encode()


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (9420.3, "9,420"), (-1234.5, "-1,234"), (3.14159, "3.142"), (999.96, "1000")]
)
def test_numbers(value: float, text: str) -> None:
    assert number_text(value) == text


@pytest.mark.parametrize(
    ("quantity", "name", "unit"),
    [
        ("power_w", "power", "W"),
        ("power_w_max", "power", "W"),
        ("energy_kwh", "energy", "kWh"),
        ("gas_m3", "gas", "m³"),
        ("temperature_c_mean", "temperature", "°C"),
        ("power_factor", "power factor", ""),
        ("", "", ""),
    ],
)
def test_quantities(quantity: str, name: str, unit: str) -> None:
    assert (name_text(quantity), unit_of(quantity)) == (name, unit)


@pytest.mark.parametrize(
    ("span_ms", "text"),
    [(-5, "0 s"), (35_999, "35 s"), (60_000, "1 min"), (3_600_000, "1 h"), (7_800_000, "2 h 10 min"),
     (86_400_000, "1 d"), (273_600_000, "3 d 4 h")],
)  # fmt: skip
def test_spans(span_ms: int, text: str) -> None:
    assert span_text(span_ms) == text


@pytest.mark.parametrize(
    ("t_ms", "text"),
    [
        (1_761_436_800_000, "Sun 26 Oct 2025, 01:00 BST"),
        (1_761_440_400_000, "Sun 26 Oct 2025, 01:00 GMT"),
        (10**18, "at an unknown time"),
    ],
)
def test_times_are_local(t_ms: int, text: str) -> None:
    assert time_text(t_ms, ZoneInfo("Europe/London")) == text
