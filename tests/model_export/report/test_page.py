"""A page says what it is told and runs nothing of it."""

import pytest

from model_export.report.page import Row, number, page, paragraph, percent, picture, section, table

HOSTILE = '<script>alert("1")</script>'


@pytest.mark.parametrize(
    "html",
    [
        page(HOSTILE, []),
        paragraph(HOSTILE),
        section(HOSTILE, HOSTILE, []),
        table([HOSTILE], [Row([HOSTILE], badge=HOSTILE, style=HOSTILE, best=0)]),
        picture("data:,", HOSTILE, HOSTILE, HOSTILE),
    ],
)
def test_names_of_meters_are_text_whatever_they_hold(html: str) -> None:
    assert "<script" not in html
    assert 'alert("' not in html
    assert "&lt;script&gt;" in html


def test_a_page_fits_a_phone_and_the_readers_light() -> None:
    html = page("title", ["<p>hello</p>"])
    assert html.startswith("<!doctype html>")
    assert 'name="viewport" content="width=device-width' in html
    assert "color-scheme: light dark" in html
    assert "prefers-color-scheme: dark" in html


@pytest.mark.parametrize(
    ("figure", "digits", "said"), [(None, 3, "-"), (0.12345, 3, "0.123"), (1234.5, 0, "1,234"), (0.0, 2, "0.00")]
)
def test_a_figure_without_a_meaning_is_a_dash(figure: float | None, digits: int, said: str) -> None:
    assert number(figure, digits) == said


@pytest.mark.parametrize(("share", "said"), [(None, "-"), (0.345, "34 %"), (1.0, "100 %")])
def test_shares_are_per_cent(share: float | None, said: str) -> None:
    assert percent(share) == said


def test_the_best_figure_of_a_row_stands_out() -> None:
    assert "<td><b>0.9</b></td>" in table(["", "a", "b"], [Row(["118", "0.8", "0.9"], best=2)])
