"""What `intents.toml` says: wishes about consumption, and the tariffs that make money of it.

See `docs/guides/intents.md` for one example of each kind.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from cloud_stream.intents.periods import Per
from cloud_stream.intents.tariffs import Hours, Tariff, TariffTable, compile_tariffs, hours_table, minute_of
from cloud_stream.sites import Site, Sites
from wattline.config import DurationMs, load
from wattline.errors import ConfigError
from wattline.wire import Id

Percent = Annotated[float, Meta(gt=0, lt=100)]
MAX_WISHES: Final = 200
DAY_MS: Final = 86_400_000


class Level(StrEnum):
    """Whose consumption a wish is about."""

    METER = "meter"
    SITE = "site"
    FLEET = "fleet"


class Severity(StrEnum):
    """How much it matters to a person when the wish is not kept."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Wish(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"):
    """What all kinds have.

    Attributes:
        name: Unique in its file; a tag of every record.
        sites: All by default. meters: with level `meter`, all by default.
        act: Whether loads may be switched for it, where the cloud sends commands and the load's owner allows them.
    """

    name: Id
    level: Level = Level.SITE
    sites: tuple[Id, ...] = ()
    meters: tuple[Id, ...] = ()
    severity: Severity = Severity.WARNING
    act: bool = True

    def covers(self, level: str, site: str, meter: str) -> bool:
        """Whether the wish is about this meter, site (`meter` is ""), or the fleet (both are "")."""
        if level != self.level.value:
            return False
        return (not self.sites or site in self.sites) and (not self.meters or meter in self.meters)


class PowerLimit(Wish, frozen=True, tag="power_limit"):
    """Stay under a power, on the average of every utility interval.

    Attributes:
        limit_w: The limit.
        loads: Which loads may be switched off, by id; by default all of the site that take commands.
        headroom_percent: Loads are switched off from so far below the limit, and on again from twice as far below.
    """

    limit_w: Annotated[float, Meta(gt=0, le=1e9)]
    loads: tuple[Id, ...] = ()
    headroom_percent: Annotated[float, Meta(ge=0, le=45)] = 5.0

    @property
    def shed_above_w(self) -> float:
        """The power above which loads are switched off."""
        return self.limit_w * (1 - self.headroom_percent / 100)

    @property
    def release_below_w(self) -> float:
        """The power that must not be exceeded by releasing a load."""
        return self.limit_w * (1 - 2 * self.headroom_percent / 100)


class Budget(Wish, frozen=True, tag="budget"):
    """At most so much, each local day, week or month: either energy or money, standing charge included."""

    per: Per = Per.DAY
    limit_kwh: Annotated[float, Meta(gt=0, le=1e12)] | None = None
    limit_money: Annotated[float, Meta(gt=0, le=1e12)] | None = None


class Reduction(Wish, frozen=True, tag="reduction"):
    """Less than usual for the weather.

    Attributes:
        percent: How much less.
        against: `last_year`, the same weekdays 52 weeks before; or `last_weeks`.
        weeks: How many `last_weeks` are.
    """

    percent: Percent
    per: Per = Per.MONTH
    against: Literal["last_weeks", "last_year"] = "last_weeks"
    weeks: Annotated[int, Meta(ge=1, le=26)] = 8


class ShiftLoad(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A load to move, and what it must get all the same between one `by` and the next.

    Attributes:
        hours: It is left on for so long at least. kwh: or until its meter has counted so much.
        by: The local time until which it must have had that.
    """

    id: Id
    hours: DurationMs = DurationMs(0)
    kwh: Annotated[float, Meta(ge=0, le=1e6)] = 0.0
    by: str = "07:00"


class Shift(Wish, frozen=True, tag="shift"):
    """Move loads out of the dear hours; without loads only say what it would save.

    Attributes:
        load: The loads.
        peak: The hours to leave; by default the tariff's.
        run: `outside_peak`: loads are left to themselves outside the peak. `cheapest`: they are on only in the
            cheapest hours that give them what they must get.
    """

    load: tuple[ShiftLoad, ...] = ()
    peak: tuple[Hours, ...] = ()
    run: Literal["outside_peak", "cheapest"] = "outside_peak"


AnyWish = PowerLimit | Budget | Reduction | Shift


class IntentsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of `intents.toml`."""

    intent: tuple[AnyWish, ...] = ()
    tariff: tuple[TariffTable, ...] = ()


@dataclass(frozen=True, slots=True)
class Book:
    """A checked file.

    Attributes:
        wishes: In the order of the file.
        tariffs: By name.
    """

    wishes: tuple[AnyWish, ...] = ()
    tariffs: Mapping[str, Tariff] = field(default_factory=dict)

    def tariff_of(self, site: Site) -> Tariff | None:
        """The site's tariff; None without one."""
        return self.tariffs.get(site.tariff)


def load_book(path: Path, sites: Sites) -> Book:
    """Read `intents.toml`.

    Args:
        path: The file.
        sites: Whose tariffs it must have.

    Raises:
        ConfigError: The file is missing, or holds a wish that cannot be followed, or a tariff that leaves hours out.
    """
    file = load(path, IntentsFile)
    try:
        return make_book(file, sites)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.where}", error.problem) from None


