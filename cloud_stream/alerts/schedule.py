"""When a rule is active: days of the week and hours, by a local clock."""

from datetime import datetime
from functools import lru_cache
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta, field

from wattline.errors import ConfigError

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Clock = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$")]


class Schedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`active = {days = ["mon"], from = "08:00", to = "18:00", time_zone = "Europe/London"}`.

    A span over midnight ("22:00" to "06:00") belongs to the day on which it begins.

    Attributes:
        days: All by default.
        start: `from`: inclusive. end: `to`: exclusive.
        time_zone: IANA name; the site's own by default.
    """

    days: tuple[Day, ...] = DAYS
    start: Clock = field(default="00:00", name="from")
    end: Clock = field(default="24:00", name="to")
    time_zone: str = ""

    def is_active(self, at_ms: int, site_zone: str) -> bool:
        """Whether an instant lies in it.

        Args:
            at_ms: The instant, ms UTC.
            site_zone: Counts when the schedule names no zone.
        """
        weekday, clock = _local(at_ms // 60_000, self.time_zone or site_zone)
        if self.start < self.end:
            return self.start <= clock < self.end and DAYS[weekday] in self.days
        day_it_began = weekday if clock >= self.start else weekday - 1
        return (clock >= self.start or clock < self.end) and DAYS[day_it_began] in self.days

    def check(self) -> None:
        """Refuse a schedule that never comes.

        Raises:
            ConfigError: It names no day, has no length, or a time zone that does not exist.
        """
        if not self.days:
            raise ConfigError("days", "names no day: the rule would never be active")
        if self.start in (self.end, "24:00"):
            raise ConfigError("to", f'"{self.start}" to "{self.end}" has no length: the rule would never be active')
        try:
            ZoneInfo(self.time_zone or "UTC")
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ConfigError("time_zone", f'{self.time_zone!r} is no time zone such as "Europe/London"') from None

    def words(self) -> str:
        """For a person: "mon-fri 08:00-18:00"."""
        days = "" if self.days == DAYS else ",".join(self.days) + " "
        return f"{days}{self.start}-{self.end}" + (f" {self.time_zone}" if self.time_zone else "")


@lru_cache(maxsize=4096)
def _local(minute: int, zone: str) -> tuple[int, str]:
    """Weekday (0 is Monday) and "HH:MM" of a UTC minute."""
    local = datetime.fromtimestamp(minute * 60, ZoneInfo(zone))
    return local.weekday(), local.strftime("%H:%M")


def local_time(at_ms: int, zone: str) -> str:
    """An instant for a person: "Sat 21 Nov 17:30"."""
    return datetime.fromtimestamp(at_ms / 1000, ZoneInfo(zone)).strftime("%a %d %b %H:%M")
