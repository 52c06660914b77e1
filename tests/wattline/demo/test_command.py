"""The exit status and the output follow from the summary alone."""

import dataclasses
import json
from pathlib import Path

import pytest

from tests.wattline.demo.test_summary import EXACT
from wattline import cli
from wattline.demo import command
from wattline.demo.course import Say, Show
from wattline.demo.run import DemoPlan
from wattline.demo.summary import Counted, Summary, summarise


class _Run:
    """A run that is over at once."""

    counted = EXACT
    plan: DemoPlan

    def __init__(self, plan: DemoPlan, say: Say, show: Show) -> None:
        type(self).plan = plan
        say("a line for a person")
        del show

    def run(self) -> Summary:
        return summarise(self.counted)


def _demo(*arguments: str) -> int:
    try:
        return cli.run(["demo", *arguments])
    except SystemExit as end:
        return int(end.code or 0)


@pytest.mark.parametrize(
    ("counted", "status"),
    [
        pytest.param(EXACT, 0, id="exact"),
        pytest.param(dataclasses.replace(EXACT, stored={}), 1, id="lost"),
        pytest.param(dataclasses.replace(EXACT, window_readings=9), 1, id="duplicated"),
        pytest.param(dataclasses.replace(EXACT, delivered={"gw": 9}), 1, id="never seen again"),
    ],
)
def test_the_status_is_1_when_anything_was_lost_or_duplicated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], counted: Counted, status: int
) -> None:
    monkeypatch.setattr(_Run, "counted", counted)
    monkeypatch.setattr(command, "DemoRun", _Run)
    assert _demo("--json") == status
    shown = capsys.readouterr()
    assert json.loads(shown.out) == summarise(counted).as_dict()
    assert "a line for a person" in shown.err
    assert _demo() == status
    shown = capsys.readouterr()
    assert ("nothing lost" in shown.out) is (status == 0)
    assert shown.err == ""


def test_what_was_chosen_is_run_in_a_folder_that_goes_or_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(command, "DemoRun", _Run)
    _demo("--duration", "7", "--history", "3d", "--broker", "amqtt")
    assert (_Run.plan.duration_s, _Run.plan.history, _Run.plan.broker) == (7, "3d", "amqtt")
    assert not _Run.plan.folder.exists()
    _demo("--keep", str(tmp_path / "a" / "b"))
    assert _Run.plan.folder == tmp_path / "a" / "b"
    assert _Run.plan.folder.is_dir()
