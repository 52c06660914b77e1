"""Rules that change while the flow runs."""

import logging
import os
from pathlib import Path

import pytest

from cloud_stream.alerts.judge import AlertJudge
from cloud_stream.alerts.rules_file import WatchedRules
from tests.cloud_stream.alerts.facts import messages, notices, paged, states, usage
from wattline.errors import ConfigError

ONE = '[[rule]]\nname = "one"\nquantity = "power_w"\nabove = 100\n'
TWO = '[[rule]]\nname = "two"\nquantity = "power_w"\nabove = 50\n'
LATE_MS = 1_900_000_000_000
WINDOW_MS = 300_000


class Files:
    """A rules file, a clock, and the source that watches both."""

    def __init__(self, folder: Path, text: str = ONE) -> None:
        self.path = folder / "alerts.toml"
        self.clock_s = 0.0
        self._stamp = 1_700_000_000
        self.write(text)
        self.source = WatchedRules(self.path, clock_s=lambda: self.clock_s, now_ms=lambda: LATE_MS)

    def write(self, text: str, path: Path | None = None) -> None:
        """Write a file as an editor does, a second later."""
        (path or self.path).write_text(text)
        self._stamp += 1
        os.utime(path or self.path, (self._stamp, self._stamp))

    def names(self, after_s: float = 1.0) -> list[str]:
        """The rules in force when it is asked so long after."""
        self.clock_s += after_s
        return [rule.name for rule in self.source().rules]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_a_changed_file_comes_into_force(files: Files) -> None:
    files.write(ONE + TWO)
    assert files.names() == ["one", "two"]
    assert files.source.counts == {"rules_loaded": 1}


def test_the_disk_is_asked_at_most_once_a_second(files: Files) -> None:
    files.write(ONE + TWO)
    assert files.names(0.5) == ["one"]
    assert files.names(0.5) == ["one", "two"]


def test_nothing_new_is_the_same_object(files: Files) -> None:
    before = files.source()
    files.names()
    assert files.source() is before


@pytest.mark.parametrize("wrong", ["[[rule]", TWO + "colour = 1\n", TWO + TWO, TWO.replace("power_w", "happiness")])
def test_a_wrong_file_leaves_the_old_rules_in_force(files: Files, wrong: str, caplog: pytest.LogCaptureFixture) -> None:
    files.write(wrong)
    with caplog.at_level(logging.WARNING):
        assert files.names() == files.names() == ["one"]
    assert files.source.counts == {"rules_refused": 1}
    (line,) = caplog.messages
    assert line.startswith(f"file_refused path={files.path} problem=")
    problem = files.source().problem
    assert problem is not None
    assert (problem.title, problem.severity, problem.happened_ms) == ("alert rules not loaded", "warning", LATE_MS)
    assert str(files.path) in problem.text


def test_a_file_that_is_gone_leaves_them_too(files: Files) -> None:
    files.path.unlink()
    assert files.names() == ["one"]
    problem = files.source().problem
    assert problem is not None
    assert "No such file" in problem.text


def test_a_file_that_is_right_again_is_taken(files: Files) -> None:
    files.write("[[rule]")
    files.names()
    files.write(TWO)
    assert files.names() == ["two"]
    assert files.source().problem is None


def test_two_processes_say_the_same_about_the_same_wrong_file(files: Files) -> None:
    other = WatchedRules(files.path, clock_s=lambda: files.clock_s, now_ms=lambda: LATE_MS + 77)
    files.write("[[rule]")
    files.names()
    first, second = files.source().problem, other().problem
    assert first is not None
    assert second is not None
    assert first.key == second.key
    files.write("[[rule] ")
    files.names()
    third = files.source().problem
    assert third is not None
    assert third.key != first.key


def test_without_older_rules_a_wrong_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="happiness"):
        Files(tmp_path, ONE.replace("power_w", "happiness"))


class TestGoodCopy:
    def _source(self, files: Files) -> WatchedRules:
        copy = files.path.with_name("good.toml")
        return WatchedRules(files.path, good_copy=copy, clock_s=lambda: files.clock_s, now_ms=lambda: LATE_MS)

    def test_a_restart_with_a_wrong_file_goes_on_with_the_last_good_one(self, files: Files) -> None:
        self._source(files)
        files.write(ONE.replace("power_w", "happiness"))
        source = self._source(files)
        problem = source().problem
        assert [rule.name for rule in source().rules] == ["one"]
        assert problem is not None
        assert "happiness" in problem.text
        files.write(TWO)
        files.clock_s += 1
        assert ([rule.name for rule in source().rules], source().problem) == (["two"], None)

    def test_the_copy_follows_what_is_in_force(self, files: Files) -> None:
        source = self._source(files)
        for text in (ONE + TWO, "[[rule]"):
            files.write(text)
            files.clock_s += 1
            source()
        assert files.path.with_name("good.toml").read_text() == ONE + TWO

    def test_no_rules_at_all_is_an_error(self, files: Files) -> None:
        files.write("[[rule]")
        with pytest.raises(ConfigError, match="is not TOML"):
            self._source(files)

    def test_a_copy_that_is_wrong_as_well_is_no_help(self, files: Files) -> None:
        files.path.with_name("good.toml").write_text("[[rule]")
        files.write(ONE.replace("power_w", "happiness"))
        with pytest.raises(ConfigError, match="happiness"):
            self._source(files)

    def test_a_copy_that_cannot_be_written_is_no_error(self, files: Files) -> None:
        files.path.with_name("good.toml").mkdir()
        assert [rule.name for rule in self._source(files)().rules] == ["one"]


