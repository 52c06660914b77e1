"""What a person asks for, and what the answer is when there is no such thing."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from cloud_stream.export.selection import Selection, Wish, parse_tags, parse_time, parse_zone, select
from cloud_stream.ports import Table
from wattline.errors import ConfigError

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "zone", "expected_ms"),
    [
        ("", UTC, None),
        ("2026-11-01", UTC, 1_793_491_200_000),
        ("2026-11-01", BERLIN, 1_793_487_600_000),
        ("2026-11-01T06:30", UTC, 1_793_514_600_000),
        ("2026-11-01T06:30:00Z", BERLIN, 1_793_514_600_000),
        ("2026-11-01T07:30:00.250+01:00", UTC, 1_793_514_600_250),
        ("2026-03-29", BERLIN, 1_774_738_800_000),
        ("2026-03-30", BERLIN, 1_774_738_800_000 + 23 * 3_600_000),
        ("1969-12-31T23:59:59.999Z", UTC, -1),
    ],
)
def test_times(text: str, zone: ZoneInfo, expected_ms: int | None) -> None:
    assert parse_time(text, zone, "--from") == expected_ms


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "1793491200", "2026-11-01 to", "'"])
def test_what_is_no_time_is_refused_by_the_name_of_its_option(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--to: .* is no time such as"):
        parse_time(text, UTC, "--to")


@pytest.mark.parametrize("name", ["Europe/Atlantis", "", "/etc/passwd", "../UTC", "Europe"])
def test_what_is_no_time_zone_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"--time-zone: .* is no time zone"):
        parse_zone(name)


@pytest.mark.parametrize("name", ["UTC", "utc", "Europe/London"])
def test_time_zones(name: str) -> None:
    assert str(parse_zone(name)) == (name.upper() if name == "utc" else name)


@pytest.mark.parametrize(
    ("measurement", "named", "pairs", "expected"),
    [
        ("usage", {"site": "a", "meter": None}, [], {"site": "a"}),
        ("usage", {"meter": ""}, ["window=30m"], {"meter": "", "window": "30m"}),
        ("alert", {}, ["rule=a=b"], {"rule": "a=b"}),
        ("usage", {"site": "a"}, ["site=a"], {"site": "a"}),
    ],
)
def test_tags(
    measurement: str, named: Mapping[str, str | None], pairs: Sequence[str], expected: Mapping[str, str]
) -> None:
    assert parse_tags(measurement, named, pairs) == expected


@pytest.mark.parametrize(
    ("measurement", "named", "pairs", "problem"),
    [
        ("usages", {}, [], "MEASUREMENT: 'usages' is none; there are alert, anomaly, .* usage, weather"),
        ("gateway", {"window": "5m"}, [], "--window: gateway has no tag 'window'; there are gateway"),
        ("usage", {}, ["colour=red"], "--tag: usage has no tag 'colour'; there are level, site, meter, window"),
        ("usage", {}, ["site"], "--tag: 'site' is not NAME=VALUE"),
        ("usage", {"site": "a"}, ["site=b"], "--tag: site is asked for as 'a' and as 'b'"),
    ],
)
def test_tags_that_there_cannot_be(
    measurement: str, named: Mapping[str, str | None], pairs: Sequence[str], problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        parse_tags(measurement, named, pairs)


class Held:
    """A store with rows of usage from 1000 to 2000."""

    def field_names(self, measurement: str) -> Sequence[str]:
        assert measurement == "usage"
        return ["energy_kwh", "power_w_mean"]

    def tag_values(self, measurement: str, tag: str) -> Sequence[str]:
        assert measurement == "usage"
        return [f"house-{number:02d}" for number in range(20)] if tag == "site" else []

    def time_range(self, measurement: str, tags: Mapping[str, str]) -> tuple[int, int] | None:
        assert measurement == "usage"
        return None if tags else (1000, 2000)

    def table(
        self, measurement: str, tags: Mapping[str, str], fields: Sequence[str], start_ms: int, end_ms: int
    ) -> Iterator[Table]:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("start_ms", "end_ms", "expected"),
    [
        (None, None, (1000, 2001)),
        (1500, 1600, (1500, 1600)),
        (0, 9000, (1000, 2001)),
        (3000, None, (3000, 3000)),
        (None, 500, (1000, 1000)),
    ],
)
def test_the_span_is_what_is_wanted_of_what_there_is(
    start_ms: int | None, end_ms: int | None, expected: tuple[int, int]
) -> None:
    fields = ("energy_kwh", "power_w_mean")
    assert select(Held(), Wish("usage", {}, None, start_ms, end_ms)) == Selection("usage", {}, fields, *expected)


def test_fields_in_the_order_asked_for_and_each_once() -> None:
    wish = Wish("usage", {}, ["power_w_mean", "energy_kwh", "power_w_mean"])
    assert select(Held(), wish).fields == ("power_w_mean", "energy_kwh")


@pytest.mark.parametrize(
    ("wish", "problem"),
    [
        (
            Wish("usage", {}, ["power"]),
            "--field: usage has no field 'power'; there are energy_kwh, power_w_mean",
        ),
        (
            Wish("usage", {"site": "haus"}),
            "--site: usage has no site 'haus'; there are house-00, house-01, .*, house-11 and 8 more",
        ),
        (Wish("usage", {"meter": "m"}), "--meter: usage has no meter 'm'; there are none"),
    ],
)
def test_what_no_row_has_is_an_error_that_lists_what_there_is(wish: Wish, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        select(Held(), wish)


def test_tags_that_there_are_but_not_together_are_no_error() -> None:
    found = select(Held(), Wish("usage", {"site": "house-01", "meter": ""}))
    assert (found.start_ms, found.end_ms) == (0, 0)
