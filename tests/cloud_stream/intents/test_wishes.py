"""What `intents.toml` may say, and what is said about it when it is wrong."""

import os
from pathlib import Path

import pytest

from cloud_stream.intents.commands import in_words
from cloud_stream.intents.file_source import FileSource
from cloud_stream.intents.wishes import load_book
from cloud_stream.sites import Defaults, Site, Sites
from tests.cloud_stream.intents.rig import LONDON, TWO_RATES, book_of, sites_of
from wattline.errors import ConfigError

SITES = sites_of(LONDON)


def _intent(text: str) -> str:
    return f'[[intent]]\nname = "w"\n{text}\n'


@pytest.mark.parametrize(
    ("text", "where", "problem"),
    [
        (_intent('kind = "wish"'), "intent[0].kind", "invalid value 'wish'"),
        ('[[intent]]\nkind = "budget"\n', "intent[0]", "the key 'name' is missing"),
        (_intent('kind = "budget"\nlimit_w = 3'), "intent[0]", "unknown key 'limit_w'"),
        (_intent('kind = "budget"'), "intent[0].limit_kwh", "give either"),
        (_intent('kind = "budget"\nlimit_kwh = 1\nlimit_money = 1'), "intent[0].limit_kwh", "give either"),
        (_intent('kind = "budget"\nlimit_kwh = nan'), "intent[0].limit_kwh", "expected `float` > 0"),
        (_intent('kind = "budget"\nlimit_kwh = -1'), "intent[0].limit_kwh", "expected `float` > 0"),
        (_intent('kind = "budget"\nlimit_kwh = 1\nper = "year"'), "intent[0].per", "invalid enum value 'year'"),
        (
            _intent('kind = "budget"\nlimit_money = 1\nlevel = "fleet"'),
            "intent[0].limit_money",
            "a site that the sites file does not list has no tariff",
        ),
        (_intent('kind = "power_limit"\nlimit_w = 1\n') * 2, "intent[1].name", "'w' names two intents"),
        (_intent('kind = "power_limit"\nlimit_w = 1\nmeters = ["m"]'), "intent[0].meters", "'site' has no meters"),
        (_intent('kind = "power_limit"\nlimit_w = 1\nlevel = "fleet"\nsites = ["s"]'), "intent[0].sites", "no sites"),
        (_intent('kind = "power_limit"\nlimit_w = 1\nlevel = "fleet"\nloads = ["b"]'), "intent[0].loads", "no load"),
        (_intent('kind = "reduction"\npercent = 100'), "intent[0].percent", "expected `float` < 100"),
        (
            _intent('kind = "shift"\nsites = ["other"]'),
            "intent[0].peak",
            "site 'other' has no tariff with dearer hours",
        ),
        (_intent('kind = "shift"\nlevel = "meter"'), "intent[0].level", "only a site's loads"),
        (_intent('kind = "shift"\n[[intent.peak]]\ndays = ["x"]'), "intent[0].peak[0].days", "'x' is none of mon..sun"),
        (_intent('kind = "shift"\n[[intent.peak]]\nfrom = "x"'), "intent[0].peak[0].from", "'x' is no time"),
        (_intent('kind = "shift"\n[[intent.load]]\nid = "b"\nhours = "25h"'), "intent[0].load[0].hours", "more than"),
        (_intent('kind = "shift"\n[[intent.load]]\nid = "b"\nby = "7"'), "intent[0].load[0].by", "'7' is no time"),
        (
            _intent('kind = "shift"\n[[intent.load]]\nid = "b"\nhours = "1h"\nkwh = 1'),
            "intent[0].load[0].kwh",
            "give either",
        ),
        (
            _intent('kind = "shift"\nrun = "cheapest"\n[[intent.load]]\nid = "b"'),
            "intent[0].load[0].hours",
            "or 'kwh' is needed",
        ),
        *(
            (
                _intent(f'kind = "shift"\n{first}[[intent.peak]]\n[[intent.load]]\nid = "b"\n')
                + f'[[intent]]\nname = "w2"\nkind = "shift"\n{second}[[intent.peak]]\n[[intent.load]]\nid = "b"\n',
                "intent[1].load[0].id",
                "'b' is moved by 'w' already",
            )
            for first, second in (("", 'sites = ["s"]\n'), ('sites = ["s"]\n', ""), ("", ""))
        ),
        (
            _intent('kind = "shift"\n' + '[[intent.load]]\nid = "b"\n' * 2),
            "intent[0].load[0].id",
            "moved by 'w' already",
        ),
    ],
)
def test_a_wrong_file_is_one_error_with_the_path_inside(tmp_path: Path, text: str, where: str, problem: str) -> None:
    file = tmp_path / "intents.toml"
    file.write_text(TWO_RATES + text)
    with pytest.raises(ConfigError) as caught:
        load_book(file, SITES)
    assert caught.value.where == f"{file}: {where}"
    assert problem in caught.value.problem


def test_a_site_has_a_tariff_that_there_is_and_in_its_currency() -> None:
    with pytest.raises(ConfigError, match="there is no 'two-rates', the tariff of site 'house-1'"):
        book_of("", SITES)
    euros = Sites(Defaults(tariff="two-rates", currency="EUR"), {"house-1": LONDON})
    with pytest.raises(ConfigError, match="'two-rates' is in GBP, the currency of the sites file's defaults is EUR"):
        book_of(TWO_RATES, euros)


def test_money_needs_a_tariff_at_every_site_that_is_named() -> None:
    wish = _intent('kind = "budget"\nlimit_money = 1\nsites = ["house-1", "house-2"]')
    with pytest.raises(ConfigError, match="site 'house-2' has no tariff"):
        book_of(TWO_RATES + wish, SITES)
    assert book_of(TWO_RATES + _intent('kind = "budget"\nlimit_money = 1'), SITES).wishes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            'kind = "power_limit"\nlimit_w = 9000\nloads = ["b"]',
            "every site: at most 9000 W; b may be switched off for it",
        ),
        (
            'kind = "power_limit"\nlimit_w = 9000\nlevel = "fleet"\nact = false',
            "the fleet: at most 9000 W; nothing may be switched off for it",
        ),
        ('kind = "budget"\nlimit_kwh = 12\nlevel = "meter"\nsites = ["s"]', "every meter of s: at most 12 kWh a day"),
        ('kind = "reduction"\npercent = 10\nagainst = "last_year"', "every site: 10 % less each month than the same"),
        (
            'kind = "shift"\n[[intent.load]]\nid = "b"\nhours = "3h"\nby = "06:00"',
            "every site: out of the tariff's dear hours; b must run 3 h by 06:00",
        ),
    ],
)
def test_a_wish_in_words(text: str, words: str) -> None:
    (wish,) = book_of(TWO_RATES + _intent(text), SITES).wishes
    assert in_words(wish).startswith(words)


def test_the_file_is_read_again_when_it_changes_and_a_wrong_one_leaves_the_old_in_force(tmp_path: Path) -> None:
    file, clock = tmp_path / "intents.toml", [0.0]
    file.write_text(_intent('kind = "budget"\nlimit_kwh = 1'))
    source = FileSource(file, sites_of(Site(id="s")), lambda: clock[0])
    first = source()

    def write(text: str, second: int) -> None:
        file.write_text(text)
        os.utime(file, (second, second))

    write(_intent('kind = "budget"\nlimit_kwh = 2'), 1)
    assert source() is first
    clock[0] = 1.0
    assert (source().number, source().book.wishes[0].limit_kwh) == (2, 2)  # type: ignore[union-attr]
    write("[[intent]]", 2)
    clock[0] = 2.0
    wrong = source()
    assert (wrong.number, wrong.book.wishes[0].limit_kwh, source.refused) == (2, 2, 1)  # type: ignore[union-attr]
    assert "intent[0]" in wrong.problem
    file.unlink()
    clock[0] = 3.0
    assert "No such file" in source().problem
    write("", 4)
    clock[0] = 4.0
    assert (source().number, source().problem) == (3, "")


def test_a_file_that_is_wrong_from_the_start_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        FileSource(tmp_path / "none.toml", SITES)


def test_a_start_with_a_wrong_file_goes_on_with_the_last_good_one(tmp_path: Path) -> None:
    file, copy = tmp_path / "intents.toml", tmp_path / "good.toml"
    file.write_text(_intent('kind = "budget"\nlimit_kwh = 1'))
    FileSource(file, sites_of(Site(id="s")), good_copy=copy)
    file.write_text("[[intent]]")
    edition = FileSource(file, sites_of(Site(id="s")), good_copy=copy)()
    assert [wish.name for wish in edition.book.wishes] == [
        wish.name for wish in load_book(copy, sites_of(Site(id="s"))).wishes
    ]
    assert "intent[0]" in edition.problem
