"""The picture is a PNG with a row per segment; the page holds it and every meter."""

from html.parser import HTMLParser
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

from model_export.dataset import MeterSeries
from model_export.segments.page import segments_page
from model_export.segments.plot import profile_plot
from model_export.segments.profiles import Clock
from model_export.segments.segmentation import Wishes, members, profiles_of, segmented
from tests.model_export.segments.mixture import HALF_HOUR, meter, mixture

CLOCK = Clock(HALF_HOUR)
ODD = meter("<odd> & strange", np.tile(np.eye(48)[30], (28, 1)))
SHORT = meter("short", np.ones((3, 48)))


class _Text(HTMLParser):
    """Collects the words and the addresses of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.addresses: list[str] = []

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag != "script"
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href"}]


def made(series: list[MeterSeries], k: int) -> tuple[Any, str]:
    profiles = profiles_of(series, CLOCK)
    found = segmented(profiles, CLOCK, Wishes(k, created="2026-11-21T00:00:00+00:00"))
    placed = members(found, profiles.known)
    picture = profile_plot(found, profiles, placed)
    return imread(BytesIO(picture)), segments_page(found, profiles, placed, picture)


@pytest.mark.parametrize(("k", "extra", "rows"), [(2, [], 2), (4, [], 4), (4, [ODD], 5), (8, [], 8)])
def test_the_picture_has_a_row_for_each_segment(k: int, extra: list[MeterSeries], rows: int) -> None:
    picture, _ = made([*mixture(homes=60), *extra], k)
    height, width = picture.shape[:2]
    assert width == 9 * 120
    assert round((height / 120 - 0.9) / 1.9) in {rows, rows + (k == 8)}


def test_members_are_grey_and_centres_coloured() -> None:
    picture, _ = made(list(mixture(homes=40)), 4)
    colours = picture[..., :3].max(axis=-1) - picture[..., :3].min(axis=-1)
    assert 0.005 < float((colours > 0.2).mean()) < 0.1
    assert float(((colours < 0.02) & (picture[..., 0] < 0.9)).mean()) > 0.01


def test_hundreds_of_members_are_drawn_thinned_out() -> None:
    picture, _ = made(list(mixture(homes=400, days=14)), 2)
    assert picture.shape[1] == 1080


def test_the_page_tells_everything_and_asks_nobody() -> None:
    _, page = made([*mixture(homes=24), ODD, SHORT], 4)
    parser = _Text()
    parser.feed(page)
    assert all(address.startswith("data:image/png;base64,") for address in parser.addresses)
    for words in (
        "25 meters in 4 segments",
        "night load",
        "night-load",
        "home-0003 evening peak",
        ODD.name,
        "too_few_days",
    ):
        assert words in parser.text
    assert "<odd>" not in page
    assert "$" not in parser.text
