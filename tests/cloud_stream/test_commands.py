"""The command lines, as a person uses them."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from wattline import cli

Output = tuple[int, str, str]


class Shell:
    """Runs `wattline` in this process, with a configuration in a folder of its own."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.config = folder / "cloud.toml"
        self.config.write_text(f'[registry]\npath = "{folder}/registry.db"\n')

    def run(self, *arguments: str) -> Output:
        status = _status([*arguments, "-c", str(self.config)])
        captured = self._capsys.readouterr()
        return status, captured.out, captured.err


def _status(arguments: Sequence[str]) -> int:
    try:
        return cli.run(arguments)
    except SystemExit as end:
        return int(end.code or 0)


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(tmp_path, capsys)


def test_gateways_are_enrolled_listed_and_revoked(shell: Shell) -> None:
    assert shell.run("gateways", "enrol", "gw-1", "--site", "house-1")[0] == 0
    status, out, _ = shell.run("gateways", "list")
    assert status == 0
    assert out.split()[:3] == ["gw-1", "house-1", "admitted"]
    assert shell.run("gateways", "revoke", "gw-1")[0] == 0
    _, out, _ = shell.run("gateways", "list", "--json")
    (gateway,) = json.loads(out)["gateways"]
    assert (gateway["gateway"], gateway["site"], gateway["state"]) == ("gw-1", "house-1", "revoked")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["gateways", "enrol", "GW 1", "--site", "s"], 2, "GATEWAY: 'GW 1' is not"),
        (["gateways", "enrol", "all", "--site", "s"], 2, "GATEWAY: 'all' is not"),
        (["gateways", "enrol", "gw-1", "--site", ""], 2, "--site: '' is not"),
        (["gateways", "enrol", "gw-1", "--site", " s\n"], 2, "--site: ' s\\n' is not"),
        (["gateways", "revoke", "gw-9"], 1, "no gateway 'gw-9' is registered"),
        (["cloud", "flow", "--process-id", "2", "--addresses", "a:1,b:2"], 2, "2 is not a place among 2"),
    ],
)
def test_a_mistake_is_one_readable_line(shell: Shell, arguments: list[str], status: int, message: str) -> None:
    got_status, out, err = shell.run(*arguments)
    assert (got_status, out) == (status, "")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", ["run", "ingest", "flow"])
@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "No such file"), ("[flow]\nprocesses = 0", "flow.processes"), ("[brocker]", "unknown key 'brocker'")],
)
def test_a_wrong_configuration_is_status_2(shell: Shell, command: str, text: str | None, message: str) -> None:
    if text is None:
        shell.config.unlink()
    else:
        shell.config.write_text(text)
    status, _, err = shell.run("cloud", command)
    assert (status, err.count("\n")) == (2, 1)
    assert message in err


@pytest.mark.parametrize("arguments", [["cloud", name, "--help"] for name in ("run", "ingest", "flow")])
def test_help_has_an_example(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert _status(arguments) == 0
    assert "Example: wattline cloud" in capsys.readouterr().out


def test_a_rule_that_can_never_fire_keeps_the_cloud_from_starting(shell: Shell, tmp_path: Path) -> None:
    rules = tmp_path / "alerts.toml"
    rules.write_text('[[rule]]\nname = "a"\nquantity = "power_w"\nabove = 1\nwindow = "7m"\n')
    shell.config.write_text(f'[alerts]\nrules = "{rules}"\n')
    status, _, err = shell.run("cloud", "run")
    assert (status, err.count("\n")) == (2, 1)
    assert f"{rules}: rule[0].window: no windows of 7m" in err


def test_a_folder_that_can_not_be_made_is_a_mistake(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    shell.config.write_text(f'[flow]\nrecovery_dir = "{tmp_path}/file/recovery"\n')
    status, _, err = shell.run("cloud", "run")
    assert (status, err.count("\n")) == (2, 1)
    assert "flow.recovery_dir" in err


def test_an_empty_list_says_so(shell: Shell) -> None:
    status, out, err = shell.run("gateways", "list")
    assert (status, out) == (0, "")
    assert "no gateway is registered" in err


@pytest.mark.parametrize(("parent", "said"), [("", ["console"]), (str(os.getppid()), [])])
def test_sections_without_effect_are_named_once_at_the_start(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, parent: str, said: list[str]
) -> None:
    monkeypatch.setenv("WATTLINE_PARENT_PID", parent)
    monkeypatch.setattr("ctypes.CDLL", lambda _: SimpleNamespace(prctl=lambda *_: 0))
    monkeypatch.setattr("cloud_stream.ingest_process.run_ingest", lambda _: 0)
    shell.config.write_text("[console]\n")
    assert shell.run("cloud", "ingest")[0] == 0
    assert [record.args for record in caplog.records if "no_effect" in record.msg] == [(name,) for name in said]
