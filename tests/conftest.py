"""Fixtures for all tests, and the rule that on CI a skipped test is a failed run."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from tests.services.serial_pair import SerialPair
from tests.services.victoria_metrics import VictoriaMetricsServer
from wattline.local_servers import InfluxServer, LocalServer, MosquittoServer, ProgramMissingError

_CHECKOUT = Path(__file__).parents[1]
_skipped: list[str] = []
_Server = TypeVar("_Server", bound=LocalServer)


def corpus_folder() -> Path:
    """Where the real meter data lies, present or not."""
    return Path(os.environ.get("WATTLINE_CORPUS") or _CHECKOUT.parent / "shared" / "data")


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real meter data; the test is skipped where it is absent."""
    folder = corpus_folder()
    if not folder.is_dir():
        pytest.skip(f"no meter data at {folder} (WATTLINE_CORPUS)")
    return folder


def _run_or_skip(server: _Server) -> Iterator[_Server]:
    try:
        server.start()
    except ProgramMissingError as error:
        pytest.skip(str(error))
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[MosquittoServer]:
    """A running broker that lets everybody in."""
    yield from _run_or_skip(MosquittoServer(tmp_path / "mosquitto"))


@pytest.fixture
def influxd(tmp_path: Path) -> Iterator[InfluxServer]:
    """A running InfluxDB 1.x without databases."""
    yield from _run_or_skip(InfluxServer(tmp_path / "influxd"))


@pytest.fixture
def victoria_metrics(tmp_path: Path) -> Iterator[VictoriaMetricsServer]:
    """A running, empty VictoriaMetrics."""
    yield from _run_or_skip(VictoriaMetricsServer(tmp_path / "victoria-metrics"))


@pytest.fixture
def serial_pair() -> Iterator[SerialPair]:
    """A serial line whose meter end the test holds."""
    with SerialPair() as pair:
        yield pair


def _note_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        _skipped.append(report.nodeid)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember a skipped test."""
    _note_skip(report)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Remember a module that was skipped whole."""
    _note_skip(report)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run on CI when a test was skipped: everything it needs is present there."""
    if _skipped and os.environ.get("CI") and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say why a run without a failed test has failed."""
    if _skipped and os.environ.get("CI"):
        terminalreporter.write_sep("=", f"{len(_skipped)} skipped: a failure on CI", red=True)
