"""The command line `wattline cloud correlation`."""

import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from cloud_stream.config import load_config
from cloud_stream.correlation.drivers import Finding, findings
from cloud_stream.correlation.history import History, day_text
from cloud_stream.correlation.picture import draw
from cloud_stream.correlation.reading import DAYS, reading_of
from cloud_stream.errors import CloudError
from cloud_stream.sites import load_sites
from cloud_stream.stores import open_store


def correlation(
    site: Annotated[str, typer.Option(help="The site.")],
    config: Annotated[Path, typer.Option("--config", "-c", help="The cloud's configuration.")] = Path("cloud.toml"),
    meter: Annotated[str, typer.Option(help="One of its meters; the site itself without.")] = "",
    days: Annotated[int, typer.Option(min=14, max=400, help="How many whole days are looked at.")] = DAYS,
    plot: Annotated[Path | None, typer.Option(help="Draw the picture into this PNG file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,  # noqa: FBT002 (typer's way to write a flag)
) -> None:
    """What a site's consumption goes along with: temperature, people, the hour; computed now from the store.

    Example: wattline cloud correlation -c cloud.toml --site house-1 --plot house-1.png
    """
    settings = load_config(config)
    sites = load_sites(settings.sites.file)
    now_ms = time.time_ns() // 1_000_000
    with closing(open_store(settings.store)) as store:
        store.prepare()
        reading = reading_of(settings, store, sites, days)
        history = reading.site(site, now_ms)
        if meter:
            history = reading.meter(site, meter, history)
    zone = sites.of(site).time_zone
    first, last = (day_text(zone, int(history.span.day_start_ms[k])) for k in (0, -2))
    title = f"{site}{f' / {meter}' if meter else ''}, {first} to {last}"
    found = findings(history)
    if plot is not None:
        _draw(history, title, plot)
    if as_json:
        rows = [_present(finding) for finding in found]
        document = {"site": site, "meter": meter, "from": first, "to": last, "drivers": rows}
        sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
        return
    sys.stdout.write(title + "\n")
    for finding in found:
        sys.stdout.write(f"{finding.driver:12} {finding.note}\n")


def _present(finding: Finding) -> dict[str, object]:
    return {name: value for name, value in msgspec.to_builtins(finding).items() if value is not None}


def _draw(history: History, title: str, plot: Path) -> None:
    try:
        draw(history, title, plot)
    except OSError as error:
        raise CloudError(f"{plot}: {error.strerror or error}") from None
