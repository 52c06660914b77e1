"""`wattline models segments`: meters that use their day alike, and a tag for each."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from model_export.errors import DataError
from model_export.terminal import created, progress_bars, readable_errors
from wattline.config import parse_duration

if TYPE_CHECKING:
    from model_export.segments.contract import Segments
    from model_export.segments.profiles import Clock
    from model_export.segments.segmentation import Profiles

_DEFAULT_INTERVAL: Final = "30m"
_DEFAULT_ZONE: Final = "UTC"

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command()
def segments(  # noqa: PLR0913, PLR0917 - one argument per option
    dataset: Annotated[
        str, typer.Option(help="What the data are: london, lead, csv, archive or simulated.", metavar="NAME")
    ] = "london",
    data: Annotated[
        Path | None, typer.Option(help="Where they lie: a folder or a file. Not for simulated.", metavar="PATH")
    ] = None,
    out: Annotated[Path, typer.Option(help="The folder that the results go to.", metavar="DIR")] = Path("segments"),
    k: Annotated[str, typer.Option(help="How many segments: 2 to 8, or auto for those that lie apart best.")] = "4",
    assign: Annotated[
        Path | None,
        typer.Option(help="A segments.json: place meters in its segments, find no new ones.", metavar="FILE"),
    ] = None,
    interval: Annotated[str, typer.Option(help=f"Intervals of the daily profile; {_DEFAULT_INTERVAL}.")] = "",
    time_zone: Annotated[str, typer.Option(help=f"Whose days they are, such as Europe/London; {_DEFAULT_ZONE}.")] = "",
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="The same seed gives the same segments.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON, and nothing else.")] = False,  # noqa: FBT002 - typer makes a flag of it
) -> None:
    """Group meters by when they use what they use, whatever that amounts to, and name the groups.

    Writes `segments.json` (the segments), `segments.csv` (the segment of each meter), `excluded.csv` (meters without
    a daily profile, and why), and a picture and a page about them; with `--assign` only `assigned.csv` and
    `excluded.csv`.

    Examples:
    * `wattline models segments --dataset london --data homes/ --out segments/ --k auto`
    * `wattline models segments --dataset london --data new/ --out new-homes/ --assign segments/segments.json`
    """
    with readable_errors():
        if assign is None:
            wanted_k = _number_of_segments(k)
            clock = _clock(interval or _DEFAULT_INTERVAL, time_zone or _DEFAULT_ZONE)
            figures = _found(_profiles(dataset, data, clock), clock, (wanted_k, seed), out)
        elif interval or time_zone:
            raise DataError("--assign: interval and time zone are those of its file")
        else:
            figures = _assigned(dataset, data, assign, out)
    _show(figures, as_json=as_json)


def _found(profiles: "Profiles", clock: "Clock", k_and_seed: tuple[int, int], out: Path) -> dict[str, Any]:
    from model_export.segments import files
    from model_export.segments.page import segments_page
    from model_export.segments.plot import profile_plot
    from model_export.segments.segmentation import Wishes, members, segmented

    k, seed = k_and_seed
    with progress_bars() as step:
        found = segmented(profiles, clock, Wishes(k, seed, created()), step("clustering", None))
    placed = members(found, profiles.known)
    picture = profile_plot(found, profiles, placed)
    written = {
        files.SEGMENTS: found.encode(),
        files.MEMBERS: files.members_csv(placed),
        files.EXCLUDED: files.excluded_csv(profiles.excluded),
        files.PICTURE: picture,
        files.PAGE: segments_page(found, profiles, placed, picture).encode(),
    }
    files.write_files(out, written)
    return {
        "files": [str(out / name) for name in written],
        "meters": found.meters,
        "k": found.k,
        "chosen_by": found.chosen_by,
        "silhouette": found.silhouette,
        "segments": _rows(found, {one.id: one.meters for one in found.segments}, found.other),
        "excluded": found.excluded,
        "data_sha256": found.data_sha256,
    }


def _assigned(dataset: str, data: Path | None, known: Path, out: Path) -> dict[str, Any]:
    from collections import Counter

    from model_export.segments import files
    from model_export.segments.contract import OTHER, load_segments
    from model_export.segments.segmentation import members

    model = load_segments(known)
    profiles = _profiles(dataset, data, model.clock)
    if not profiles.known:
        reasons = ", ".join(f"{count} {reason}" for reason, count in profiles.reasons().items())
        raise DataError(f"no meter has a profile, so none can be placed (left out: {reasons})")
    placed = members(model, profiles.known)
    written = {files.ASSIGNED: files.members_csv(placed), files.EXCLUDED: files.excluded_csv(profiles.excluded)}
    files.write_files(out, written)
    count = Counter(one.segment for one in placed)
    return {
        "files": [str(out / name) for name in written],
        "meters": len(placed),
        "segments": _rows(model, count, count[OTHER]),
        "excluded": profiles.reasons(),
    }


def _rows(model: "Segments", count: dict[str, int], other: int) -> list[dict[str, Any]]:
    from model_export.segments.contract import OTHER, OTHER_NAME

    total = max(1, sum(count.values()) + (0 if OTHER in count else other))
    counted = [(one.id, one.name, count.get(one.id, 0)) for one in model.segments] + [(OTHER, OTHER_NAME, other)]
    return [{"id": tag, "name": name, "meters": n, "share": round(n / total, 4)} for tag, name, n in counted]


def _profiles(dataset: str, data: Path | None, clock: "Clock") -> "Profiles":
    """The profiles of a data set, and all meters without one."""
    from model_export.segments.profiles import Excluded
    from model_export.segments.segmentation import profiles_of
    from model_export.sources.catalog import USUAL_INTERVAL_MS, Options, open_dataset

    if data is None and dataset in USUAL_INTERVAL_MS.keys() - {"simulated"}:
        raise DataError(f"--dataset {dataset}: say with --data where the files are")
    # Here a profile judges by full days what is too short.
    source = open_dataset(dataset, data, clock.interval_ms, Options(shortest_days=0.0))
    with progress_bars() as step:
        profiles = profiles_of(source.series(), clock, step("reading", None))
    if source.report.other_files:
        typer.echo(f"files of another layout, not read: {', '.join(source.report.other_files)}", err=True)
    return profiles.and_excluded(Excluded(one.meter, one.excluded, one.detail) for one in source.report.exclusions)


def _number_of_segments(text: str) -> int:
    """0 for `auto`."""
    from model_export.segments.clustering import KS

    if text == "auto":
        return 0
    if not text.isascii() or not text.isdigit() or int(text) not in KS:
        raise DataError(f"--k {text}: expected auto, or {KS[0]} to {KS[-1]}")
    return int(text)


def _clock(interval: str, time_zone: str) -> "Clock":
    from model_export.segments.profiles import Clock

    try:
        return Clock(int(parse_duration(interval)), time_zone)
    except ValueError as error:
        raise DataError(f"--interval: {error}") from None


def _show(figures: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(figures))
        return
    table = Table(title=f"{figures['meters']} meters")
    for name in ("segment", "tag", "meters", "share"):
        table.add_column(name, justify="right" if name in {"meters", "share"} else "left", overflow="fold")
    for row in figures["segments"]:
        table.add_row(row["name"], row["id"], str(row["meters"]), f"{row['share']:.0%}")
    console = Console()
    console.print(table)
    for reason, count in figures["excluded"].items():
        console.print(f"left out: {count} {reason}", highlight=False)
    console.print(f"written: {', '.join(figures['files'])}", highlight=False, soft_wrap=True)
