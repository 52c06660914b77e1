"""The command line as its user meets it: what it lists, where it goes, how it ends."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from wattline import cli
from wattline.cli import PARTS, Part
from wattline.errors import MissingExtraError

HEAVY = ("bytewax", "sklearn", "polars", "onnxruntime", "numpy", "paho", "influxdb_client")


def _wattline(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "wattline", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def _run(*arguments: str) -> int:
    """The exit status of a command line, in this process."""
    try:
        return cli.run(arguments)
    except SystemExit as end:
        return int(end.code or 0)


@pytest.fixture
def part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A part called `trial`; the test writes its module."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(PARTS, "trial", Part("trial_part:app", "cloud", "Only for this test."))
    # Every test's module has the same name.
    monkeypatch.delitem(sys.modules, "trial_part", raising=False)
    return tmp_path / "trial_part.py"


def _write(file: Path, source: str) -> None:
    file.write_text(textwrap.dedent(source))


def test_help_lists_every_part_with_its_line() -> None:
    answer = _wattline("--help")
    assert answer.returncode == 0
    for name, part in PARTS.items():
        assert f"│ {name} " in answer.stdout
        assert part.summary in answer.stdout, "a summary must fit on one line of 80 columns"


def test_help_imports_no_part() -> None:
    program = f"""
import sys
from wattline.cli import run
try:
    run(["--help"])
except SystemExit:
    pass
loaded = [name for name in sys.modules if name.partition(".")[0] in {(*HEAVY, *cli._OWN_PACKAGES)!r}]
sys.stderr.write(" ".join(sorted(loaded)))
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert answer.stderr.split() == ["wattline", "wattline.cli", "wattline.errors"]


def test_without_a_word_it_helps() -> None:
    answer = _wattline()
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "Usage: wattline" in answer.stdout


def test_the_version_is_the_installed_one() -> None:
    answer = _wattline("--version")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.startswith("wattline 0.")


@pytest.mark.parametrize("arguments", [["egde"], ["--colour"], ["doctor", "--colour"], ["doctor", "extra"]])
def test_a_wrong_line_is_a_usage_error(arguments: list[str]) -> None:
    answer = _wattline(*arguments)
    assert answer.returncode == cli.EXIT_USAGE
    assert answer.stdout == ""
    assert "Usage: wattline" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_misspelt_part_is_guessed() -> None:
    assert "Did you mean 'edge'" in _wattline("egde").stderr


def test_a_part_gets_the_rest_of_the_line(part: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _write(
        part,
        """
        import typer

        app = typer.Typer()

        @app.callback()
        def trial() -> None: ...

        @app.command()
        def say(words: list[str], loud: bool = typer.Option(False, "--loud", "-l")) -> None:
            print(loud, words)
        """,
    )
    assert _run("trial", "say", "-l", "--", "--a", "b") == 0
    assert capsys.readouterr().out == "True ['--a', 'b']\n"


def test_a_part_may_be_one_function(part: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _write(
        part,
        """
        def app(times: int = 1) -> None:
            print("once " * times)
        """,
    )
    assert _run("trial", "--times", "2") == 0
    assert capsys.readouterr().out == "once once \n"


def test_output_that_finds_no_room_is_one_line() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "wattline", "--version"],
            stdout=full, stderr=subprocess.PIPE, timeout=60, check=False, text=True,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "wattline: No space left on device\n")


def test_a_closed_output_is_none() -> None:
    line = f"{sys.executable} -m wattline --version >&-"
    done = subprocess.run(["sh", "-c", line], stderr=subprocess.PIPE, timeout=60, check=False, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("ending", "status", "stderr"),
    [
        (
            'raise ConfigError("meter[2].options.port", "no such\\n  file")',
            2,
            "wattline: meter[2].options.port: no such file\n",
        ),
        ('raise MissingExtraError("edge", "onnxruntime")', 2, "wattline: 'onnxruntime' is not installed: "),
        ("raise LogFullError('the disk is full')", 1, "wattline: the disk is full\n"),
        ("raise KeyboardInterrupt", 130, ""),
        ("raise SystemExit(7)", 7, ""),
        (
            "import no_such_package.deep",
            2,
            "wattline: 'no_such_package' is not installed: pip install 'wattline[cloud]'",
        ),
    ],
)
def test_errors_end_in_one_line_and_a_status(
    part: Path, capsys: pytest.CaptureFixture[str], ending: str, status: int, stderr: str
) -> None:
    _write(
        part,
        f"""
        from wattline.errors import ConfigError, LogFullError, MissingExtraError

        def app() -> None:
            {ending}
        """,
    )
    assert _run("trial") == status
    captured = capsys.readouterr()
    assert captured.err.startswith(stderr)
    assert captured.err.count("\n") == bool(stderr)
    assert captured.out == ""


def test_a_part_whose_packages_are_missing_names_the_extra(part: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _write(part, "import no_such_package\n")
    assert _run("trial") == cli.EXIT_USAGE
    assert "pip install 'wattline[cloud]'" in capsys.readouterr().err


def test_a_part_that_is_not_there_says_so(part: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not part.exists()
    assert _run("trial") == cli.EXIT_FAILED
    assert capsys.readouterr().err == "wattline: this installation has no 'trial' part\n"


def test_a_bug_of_our_own_is_not_taken_for_a_missing_extra(part: Path) -> None:
    _write(part, "import wattline.no_such_module\n")
    with pytest.raises(ModuleNotFoundError, match=r"wattline\.no_such_module"):
        _run("trial")


@pytest.mark.parametrize(
    ("arguments", "file"),
    [
        ("edge run -c agent.toml", "agent.toml"),
        ("edge run --config /etc/wattline/agent.toml", "/etc/wattline/agent.toml"),
        ("edge run", None),
        ("edge run --help", None),
        ("edge run -c --help", None),
        ("edge run -c agent.toml --until-sent", None),
        ("edge check -c agent.toml", None),
        ("cloud run -c cloud.toml", None),
    ],
)
def test_the_line_of_a_service_is_read_without_typer(arguments: str, file: str | None) -> None:
    assert cli.bare_agent(arguments.split()) == (Path(file) if file else None)


def test_a_running_agent_carries_no_command_line_library(tmp_path: Path) -> None:
    program = f"""
import sys
from wattline.cli import run
status = run(["edge", "run", "-c", {str(tmp_path / "none.toml")!r}])
print(status, *(name for name in ("typer", "rich", "pydantic", "argparse") if name in sys.modules))
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert answer.stdout.split() == ["2"]
    assert answer.stderr == f"wattline: {tmp_path}/none.toml: No such file or directory\n"


def test_extras_that_parts_name_exist() -> None:
    pyproject = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    for part in PARTS.values():
        assert f"\n{part.extra} = [" in pyproject, MissingExtraError(part.extra, part.target)
