"""Configuration files: what a person may write, and what they are told when it does not fit."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.config import DurationMs, SizeBytes, convert, load, parse_duration, parse_size
from wattline.errors import ConfigError


class Options(msgspec.Struct, forbid_unknown_fields=True):
    port: int = 1
    rate: Annotated[float, msgspec.Meta(gt=0)] = 1.0


class Meter(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    options: Options = msgspec.field(default_factory=Options)
    every: DurationMs = DurationMs(5000)
    most: SizeBytes = SizeBytes(1)
    file: Path | None = None
    names: tuple[str, ...] = ()


class File(msgspec.Struct, forbid_unknown_fields=True):
    meter: tuple[Meter, ...] = ()
    title: str = ""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "agent.toml"


def _problem(file: Path) -> tuple[str, str]:
    """The path inside the file, and what is wrong there."""
    with pytest.raises(ConfigError) as raised:
        load(file, File)
    assert str(raised.value) == f"{raised.value.where}: {raised.value.problem}"
    assert raised.value.where.startswith(str(file))
    return raised.value.where.removeprefix(str(file)).removeprefix(": "), raised.value.problem


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("250ms", 250),
        ("5s", 5000),
        ("1.5h", 5_400_000),
        ("2m", 120_000),
        ("14d", 1_209_600_000),
        ("1w", 604_800_000),
        ("0s", 0),
        (" 5 s ", 5000),
        ("0.0004s", 0),
    ],
)
def test_durations(text: str, ms: int) -> None:
    assert parse_duration(text) == ms
    assert parse_duration(text).seconds == ms / 1000


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1B", 1),
        ("64KiB", 65_536),
        ("512MiB", 536_870_912),
        ("20GiB", 21_474_836_480),
        ("1.5TiB", 1_649_267_441_664),
        ("1kB", 1000),
        ("1MB", 1_000_000),
        ("2GB", 2_000_000_000),
        ("1TB", 10**12),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("read", [parse_duration, parse_size])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "s",
        "-5s",
        "5 apples",
        "5S",
        "5M",
        "5mb",
        "1e3s",
        ".5s",
        "5.s",
        "5s5s",
        "\u0665s",
        "nan s",
        "9" * 400 + "d",
    ],
)
def test_what_is_no_number_with_a_unit_is_refused(read: Callable[[str], int], text: str) -> None:
    with pytest.raises(ValueError, match=r"expected a (duration|size) such as"):
        read(text)


@given(st.text(max_size=30) | st.from_regex(r"[0-9.]{0,30}[a-zA-Z]{0,3}", fullmatch=True))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (parse_duration, parse_size):
        try:
            assert read(text) >= 0
        except ValueError as error:
            assert repr(text) in str(error)  # noqa: PT017 (both ends are right)


def test_a_good_file_becomes_values(file: Path) -> None:
    file.write_text(
        '[[meter]]\nid = "a"\nevery = "1m"\nmost = "1KiB"\nfile = "~/x.csv"\nnames = ["b"]\noptions = {rate = 2}\n'
    )
    (meter,) = load(file, File).meter
    assert meter == Meter("a", Options(1, 2.0), DurationMs(60_000), SizeBytes(1024), Path.home() / "x.csv", ("b",))
    assert load(file, File).title == ""


METER = '[[meter]]\nid = "a"\n'


@pytest.mark.parametrize(
    ("text", "where", "problem"),
    [
        pytest.param('colour = "red"', "", "unknown key 'colour'", id="an unknown key at the top"),
        pytest.param('"a`b - at c" = 1', "", "unknown key 'a`b - at c'", id="an unknown key of odd characters"),
        pytest.param("title = 5", "title", "expected `str`, got `int`", id="a wrong type at the top"),
        pytest.param("meter = 1", "meter", "expected `array`, got `int`", id="no list"),
        pytest.param("[[meter]]", "meter[0]", "the key 'id' is missing", id="a missing key"),
        pytest.param(
            METER + "[[meter]]\nid = 5", "meter[1].id", "expected `str`, got `int`", id="the second of a list"
        ),
        pytest.param(METER + "prot = 1", "meter[0]", "unknown key 'prot'", id="an unknown key inside"),
        pytest.param(METER + "options = {port = 'x'}", "meter[0].options.port", "expected `int`, got `str`", id="deep"),
        pytest.param(METER + "options = {rate = 0}", "meter[0].options.rate", "expected `float` > 0.0", id="a bound"),
        pytest.param(METER + "names = ['a', 1]", "meter[0].names[1]", "expected `str`, got `int`", id="a list inside"),
        pytest.param(METER + "every = 5", "meter[0].every", 'expected text such as "5s", got 5', id="a bare number"),
        pytest.param(METER + "every = true", "meter[0].every", 'expected text such as "5s", got True', id="a boolean"),
        pytest.param(
            METER + "every = '5 - at `$.x`'",
            "meter[0].every",
            'expected a duration such as "5s" or "14d", got \'5 - at `$.x`\'',
            id="a value that looks like a path",
        ),
        pytest.param(METER + "most = 5", "meter[0].most", 'expected text such as "512MiB", got 5', id="a bare size"),
        pytest.param(
            METER + "most = '5 mb'", "meter[0].most", "expected a size such as \"512MiB\", got '5 mb'", id="a bad size"
        ),
        pytest.param(METER + "file = 5", "meter[0].file", 'expected text such as "var/data", got 5', id="no path"),
    ],
)
def test_an_error_names_the_place_inside_the_file(file: Path, text: str, where: str, problem: str) -> None:
    file.write_text(text)
    assert _problem(file) == (where, problem)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(b"a = [", "is not TOML: Invalid value", id="cut off"),
        pytest.param(b"a = 1\na = 2", "is not TOML: Cannot overwrite a value", id="a key twice"),
        pytest.param(b"{}", "is not TOML: Invalid statement", id="JSON"),
        pytest.param(b'title = "\xff"', "is not TOML: 'utf-8' codec", id="not UTF-8"),
        pytest.param(b"a = " + b"[" * 10_000, "is not TOML: maximum recursion", id="deep"),
    ],
)
def test_what_is_no_toml_is_refused(file: Path, content: bytes, problem: str) -> None:
    file.write_bytes(content)
    where, found = _problem(file)
    assert where == ""
    assert found.startswith(problem)


def test_a_missing_file_is_named(file: Path) -> None:
    assert _problem(file) == ("", "No such file or directory")


def test_a_folder_is_no_file(file: Path) -> None:
    file.mkdir()
    assert _problem(file) == ("", "Is a directory")


@pytest.mark.parametrize(
    ("table", "where", "expected"),
    [
        ({"port": "x"}, "meter[2].options", "meter[2].options.port"),
        ({"x": 1}, "meter[2].options", "meter[2].options"),
        ({"port": "x"}, "", "port"),
        ({"x": 1}, "", ""),
    ],
)
def test_a_part_of_a_file_says_where_it_stands(table: dict[str, object], where: str, expected: str) -> None:
    with pytest.raises(ConfigError) as raised:
        convert(table, Options, where)
    assert raised.value.where == expected


def test_numbers_keep_their_digits(file: Path) -> None:
    file.write_text("[[meter]]\nid='a'\noptions = {rate = 1_000.25}\n")
    assert load(file, File).meter[0].options.rate == 1000.25
