"""`wattline models` in this process."""

from typer.testing import CliRunner

from model_export.commands import app


def run(*arguments: str) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of a command line."""
    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr
