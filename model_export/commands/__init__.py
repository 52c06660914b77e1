"""`wattline models`: train detectors, see how good they are, and set their thresholds for one's own meters."""

import typer

from model_export.batch.command import batch
from model_export.commands.evaluate import evaluate
from model_export.commands.export import export
from model_export.commands.train import train
from model_export.segments.command import segments

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Train detectors on simulated or real meters, and see how good they are.",
)


@app.callback()
def models() -> None:
    """Train detectors on simulated or real meters, and see how good they are."""


app.command()(train)
app.command()(evaluate)
app.command()(export)
app.command()(segments)
app.command()(batch)
