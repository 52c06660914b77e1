"""What is known of sites beside their meters: time zone, country, place, size, tariff.

```toml
[defaults]
time_zone = "Europe/London"
country = "GB"            # for public holidays; "" for none
currency = "GBP"
[[site]]
id = "house-1"
latitude = 51.5
longitude = -0.1
floor_m2 = 85
use = "home"
tariff = "economy-7"      # a name in the intents file
```
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta, field

from wattline.config import load
from wattline.errors import ConfigError
from wattline.wire import Id

Country = Annotated[str, Meta(pattern="^([A-Z]{2}(-[A-Z0-9]{1,3})?)?$")]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$")]
Latitude = Annotated[float, Meta(ge=-90, le=90)]
Longitude = Annotated[float, Meta(ge=-180, le=180)]
Area = Annotated[float, Meta(gt=0, le=1e7)]


class Defaults(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What holds for every site that does not say otherwise; see `Site`."""

    time_zone: str = "UTC"
    country: Country = ""
    currency: Currency = "EUR"
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    tariff: str = ""


class _Listed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A `[[site]]` of the file."""

    id: Id
    time_zone: str | None = None
    country: Country | None = None
    currency: Currency | None = None
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    floor_m2: Area | None = None
    use: str = ""
    tariff: str | None = None


class SitesFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of the sites file."""

    defaults: Defaults = field(default_factory=Defaults)
    site: tuple[_Listed, ...] = ()


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """One site.

    Attributes:
        time_zone: IANA name; its day, month and tariff times go by it.
        country: ISO 3166 code with or without a subdivision, for public holidays; "" for none.
        currency: ISO 4217 code.
        latitude: Degrees north; None where unknown. longitude: degrees east.
        floor_m2: Floor area, square metres; None where unknown.
        use: What the building is used for, in the owner's words.
        tariff: Name of its tariff; "" without one.
    """

    id: str
    time_zone: str = "UTC"
    country: str = ""
    currency: str = "EUR"
    latitude: float | None = None
    longitude: float | None = None
    floor_m2: float | None = None
    use: str = ""
    tariff: str = ""

    @property
    def zone(self) -> ZoneInfo:
        """The time zone; the file's loader has checked it."""
        return ZoneInfo(self.time_zone)


class Sites:
    """All sites: the listed ones, and the defaults for every other.

    Args:
        defaults: For sites that are not listed.
        listed: By id.
    """

    def __init__(self, defaults: Defaults | None = None, listed: Mapping[str, Site] = MappingProxyType({})) -> None:
        self._defaults = defaults or Defaults()
        self._listed = dict(listed)

    def of(self, site: str) -> Site:
        """What is known of a site, listed or not."""
        found = self._listed.get(site)
        return found if found is not None else _site(_Listed(id=site), self._defaults)

    @property
    def listed(self) -> tuple[Site, ...]:
        """The sites of the file, in its order."""
        return tuple(self._listed.values())


def load_sites(path: Path | None) -> Sites:
    """Read the sites file; None gives the defaults for every site.

    Raises:
        ConfigError: The file is missing, is no TOML, names a site twice, or a time zone that does not exist.
    """
    if path is None:
        return Sites()
    file = load(path, SitesFile)
    _check_zone(path, "defaults.time_zone", file.defaults.time_zone)
    listed: dict[str, Site] = {}
    for number, one in enumerate(file.site):
        if one.id in listed:
            raise ConfigError(f"{path}: site[{number}].id", f"{one.id!r} is listed twice")
        if one.time_zone is not None:
            _check_zone(path, f"site[{number}].time_zone", one.time_zone)
        listed[one.id] = _site(one, file.defaults)
    return Sites(file.defaults, listed)


def _site(one: _Listed, defaults: Defaults) -> Site:
    own = {name: value for name, value in msgspec.structs.asdict(one).items() if value is not None}
    return Site(**(msgspec.structs.asdict(defaults) | own))


def _check_zone(path: Path, where: str, name: str) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(f"{path}: {where}", f'{name!r} is no time zone such as "Europe/London"') from None


@lru_cache(maxsize=65_536)
def day_start_ms(zone: str, at_ms: int) -> int:
    """The start of the local day that an instant is in, ms UTC; local days have 23, 24 or 25 hours."""
    tz = ZoneInfo(zone)
    local = datetime.fromtimestamp(at_ms / 1000, tz)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return round(midnight.astimezone(UTC).timestamp() * 1000)


def month_start_ms(zone: str, at_ms: int) -> int:
    """The start of the local month that an instant is in, ms UTC."""
    tz = ZoneInfo(zone)
    first = datetime.fromtimestamp(at_ms / 1000, tz).replace(day=1, hour=0, minute=0, second=0, microsecond=0, fold=0)
    return round(first.astimezone(UTC).timestamp() * 1000)
