"""The command line `wattline intents`."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import numpy as np
import typer

from cloud_stream.config import CloudConfig, load_config
from cloud_stream.intents.periods import Period, days_of, local_date
from cloud_stream.intents.store_history import StoreHistory
from cloud_stream.intents.tariffs import Tariff
from cloud_stream.intents.wishes import AnyWish, Book, Budget, Level, PowerLimit, Reduction, Shift, load_book
from cloud_stream.measurements import width_label
from cloud_stream.ports import Store
from cloud_stream.records import Point
from cloud_stream.sites import Site, Sites, load_sites
from wattline.config import parse_duration
from wattline.errors import ConfigError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Wishes about consumption: check the file, see how they stand, and what consumption cost.",
    epilog="Example: wattline intents status -c cloud.toml",
)
ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="The cloud's configuration.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DEFAULT_CONFIG: Final = Path("cloud.toml")
_BAR: Final = 24
_DAY_MS: Final = 86_400_000


@app.command()
def check(config: ConfigOption = DEFAULT_CONFIG, *, as_json: JsonOption = False) -> None:
    """Read intents and tariffs, and say in words what they ask for.

    Example: wattline intents check -c cloud.toml
    """
    settings = load_config(config)
    sites, book = _files(settings)
    if as_json:
        _print_json({"intents": [_plain(wish) for wish in book.wishes], "tariffs": sorted(book.tariffs)})
        return
    for wish in book.wishes:
        _say(f"{wish.name:20} {in_words(wish)}")
    for tariff in book.tariffs.values():
        users = ", ".join(site.id for site in sites.listed if site.tariff == tariff.name) or "no listed site"
        _say(f"{tariff.name:20} tariff in {tariff.currency}, {_prices(tariff)}; of {users}")
    if settings.commands is None and any(isinstance(wish, PowerLimit | Shift) and wish.act for wish in book.wishes):
        _say(f"{config} has no [commands]: loads are not switched, there are only recommendations")


@app.command()
def status(
    config: ConfigOption = DEFAULT_CONFIG,
    *,
    site: Annotated[str, typer.Option(help="Of one site only.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Show how every intent stands, what is expected, and what would help.

    Example: wattline intents status -c cloud.toml --json
    """
    settings = load_config(config)
    _, book = _files(settings)
    now_ms = time.time_ns() // 1_000_000
    tags = {"site": site} if site else {}
    with _store(settings) as store:
        newest = _newest(store.points("intent", tags, now_ms - 2 * _DAY_MS, now_ms + 1), ("intent", "site", "meter"))
        advice = store.points("recommendation", tags, now_ms - 2 * _DAY_MS, now_ms + 1)
    recommended = _latest_advice(advice)
    rows = [_row(point, recommended) for key, point in sorted(newest.items()) if _is_wished(book, key[0])]
    if as_json:
        _print_json({"intents": rows})
        return
    for row in rows:
        _show(row)
    for wish in book.wishes:
        if not any(row["intent"] == wish.name for row in rows):
            _say(f"{wish.name:20} {'unknown':9} nothing is stored about it yet")


@app.command()
def cost(
    site: Annotated[str, typer.Option(help="Whose consumption.")],
    config: ConfigOption = DEFAULT_CONFIG,
    last: Annotated[str, typer.Option(help="How far back, in whole local days.")] = "7d",
    *,
    as_json: JsonOption = False,
) -> None:
    """Show what a site's consumption cost, day by day.

    Example: wattline intents cost --site house-1 --last 7d -c cloud.toml
    """
    settings = load_config(config)
    sites, book = _files(settings)
    place = sites.of(site)
    tariff = book.tariff_of(place)
    if tariff is None:
        raise ConfigError("--site", f"{site!r} has no tariff: name one in the sites file")
    now_ms = time.time_ns() // 1_000_000
    with _store(settings) as store:
        days = _costs(store, settings, place, tariff, Period(now_ms - _span_ms(last), now_ms))
    total = {name: sum(day[name] for day in days) for name in ("kwh", "energy", "standing")}
    if as_json:
        _print_json({"site": site, "tariff": tariff.name, "currency": tariff.currency, "days": days, "total": total})
        return
    for day in (*days, {"day": "together", **total}):
        standing = day["standing"]
        paid = f"{day['energy'] + standing:10.2f} {tariff.currency}"
        gaps = "" if day.get("known", 1.0) == 1 else f"; readings of {day['known']:.0%} of the time"
        _say(f"{day['day']:12}{day['kwh']:10.2f} kWh {paid}, {standing:.2f} of it standing{gaps}")


def in_words(wish: AnyWish) -> str:
    """What a wish asks for, in one line."""
    who = {
        Level.FLEET: "the fleet",
        Level.SITE: ", ".join(wish.sites) or "every site",
        Level.METER: ", ".join(wish.meters) or "every meter",
    }[wish.level]
    if wish.level is Level.METER and wish.sites:
        who += f" of {', '.join(wish.sites)}"
    match wish:
        case PowerLimit():
            loads = ", ".join(wish.loads) or "any load that takes commands"
            return f"{who}: at most {wish.limit_w:g} W; {loads if wish.act else 'nothing'} may be switched off for it"
        case Budget():
            amount = f"{wish.limit_kwh:g} kWh" if wish.limit_kwh else f"{wish.limit_money:g} in money"
            return f"{who}: at most {amount} a {wish.per.value}"
        case Reduction():
            weeks = f"the {wish.weeks} weeks before"
            against = "the same days last year" if wish.against == "last_year" else weeks
            return f"{who}: {wish.percent:g} % less each {wish.per.value} than {against}, for the weather"
        case Shift():
            loads = ", ".join(_load_in_words(load) for load in wish.load) or "nothing is switched"
            when = "the hours named" if wish.peak else "the tariff's dear hours"
            return f"{who}: out of {when}; {loads}"


