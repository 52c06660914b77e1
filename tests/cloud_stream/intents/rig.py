"""Intents as a file would have them, and a step that follows them."""

import tomllib
from collections.abc import Sequence
from typing import Any

from cloud_stream.intents.ports import Edition
from cloud_stream.intents.step import Decisions, IntentStep
from cloud_stream.intents.wishes import Book, IntentsFile, make_book
from cloud_stream.records import Notice, Order, Point
from cloud_stream.sites import Defaults, Site, Sites
from wattline.config import convert

T0_MS = 1_793_577_600_000
"""2026-11-02 00:00 UTC, a Monday."""
HOUR_MS = 3_600_000
LONDON = Site(id="house-1", time_zone="Europe/London", country="GB", currency="GBP", tariff="two-rates")
TWO_RATES = """
[[tariff]]
name = "two-rates"
currency = "GBP"
standing_per_day = 0.5
[[tariff.rate]]
name = "night"
price = 0.1
from = "00:00"
to = "07:00"
[[tariff.rate]]
name = "day"
price = 0.3
"""


def sites_of(*sites: Site) -> Sites:
    """These sites, and the defaults for every other."""
    return Sites(Defaults(), {site.id: site for site in sites})


def book_of(text: str, sites: Sites | None = None) -> Book:
    """The book that a file with this text would be."""
    return make_book(convert(tomllib.loads(text), IntentsFile), sites or sites_of(Site(id="house-1")))


def step_of(text: str, site: Site | None = None, **options: Any) -> IntentStep:  # noqa: ANN401 (the step's own)
    """A step that follows what this text says."""
    sites = sites_of(site or Site(id="house-1"))
    book = book_of(text, sites)
    return IntentStep(lambda: Edition(1, book), sites, **({"commands_enabled": True} | options))


def parts(decisions: Sequence[Decisions]) -> tuple[list[Point], list[Notice], list[Order]]:
    """What is to be stored, told and switched."""
    flat = [one for some in decisions for one in some]
    points = [one for one in flat if isinstance(one, Point)]
    notices = [one for one in flat if isinstance(one, Notice)]
    return points, notices, [one for one in flat if isinstance(one, Order)]
