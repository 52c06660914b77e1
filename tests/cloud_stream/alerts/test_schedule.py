"""When a rule is active."""

import pytest

from cloud_stream.alerts.schedule import Schedule
from tests.cloud_stream.alerts.facts import at
from wattline.config import convert
from wattline.errors import ConfigError


def _schedule(**keys: object) -> Schedule:
    return convert({name.removesuffix("_"): value for name, value in keys.items()}, Schedule)


WORK = {"days": ["mon", "tue", "wed", "thu", "fri"], "from_": "08:00", "to": "18:00"}
NIGHT = {"from_": "22:00", "to": "06:00"}


@pytest.mark.parametrize(
    ("keys", "zone", "when", "active"),
    [
        ({}, "UTC", "2026-11-21 00:00", True),
        ({"days": ["sat"]}, "UTC", "2026-11-21 23:59", True),
        ({"days": ["sat"]}, "UTC", "2026-11-22 00:00", False),
        (WORK, "UTC", "2026-11-20 08:00", True),
        (WORK, "UTC", "2026-11-20 07:59", False),
        (WORK, "UTC", "2026-11-20 18:00", False),
        (WORK, "UTC", "2026-11-21 12:00", False),
        (WORK, "America/New_York", "2026-11-20 12:00", False),
        (WORK, "America/New_York", "2026-11-20 22:59", True),
        (WORK | {"time_zone": "UTC"}, "America/New_York", "2026-11-20 12:00", True),
        (NIGHT, "UTC", "2026-11-20 23:00", True),
        (NIGHT, "UTC", "2026-11-21 05:59", True),
        (NIGHT, "UTC", "2026-11-21 06:00", False),
        (NIGHT | {"days": ["fri"]}, "UTC", "2026-11-21 05:00", True),
        (NIGHT | {"days": ["fri"]}, "UTC", "2026-11-20 05:00", False),
        (NIGHT | {"days": ["sun"]}, "UTC", "2026-11-23 05:00", True),
        ({"from_": "18:00"}, "Europe/Berlin", "2026-07-01 16:00", True),
        ({"from_": "18:00"}, "Europe/Berlin", "2026-01-01 16:00", False),
    ],
)
def test_local_days_and_hours(keys: dict[str, object], zone: str, when: str, active: bool) -> None:  # noqa: FBT001
    assert _schedule(**keys).is_active(at(when), zone) is active


@pytest.mark.parametrize(
    ("keys", "where", "problem"),
    [
        ({"from_": "08:00", "to": "08:00"}, "to", "never be active"),
        ({"from_": "24:00", "to": "08:00"}, "to", "never be active"),
        ({"days": []}, "days", "names no day"),
        ({"time_zone": "Mars/Olympus"}, "time_zone", "is no time zone"),
        ({"time_zone": "../etc/passwd"}, "time_zone", "is no time zone"),
    ],
)
def test_a_schedule_that_never_comes_is_refused(keys: dict[str, object], where: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        _schedule(**keys).check()
    assert caught.value.where == where


@pytest.mark.parametrize("clock", ["8:00", "25:00", "08:60", "noon"])
def test_times_are_written_as_clocks_show_them(clock: str) -> None:
    with pytest.raises(ConfigError):
        _schedule(from_=clock)