def _load_in_words(load: Any) -> str:  # noqa: ANN401 (a `ShiftLoad`)
    if load.hours:
        return f"{load.id} must run {load.hours / 3_600_000:g} h by {load.by}"
    return f"{load.id} must get {load.kwh:g} kWh by {load.by}" if load.kwh else load.id


def _prices(tariff: Tariff) -> str:
    prices = [price for version in tariff.versions for price in (version.price.min(), version.price.max())]
    changes = f", {len(tariff.versions) - 1} later price changes" if len(tariff.versions) > 1 else ""
    return f"{min(prices):g} to {max(prices):g} a kWh{changes}"


def _files(settings: CloudConfig) -> tuple[Sites, Book]:
    sites = load_sites(settings.sites.file)
    if settings.intents.file is None:
        raise ConfigError("intents.file", "is not set: there are no intents")
    return sites, load_book(settings.intents.file, sites)


@contextmanager
def _store(settings: CloudConfig) -> Iterator[Store]:
    from cloud_stream.stores import open_store

    with closing(open_store(settings.store)) as store:
        store.prepare()
        yield store


def _newest(points: Sequence[Point], tags: Sequence[str]) -> dict[tuple[str, ...], Point]:
    """Of each set of tags the newest point; points come in the order of time."""
    return {tuple(point.tags.get(tag, "") for tag in tags): point for point in points}


def _latest_advice(points: Sequence[Point]) -> dict[tuple[str, ...], list[Point]]:
    """Of each intent and subject what was recommended the last time."""
    found: dict[tuple[str, ...], list[Point]] = {}
    for point in points:
        key = tuple(point.tags.get(tag, "") for tag in ("intent", "site", "meter"))
        if key not in found or found[key][0].t_ms != point.t_ms:
            found[key] = []
        found[key].append(point)
    return found


def _is_wished(book: Book, name: str) -> bool:
    return any(wish.name == name for wish in book.wishes)


def _row(point: Point, recommended: Mapping[tuple[str, ...], Sequence[Point]]) -> dict[str, Any]:
    key = tuple(point.tags.get(tag, "") for tag in ("intent", "site", "meter"))
    return {
        **dict(zip(("intent", "site", "meter"), key, strict=True)),
        "t_ms": point.t_ms,
        **point.fields,
        "recommendations": [
            {"advice": one.tags.get("advice", ""), "t_ms": one.t_ms, **one.fields} for one in recommended.get(key, ())
        ],
    }


def _show(row: Mapping[str, Any]) -> None:
    subject = "/".join(part for part in (row["site"], row["meter"]) if part) or "fleet"
    state = str(row.get("state", "")).replace("_", " ")
    _say(f"{row['intent']:20} {subject:20} {state:9} {bar(row)}")
    _say(f"{'':20} {row.get('text', '')}")
    for one in row["recommendations"]:
        _say(f"{'':20} - {one.get('text', '')} ({one.get('assumption', '')})")


def bar(row: Mapping[str, Any]) -> str:
    """How far an intent has come: what was used, what is expected on top, and the limit at the bar's end."""
    actual, expected, limit = (float(row.get(name, "nan")) for name in ("actual", "expected", "limit"))
    if not limit > 0 or np.isnan(actual):
        return ""
    used = min(_BAR, round(_BAR * max(actual, 0.0) / limit))
    ahead = 0 if np.isnan(expected) else max(0, min(_BAR, round(_BAR * max(expected, 0.0) / limit)) - used)
    over = f" {expected / limit:.0%} expected" if not np.isnan(expected) else ""
    return f"[{'#' * used}{'+' * ahead}{'.' * (_BAR - used - ahead)}]{over}"


def _costs(store: Store, settings: CloudConfig, site: Site, tariff: Tariff, span: Period) -> list[dict[str, Any]]:
    interval_ms = int(settings.flow.utility_interval)
    history = StoreHistory(store, width_label(interval_ms))
    days = []
    for day in days_of(site.time_zone, span):
        past = history.past("site", site.id, "", day.start_ms, min(day.end_ms, span.end_ms))
        paid = tariff.cost(site, past.start_ms, interval_ms, past.energy_kwh)
        # The standing charge is owed also where readings are missing.
        first, after = (-(-at_ms // interval_ms) for at_ms in (day.start_ms, min(day.end_ms, span.end_ms)))
        whole = np.arange(first, after, dtype=np.int64) * interval_ms
        days.append(
            {
                "day": local_date(site.time_zone, day.start_ms).isoformat(),
                "kwh": float(past.energy_kwh.sum()),
                "energy": float(paid.energy.sum()),
                "standing": float(tariff.cost(site, whole, interval_ms, np.zeros(whole.size)).standing.sum()),
                "known": past.start_ms.size / max(1, whole.size),
            }
        )
    return days


def _span_ms(last: str) -> int:
    try:
        return parse_duration(last)
    except ValueError as error:
        raise ConfigError("--last", str(error)) from None


def _plain(wish: AnyWish) -> dict[str, Any]:
    return {**msgspec.to_builtins(wish), "in_words": in_words(wish)}


def _print_json(value: object) -> None:
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


def _say(line: str) -> None:
    sys.stdout.write(line.rstrip() + "\n")