def test_changed_segments_are_read_too(tmp_path: Path) -> None:
    segments = tmp_path / "segments.csv"
    segments.write_text("meter,segment\nm1,night\n")
    files = Files(tmp_path, f'segments = "{segments}"\n{ONE}segments = ["night"]\n')
    assert [rule.members for rule in files.source().rules] == [("m1",)]
    files.write("meter,segment\nm1,night\nm2,night\n", segments)
    files.names()
    assert [rule.members for rule in files.source().rules] == [("m1", "m2")]


class TestInTheJudge:
    def test_unchanged_rules_go_on_and_new_ones_begin(self, files: Files) -> None:
        judge = AlertJudge(files.source)
        start_ms = LATE_MS // WINDOW_MS * WINDOW_MS
        first = usage(start_ms, window="5m", power_w_mean=150)
        assert paged(judge.judge([first], start_ms + 320_000)) == ["firing"]
        files.write(ONE + TWO)
        files.clock_s += 1
        second = usage(start_ms + WINDOW_MS, window="5m", power_w_mean=70)
        said = judge.judge([second], start_ms + 620_000)
        assert [(one.group, one.state) for one in notices(said)] == [("one", "resolved"), ("two", "firing")]

    def test_the_alert_of_a_rule_that_is_gone_ends(self, files: Files) -> None:
        judge = AlertJudge(files.source)
        start_ms = LATE_MS // WINDOW_MS * WINDOW_MS
        judge.judge([usage(start_ms, window="5m", power_w_mean=150)], start_ms + 320_000)
        files.write(TWO)
        files.clock_s += 1
        said = judge.due(start_ms + 330_000)
        assert (states(said), messages(said)) == (
            [(start_ms + 330_000, "resolved")],
            ["meter m1 of h1: the rule was changed or taken away"],
        )
        (notice,) = notices(said)
        assert notice.key == f"one/warning/meter/h1/m1/{start_ms}/resolved"
        assert judge.due(start_ms + 331_000) == []

    def test_the_end_of_a_rule_is_news_also_where_a_revision_ended_the_alert_before(self, files: Files) -> None:
        judge = AlertJudge(files.source)
        start_ms = LATE_MS // WINDOW_MS * WINDOW_MS
        told = []
        for value, now_ms in ((150, 320_000), (50, 321_000), (151, 322_000)):
            told += notices(judge.judge([usage(start_ms, window="5m", power_w_mean=value)], start_ms + now_ms))
        files.write(TWO)
        files.clock_s += 1
        told += notices(judge.due(start_ms + 330_000))
        assert [one.state for one in told] == ["firing", "resolved", "firing", "resolved"]
        assert len({one.key for one in told}) == len(told), "the queue takes each key once"

    def test_an_alert_that_matters_more_now_begins_anew_for_the_queue_as_well(self, files: Files) -> None:
        peak = ONE + 'statistic = "peak"\n'
        files.write(peak)
        files.clock_s += 1
        judge = AlertJudge(files.source)
        start_ms = LATE_MS // WINDOW_MS * WINDOW_MS
        told = notices(judge.judge([usage(start_ms, window="5m", power_w_max=150)], start_ms + 20_000))
        files.write(peak + 'severity = "critical"\n')
        files.clock_s += 1
        told += notices(judge.judge([usage(start_ms, window="5m", power_w_max=160)], start_ms + 40_000))
        assert [(one.state, one.severity) for one in told] == [
            ("firing", "warning"),
            ("resolved", "warning"),
            ("firing", "critical"),
        ]
        assert len({one.key for one in told}) == len(told), "the queue takes each key once"

    def test_a_wrong_file_is_told_once(self, files: Files) -> None:
        judge = AlertJudge(files.source)
        files.write("[[rule]")
        files.clock_s += 1
        assert [one.title for one in notices(judge.due(LATE_MS))] == ["alert rules not loaded"]
        assert judge.due(LATE_MS + 1000) == []
