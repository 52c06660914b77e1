"""What a person reads at the end of `wattline models evaluate`."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from model_export.commands.data import Opened, tell

if TYPE_CHECKING:
    from model_export.commands.judging import Judgement

_COLUMNS: Final = {
    "roc_auc": ("ROC-AUC", 3),
    "average_precision": ("AP", 3),
    "event_recall": ("events found", 2),
    "event_precision": ("alarms true", 2),
    "false_alarms_per_meter_week": ("false/wk", 2),
    "latency_us": ("us", 1),
    "kilobytes": ("kB", 0),
}


def print_judgement(source: Opened, settings: Mapping[str, object], judgement: "Judgement", *, as_json: bool) -> None:
    """Print the result of a trial, as tables or as one JSON object."""
    figures: dict[str, Any] = {"dataset": source.name, **settings, **judgement.figures, **source.counts()}
    tell(source)
    if as_json:
        typer.echo(json.dumps(figures))
        return
    console = Console()
    families: Mapping[str, Mapping[str, Any]] = figures.get("families", {})
    if not families:
        console.print(_plain(judgement.figures))
    elif "recall" in figures:
        console.print(_recalls(families))
    else:
        console.print(_rankings(families))
        console.print(_buildings(families, "roc_auc", "ROC-AUC"))
        console.print(_buildings(families, "average_precision", "AP: average precision"))
    for name, family in families.items():
        if "error" in family:
            console.print(f"{name}: {family['error']}", markup=False, highlight=False)
    if any(family["default"] for family in families.values()):
        console.print("* the default family", markup=False, highlight=False)
    console.print(judgement.pages.verdict(), markup=False, highlight=False)


def _plain(figures: Mapping[str, Any]) -> Table:
    table = Table(show_header=False)
    for name, figure in figures.items():
        table.add_row(name, f"{figure:.3g}" if isinstance(figure, float) else str(figure))
    return table


def _rankings(families: Mapping[str, Mapping[str, Any]]) -> Table:
    table = _table("mean over the meters", [title for title, _ in _COLUMNS.values()])
    for name, family in _usable(families):
        figures = {**family, "kilobytes": family["bytes"] / 1000}
        cells = [_number(figures[key], digits) for key, (_, digits) in _COLUMNS.items()]
        table.add_row(_marked(name, family), *cells)
    return table


def _buildings(families: Mapping[str, Mapping[str, Any]], figure: str, title: str) -> Table:
    usable = _usable(families)
    table = _table(title, [name for name, _ in usable])
    for building in usable[0][1]["buildings"]:
        table.add_row(building, *(_number(family["buildings"][building][figure], 3) for _, family in usable))
    return table


def _recalls(families: Mapping[str, Mapping[str, Any]]) -> Table:
    usable = _usable(families)
    kinds = list(usable[0][1]["recall"])
    titles = [*(kind.replace("_", "-") for kind in kinds), "false/wk", "us", "kB"]
    table = _table("share of the faults found, false alarms per meter and week", titles)
    for name, family in usable:
        shares = [_number(family["recall"][kind]["model"], 2) for kind in kinds]
        costs = [_number(family["latency_us"], 1), _number(family["bytes"] / 1000, 0)]
        table.add_row(_marked(name, family), *shares, _rate(family, "model"), *costs)
    rules = usable[0][1]
    table.add_section()
    table.add_row("rules", *(_number(rules["recall"][kind]["rules"], 2) for kind in kinds), _rate(rules, "rules"))
    for name, family in usable:
        shares = [_number(family["recall"][kind]["both"], 2) for kind in kinds]
        table.add_row(f"{name} or rules", *shares, _rate(family, "both"))
    return table


def _rate(family: Mapping[str, Any], way: str) -> str:
    return _number(family["false_alarms_per_meter_week"][way], 2)


def _usable(families: Mapping[str, Mapping[str, Any]]) -> Sequence[tuple[str, Mapping[str, Any]]]:
    return [(name, family) for name, family in families.items() if "error" not in family]


def _marked(name: str, family: Mapping[str, Any]) -> str:
    return f"{name} *" if family["default"] else name


def _table(title: str, headings: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 0))
    table.add_column("", no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", overflow="fold")
    return table


def _number(figure: float | None, digits: int) -> str:
    return "-" if figure is None else f"{figure:,.{digits}f}"
