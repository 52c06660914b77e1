"""The command line `wattline alerts`: the rules, and who is told of what fires."""

from typing import Final

import typer

from cloud_stream.alerts.commands import app as rules_app
from cloud_stream.notify.commands import app as people_app

app: Final = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Alerts: which rules there are, what fires, and who is told.",
    epilog="Example: wattline alerts list -c cloud.toml",
)
app.add_typer(people_app)
app.add_typer(rules_app)
