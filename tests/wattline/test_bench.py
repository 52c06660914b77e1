"""`wattline bench`: what is asked for is measured, and what is measured is printed."""

import json
from pathlib import Path
from typing import Any

import pytest

from wattline import bench_batch, bench_edge, bench_forecast, bench_ingest, cli


def _bench(*arguments: str) -> int:
    try:
        return cli.run(["bench", *arguments])
    except SystemExit as end:
        return int(end.code or 0)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the measurements were called with."""
    calls: dict[str, Any] = {}

    def edge(duration_s: float, *, interval: str) -> dict[str, float]:
        calls["edge"] = (duration_s, interval)
        return {"rss_mb": 80.5, "judged": 0.0}

    def ingest(**options: Any) -> dict[str, Any]:  # noqa: ANN401 (whatever is passed on)
        options.pop("progress")("a step")
        calls["ingest"] = options
        return {"ratio": 0.7, "latency_ms": {"p50": 1.0}}

    def batch(rows: int, **options: Any) -> dict[str, Any]:  # noqa: ANN401 (whatever is passed on)
        options.pop("progress")("a step")
        calls["batch"] = (rows, options)
        return {"counts_as_made": rows != 200_001}

    def forecast(meters: int, **options: Any) -> dict[str, Any]:  # noqa: ANN401 (whatever is passed on)
        options.pop("progress")("a step")
        calls["forecast"] = (meters, options)
        return {"seconds": 1.0}

    monkeypatch.setattr(bench_batch, "run_batch_bench", batch)
    monkeypatch.setattr(bench_forecast, "run_forecast_bench", forecast)
    monkeypatch.setattr(bench_edge, "run_edge_bench", edge)
    monkeypatch.setattr(bench_ingest, "run_ingest_bench", ingest)
    return calls


def test_options_are_passed_on(asked: dict[str, Any]) -> None:
    assert _bench("edge", "--duration", "7", "--interval", "1s") == 0
    assert _bench("ingest", "--readings", "200000", "--single", "4000", "--latency", "6") == 0
    assert _bench("batch", "--rows", "200000", "--data", "there", "--vs", "pyspark") == 0
    assert _bench("forecast", "--meters", "320", "--model", "mine.onnx", "--naive") == 0
    assert asked == {
        "forecast": (320, {"model": Path("mine.onnx"), "naive": True}),
        "batch": (200_000, {"data": Path("there"), "versus": "pyspark"}),
        "edge": (7.0, "1s"),
        "ingest": {"readings": 200_000, "single_messages": 4000, "latency_s": 6.0},
    }


@pytest.mark.usefixtures("asked")
def test_json_is_alone_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert _bench("ingest", "--json") == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {"ratio": 0.7, "latency_ms": {"p50": 1.0}}
    assert shown.err == "a step\n"


@pytest.mark.usefixtures("asked")
def test_a_person_gets_a_line_per_figure(capsys: pytest.CaptureFixture[str]) -> None:
    assert _bench("edge") == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [["rss_mb", "80.5"], ["judged", "0.0"]]


@pytest.mark.parametrize(
    "arguments", [["edge", "--duration", "1"], ["ingest", "--readings", "5"], ["batch", "--rows", "5"]]
)
def test_what_cannot_be_measured_is_a_usage_error(arguments: list[str], asked: dict[str, Any]) -> None:
    assert _bench(*arguments) == cli.EXIT_USAGE
    assert asked == {}


@pytest.mark.parametrize(("rows", "status"), [("200000", 0), ("200001", cli.EXIT_FAILED)])
@pytest.mark.usefixtures("asked")
def test_a_run_that_is_not_sound_is_shown_and_fails(rows: str, status: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert _bench("batch", "--rows", rows, "--json") == status
    assert json.loads(capsys.readouterr().out) == {"counts_as_made": status == 0}
