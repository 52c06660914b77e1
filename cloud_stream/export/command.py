"""The command line `wattline export`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import tzinfo
from pathlib import Path
from typing import Annotated, Final

import typer

from cloud_stream.config import StoreConfig, load_config
from cloud_stream.errors import StoreUnavailableError
from cloud_stream.export.chunks import chunks
from cloud_stream.export.errors import ReaderGoneError
from cloud_stream.export.formats import Csv, Format, JsonLines
from cloud_stream.export.listing import as_json, as_text, measurements
from cloud_stream.export.output import Write, opened
from cloud_stream.export.progress import shown
from cloud_stream.export.selection import Selection, Wish, parse_tags, parse_time, parse_zone, select
from cloud_stream.measurements import MEASUREMENTS
from cloud_stream.ports import Tables
from wattline.errors import ConfigError

DEFAULT_CONFIG: Final = Path("cloud.toml")
EXIT_READER_GONE: Final = 141
"""128 + SIGPIPE, as shells have it: `wattline export ... | head` ends early and is no failure."""


def export(  # noqa: PLR0913, PLR0917 - one argument per option
    measurement: Annotated[str, typer.Argument(help="Which: usage, reading, forecast, alert, ...")] = "",
    site: Annotated[str | None, typer.Option(help="Only of this site.")] = None,
    meter: Annotated[str | None, typer.Option(help='Only of this meter; "" for what is of no single meter.')] = None,
    level: Annotated[str | None, typer.Option(help="Only meter, site, shard or fleet.")] = None,
    window: Annotated[str | None, typer.Option(help="Only windows of this length, such as 30m.")] = None,
    gateway: Annotated[str | None, typer.Option(help="Only of this gateway.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Only with this value of a tag.", metavar="NAME=VALUE")] = None,
    field: Annotated[list[str] | None, typer.Option(help="Only these fields, in this order; all without.")] = None,
    start: Annotated[str, typer.Option("--from", help="From this date or time on.", metavar="TIME")] = "",
    end: Annotated[str, typer.Option("--to", help="Up to this one, which is not included.", metavar="TIME")] = "",
    time_zone: Annotated[str, typer.Option(help="Of --from, --to and the times written.", metavar="ZONE")] = "UTC",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file instead of standard output.")] = None,
    as_json_lines: Annotated[bool, typer.Option("--json", help="A JSON object a line instead of CSV.")] = False,  # noqa: FBT002 (typer's way to write a flag)
    raw_text: Annotated[bool, typer.Option("--raw-text", help="Do not keep text from being a formula.")] = False,  # noqa: FBT002 (as above)
    list_only: Annotated[bool, typer.Option("--list", help="Show which measurements there are, and of when.")] = False,  # noqa: FBT002 (as above)
    config: Annotated[Path, typer.Option("--config", "-c", help="The cloud's configuration.")] = DEFAULT_CONFIG,
) -> None:
    """Write a measurement of the store as CSV, in the order of time.

    Columns are the time (ISO 8601), the measurement's tags and all of its fields.

    Example: wattline export usage --site house-1 --window 30m --from 2026-11-01 --to 2026-11-08 > usage.csv
    """
    zone = parse_zone(time_zone)
    if list_only:
        with _open(config) as store, _reader_may_go(), opened(output) as write:
            _list(store, zone, write, in_json=as_json_lines)
        return
    if not measurement:
        raise ConfigError("MEASUREMENT", f"is missing; there are {', '.join(sorted(MEASUREMENTS))}, and --list")
    named = {"site": site, "meter": meter, "level": level, "window": window, "gateway": gateway}
    tags = parse_tags(measurement, named, tag or [])
    wish = Wish(measurement, tags, field, parse_time(start, zone, "--from"), parse_time(end, zone, "--to"))
    if wish.start_ms is not None and wish.end_ms is not None and wish.start_ms >= wish.end_ms:
        raise ConfigError("--to", "is not after --from")
    with _open(config) as store, _reader_may_go():
        wanted = select(store, wish)
        _write_rows(store, wanted, _format(wanted, zone, in_json=as_json_lines, guarded=not raw_text), output)


def _format(wanted: Selection, zone: tzinfo, *, in_json: bool, guarded: bool) -> Format:
    tags = MEASUREMENTS[wanted.measurement].tags
    return JsonLines(tags, wanted.fields, zone) if in_json else Csv(tags, wanted.fields, zone, guarded=guarded)


def _write_rows(store: Tables, wanted: Selection, form: Format, output: Path | None) -> None:
    if wanted.start_ms == wanted.end_ms:
        sys.stderr.write(f"no {wanted.measurement} is stored in this span with these tags\n")
    with shown(wanted, output) as watched, opened(output) as write:
        write(form.head())
        for rows in chunks(store, wanted, watched.reached):
            write(form.block(rows))
            watched.wrote(len(rows))


def _list(store: Tables, zone: tzinfo, write: Write, *, in_json: bool) -> None:
    listed = list(measurements(store, zone))
    if not listed:
        sys.stderr.write("nothing is stored yet\n")
    write(as_json(listed) if in_json else as_text(listed))


@contextmanager
def _reader_may_go() -> Iterator[None]:
    try:
        yield
    except ReaderGoneError:
        raise typer.Exit(EXIT_READER_GONE) from None


@contextmanager
def _open(config: Path) -> Iterator[Tables]:
    from cloud_stream.stores import open_store

    settings = load_config(config).store
    _check_there(settings)
    store = open_store(settings)
    try:
        yield store
    finally:
        store.close()


def _check_there(settings: StoreConfig) -> None:
    """Looking for rows must not make a new, empty file.

    Raises:
        StoreUnavailableError: There is none.
    """
    if settings.kind == "sqlite" and not settings.path.is_file():
        raise StoreUnavailableError(f"{settings.path}: there is no such store yet")
