"""Readings in, anomaly events out: after a warm-up, with a reason, across restarts."""

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edge_agent.errors import ModelError
from edge_agent.judge import AnomalyJudge
from edge_agent.judge_state import restore_history, save_history
from wattline.features import NAMES
from wattline.reading import Reading

HALF_HOUR = 1_800_000
T0 = 1_700_006_400_000 // 86_400_000 * 86_400_000
LEVEL = NAMES.index("level")


class LevelDetector:
    """Calls an interval anomalous whose level is high: a detector small enough to reason about."""

    name = "level-1"
    threshold = 0.75

    def score(self, features: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        score = np.clip(features[:, LEVEL] / 4, 0, 1).astype(np.float32)
        return score, score >= self.threshold


class BrokenDetector(LevelDetector):
    def score(self, features: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        raise ModelError(f"cannot score {len(features)}")


def half_hours(n: int, spike_at: int = -1, meter: str = "m") -> list[Reading]:
    rates = np.random.default_rng(6).uniform(0.2, 0.4, n)
    rates[spike_at] *= 40 if spike_at >= 0 else 1
    return [
        Reading(meter, T0 + i * HALF_HOUR, {"energy_kwh": rate}, HALF_HOUR) for i, rate in enumerate(rates.tolist())
    ]


def judge(warm_up_ms: int = 86_400_000) -> AnomalyJudge:
    detector = LevelDetector()
    return AnomalyJudge(lambda _interval_ms: detector, warm_up_ms=warm_up_ms)


def now(n: int) -> int:
    return T0 + n * HALF_HOUR


def test_an_anomalous_interval_is_one_event_with_its_reason() -> None:
    judging = judge()
    judging.add(half_hours(96, spike_at=70))
    [event] = judging.events(now(96))
    assert (event.kind, event.meter, event.t, event.interval_ms) == ("anomaly", "m", now(70), HALF_HOUR)
    assert (event.detector, event.threshold) == ("level-1", 0.75)
    assert event.score >= event.threshold
    assert "energy_kwh" in event.reason
    assert judging.counts == {"judged": 48, "anomalies": 1, "warming_up": 48, "late": 0}
    assert judging.events(now(97)) == []


def test_nothing_is_judged_during_the_warm_up() -> None:
    judging = judge()
    judging.add(half_hours(48, spike_at=40))
    assert judging.events(now(48)) == []
    assert judging.counts["judged"] == 0


def test_readings_one_by_one_and_all_at_once_end_in_the_same_events() -> None:
    readings = half_hours(200, spike_at=150) + half_hours(200, spike_at=120, meter="n")
    at_once, one_by_one = judge(), judge()
    at_once.add(readings)
    expected = at_once.events(now(200))
    found = []
    for reading in sorted(readings, key=lambda reading: reading.t_ms):
        one_by_one.add([reading])
        found += one_by_one.events(reading.t_ms)
    assert sorted(found, key=str) == sorted(expected, key=str)
    assert {event.meter for event in found} == {"m", "n"}


def test_a_restart_keeps_the_history(tmp_path: Path) -> None:
    before, after = judge(), judge()
    readings = half_hours(96, spike_at=90)
    before.add(readings[:80])
    before.events(now(80))
    assert save_history(before, tmp_path / "history.npz")
    assert restore_history(after, tmp_path / "history.npz")
    after.add(readings[80:])
    assert [event.t for event in after.events(now(96))] == [now(90)]


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 torn", b"\x93NUMPY", os.urandom(500)], ids=["empty", "torn", "array", "noise"]
)
def test_a_broken_history_file_costs_a_warm_up_and_no_more(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "history.npz"
    path.write_bytes(content)
    judging = judge()
    assert not restore_history(judging, path)
    judging.add(half_hours(96, spike_at=70))
    assert len(judging.events(now(96))) == 1
    assert save_history(judging, path)
    assert restore_history(judge(), path)


def test_a_history_of_another_contract_is_refused() -> None:
    arrays = judge().export()
    arrays["contract"] = np.array("interval-v0")
    with pytest.raises(ValueError, match="interval-v1"):
        judge().restore(arrays)


def test_no_history_and_no_folder_are_no_errors(tmp_path: Path) -> None:
    assert not restore_history(judge(), tmp_path / "none.npz")
    assert not save_history(judge(), tmp_path / "none" / "history.npz")


def test_a_disk_that_turned_read_only_costs_only_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("os.fsync", refuse)
    monkeypatch.setattr("pathlib.Path.unlink", refuse)
    assert not save_history(judge(), tmp_path / "history.npz")


def test_a_failing_model_is_counted_and_the_history_goes_on() -> None:
    judging = AnomalyJudge(lambda _interval_ms: BrokenDetector())
    judging.add(half_hours(80))
    assert judging.events(now(80)) == []
    assert judging.counts["model_failed"] == 32
    detector = LevelDetector()
    judging.use(lambda _interval_ms: detector)
    judging.add(half_hours(96, spike_at=90)[80:])
    assert len(judging.events(now(96))) == 1


def test_a_length_of_interval_without_a_model_is_counted_as_unjudged() -> None:
    judging = AnomalyJudge(lambda _interval_ms: None)
    judging.add(half_hours(96, spike_at=70))
    assert judging.events(now(96)) == []
    assert judging.counts["no_model"] == 48