def make_book(file: IntentsFile, sites: Sites) -> Book:
    """Check what a schema cannot say.

    Raises:
        ConfigError: See `load_book`; `where` is such as ``intent[2].loads``.
    """
    book = Book(file.intent, compile_tariffs(file.tariff))
    _check_sites(book, sites)
    if len(file.intent) > MAX_WISHES:
        raise ConfigError("intent", f"there are more than {MAX_WISHES}")
    names: set[str] = set()
    shifted: dict[tuple[str, str], str] = {}
    for index, wish in enumerate(file.intent):
        try:
            _check_scope(wish, names)
            _check_kind(wish, book, sites, shifted)
        except ConfigError as error:
            raise ConfigError(f"intent[{index}].{error.where}", error.problem) from None
        names.add(wish.name)
    return book


def _check_sites(book: Book, sites: Sites) -> None:
    for site in (*sites.listed, sites.of("")):
        tariff = book.tariff_of(site)
        who = f"of site {site.id!r}" if site.id else "of the sites file's defaults"
        if site.tariff and tariff is None:
            raise ConfigError("tariff", f"there is no {site.tariff!r}, the tariff {who}")
        if tariff is not None and tariff.currency != site.currency:
            problem = f"{tariff.name!r} is in {tariff.currency}, the currency {who} is {site.currency}"
            raise ConfigError("tariff", problem)


def _check_scope(wish: AnyWish, names: Collection[str]) -> None:
    if wish.name in names:
        raise ConfigError("name", f"{wish.name!r} names two intents")
    if wish.meters and wish.level is not Level.METER:
        raise ConfigError("meters", f"level = '{wish.level}' has no meters")
    if wish.sites and wish.level is Level.FLEET:
        raise ConfigError("sites", "level = 'fleet' has no sites")


def _check_kind(wish: AnyWish, book: Book, sites: Sites, shifted: dict[tuple[str, str], str]) -> None:
    match wish:
        case PowerLimit():
            if wish.loads and wish.level is Level.FLEET:
                raise ConfigError("loads", "no load is switched for the fleet")
        case Budget():
            _check_budget(wish, book, sites)
        case Shift():
            _check_shift(wish, book, sites, shifted)
        case Reduction():
            pass


def _check_budget(wish: Budget, book: Book, sites: Sites) -> None:
    if (wish.limit_kwh is None) == (wish.limit_money is None):
        raise ConfigError("limit_kwh", "give either 'limit_kwh' or 'limit_money'")
    if wish.limit_money is not None:
        for site in _named_sites(wish, sites):
            if book.tariff_of(site) is None:
                raise ConfigError("limit_money", f"{_who(site)} has no tariff")


def _check_shift(wish: Shift, book: Book, sites: Sites, shifted: dict[tuple[str, str], str]) -> None:
    hours_table(wish.peak, "peak")
    if wish.level is not Level.SITE:
        raise ConfigError("level", "only a site's loads can be moved")
    if not wish.peak:
        for site in _named_sites(wish, sites):
            tariff = book.tariff_of(site)
            if tariff is None or not tariff.has_peak:
                raise ConfigError("peak", f"is needed: {_who(site)} has no tariff with dearer hours")
    for index, load_ in enumerate(wish.load):
        _check_shift_load(load_, f"load[{index}]")
        if wish.run == "cheapest" and not load_.hours and not load_.kwh:
            raise ConfigError(f"load[{index}].hours", "or 'kwh' is needed with run = 'cheapest'")
        if sum(one.id == load_.id for one in wish.load) > 1:
            raise ConfigError(f"load[{index}].id", f"{load_.id!r} is moved by {wish.name!r} already")
        for (where, id_), other in shifted.items():
            if id_ == load_.id and (not where or not wish.sites or where in wish.sites):
                raise ConfigError(f"load[{index}].id", f"{load_.id!r} is moved by {other!r} already")
    shifted |= {(where, load_.id): wish.name for where in wish.sites or ("",) for load_ in wish.load}


def _check_shift_load(load_: ShiftLoad, where: str) -> None:
    minute_of(load_.by, f"{where}.by")
    if load_.hours > DAY_MS:
        raise ConfigError(f"{where}.hours", "is more than a day has")
    if load_.hours and load_.kwh:
        raise ConfigError(f"{where}.kwh", "give either 'hours' or 'kwh'")


def _named_sites(wish: AnyWish, sites: Sites) -> tuple[Site, ...]:
    """The sites a wish is about, as far as the files tell: where they list none, the defaults stand for all."""
    if wish.level is Level.FLEET:
        return (sites.of(""),)
    return tuple(sites.of(site) for site in wish.sites) or sites.listed or (sites.of(""),)


def _who(site: Site) -> str:
    return f"site {site.id!r}" if site.id else "a site that the sites file does not list"
