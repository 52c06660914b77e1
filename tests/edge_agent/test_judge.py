"""Readings in, anomaly events out: after a warm-up, with a reason, across restarts."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edge_agent.config import MeterRulesConfig, RulesConfig
from edge_agent.errors import ModelError
from edge_agent.judge import AnomalyJudge
from edge_agent.judge_state import restore_history, save_history
from edge_agent.rule_book import RuleBook
from edge_agent.site_conditions import SiteConditions
from wattline.config import DurationMs
from wattline.features import NAMES
from wattline.reading import Reading
from wattline.wire import Event

HALF_HOUR = 1_800_000
T0 = 1_700_006_400_000 // 86_400_000 * 86_400_000
WEEKS = 14 * 48
"""Half hours of ordinary use before anything happens."""
RECORD = NAMES.index("record")


class LevelDetector:
    """Calls an interval anomalous that is far above the recent peak: a detector small enough to reason about."""

    name = "level-1"
    threshold = 0.75

    def score(self, features: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        score = np.clip(features[:, RECORD] / 4, 0, 1).astype(np.float32)
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


@pytest.mark.parametrize(
    "spoilt",
    [
        {"features_places": np.array(1)},
        {"open_quantities": np.array(["energy_kwh", "nonsense"])},
        {"rules_last_ms": np.array(np.inf)},
        {"rules_values": np.array(["?"])},
        {"rules_until_ms": np.zeros(7)},
    ],
    ids=["no columns", "unknown quantity", "endless time", "letters", "other rows"],
)
def test_a_damaged_history_is_taken_over_in_no_part(tmp_path: Path, spoilt: dict[str, npt.NDArray[Any]]) -> None:
    readings = half_hours(96, spike_at=70)
    detector = LevelDetector()
    before, after = (
        AnomalyJudge(lambda _: detector, warm_up_ms=86_400_000, rules=RuleBook.of(RulesConfig(), ["m"]))
        for _ in range(2)
    )
    before.add([*readings[:60], Reading("other", T0, {"energy_kwh": 0.3}, HALF_HOUR)])
    before.events(now(60))
    np.savez(tmp_path / "history.npz", allow_pickle=False, **before.export() | spoilt)
    assert not restore_history(after, tmp_path / "history.npz")
    after.add(readings)
    assert [event.t for event in after.events(now(96)) if event.detector == "level-1"] == [now(70)]
    assert after.export()["open_meters"].tolist() == ["m"]


def test_a_history_file_of_a_kind_that_cannot_be_read_is_left(tmp_path: Path) -> None:
    path = tmp_path / "history.npz"
    assert save_history(judge(), path)
    content = bytearray(path.read_bytes())
    directory = content.rindex(b"PK\x01\x02")
    content[directory + 10] = 99  # the way of compression
    path.write_bytes(content)
    assert not restore_history(judge(), path)


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
    judging = AnomalyJudge(lambda _interval_ms: BrokenDetector(), warm_up_ms=86_400_000)
    judging.add(half_hours(80))
    assert judging.events(now(80)) == []
    assert judging.counts["model_failed"] == 32
    detector = LevelDetector()
    judging.use(lambda _interval_ms: detector)
    judging.add(half_hours(96, spike_at=90)[80:])
    assert len(judging.events(now(96))) == 1


def test_a_length_of_interval_without_a_model_is_counted_as_unjudged() -> None:
    judging = AnomalyJudge(lambda _interval_ms: None, warm_up_ms=86_400_000)
    judging.add(half_hours(96, spike_at=70))
    assert judging.events(now(96)) == []
    assert judging.counts["no_model"] == 48


def ruled(rules: RulesConfig | None = None, meters: Sequence[str] = ("m",)) -> AnomalyJudge:
    """A judge with rules and without any model."""
    return AnomalyJudge(lambda _interval_ms: None, rules=RuleBook.of(rules or RulesConfig(), meters))


def two_weeks(then: Sequence[float], meter: str = "m", missing: Sequence[int] = ()) -> list[Reading]:
    """Two weeks of ordinary half hours, what follows, and an ordinary day; without those at `missing`."""
    usual = np.random.default_rng(8).uniform(0.2, 0.4, 720).tolist()
    rates = [*usual[:WEEKS], *then, *usual[WEEKS:]]
    return [
        Reading(meter, T0 + i * HALF_HOUR, {"energy_kwh": rate}, HALF_HOUR)
        for i, rate in enumerate(rates)
        if i - WEEKS not in missing
    ]


def told(events: Sequence[Event]) -> list[tuple[str, int, float]]:
    """Detector, half hours after the two weeks, and length in half hours."""
    return [(event.detector, (event.t - now(WEEKS)) // HALF_HOUR, event.interval_ms / HALF_HOUR) for event in events]


@pytest.mark.parametrize(
    ("then", "missing", "expected"),
    [
        ([0.25] * 20, [], [("rule-stuck", 6, 1)]),
        ([0.0] * 20, [], [("rule-zero", 5, 1)]),
        ([80.0], [], [("rule-jump", 0, 1)]),
        ([], range(20), [("rule-drop-out", 0, 20)]),
    ],
    ids=["stuck", "zero", "jump", "drop-out"],
)
def test_a_dead_sensor_is_seen_without_a_model(
    then: Sequence[float], missing: Sequence[int], expected: list[tuple[str, int, float]]
) -> None:
    judging = ruled()
    judging.add(two_weeks(then, missing=missing))
    events = judging.events(now(800))
    assert told(events) == expected
    [event] = events
    assert (event.kind, event.meter, event.score, event.threshold) == ("anomaly", "m", 1.0, 1.0)
    assert "energy_kwh" in event.reason
    assert judging.counts[event.detector.replace("-", "_")] == 1


def test_a_rule_and_a_model_that_see_the_same_interval_are_two_facts_in_one_batch() -> None:
    detector = LevelDetector()
    judging = AnomalyJudge(lambda _interval_ms: detector, rules=RuleBook.of(RulesConfig(), ["m"]))
    judging.add(two_weeks([80.0]))
    assert told(judging.events(now(800))) == [("rule-jump", 0, 1), ("level-1", 0, 1)]


def test_a_failing_model_costs_no_rule() -> None:
    judging = AnomalyJudge(lambda _interval_ms: BrokenDetector(), rules=RuleBook.of(RulesConfig(), ["m"]))
    judging.add(two_weeks([0.25] * 20))
    assert told(judging.events(now(800))) == [("rule-stuck", 6, 1)]


def test_one_meter_can_have_limits_of_its_own() -> None:
    own = MeterRulesConfig(id="calm", stuck_after=DurationMs(24 * 3_600_000))
    judging = ruled(RulesConfig(meter=(own, MeterRulesConfig(id="out", enabled=False))))
    for meter in ("m", "calm", "out"):
        judging.add(two_weeks([0.25] * 20, meter))
    assert [event.meter for event in judging.events(now(800))] == ["m"]


@pytest.mark.parametrize("cut", [WEEKS + 3, WEEKS + 6, WEEKS + 7, WEEKS + 15])
def test_a_restart_within_an_episode_neither_repeats_nor_forgets_it(tmp_path: Path, cut: int) -> None:
    before, after = ruled(), ruled()
    readings = two_weeks([0.25] * 20)
    before.add(readings[:cut])
    events = before.events(now(cut))
    assert save_history(before, tmp_path / "history.npz")
    assert restore_history(after, tmp_path / "history.npz")
    after.add(readings[cut:])
    assert told(events + after.events(now(800))) == [("rule-stuck", 6, 1)]


@pytest.mark.parametrize(("left", "expected"), [(WEEKS, []), (WEEKS + 15, [("rule-drop-out", 0, 20)])])
def test_what_an_agent_missed_itself_is_no_drop_out(
    tmp_path: Path, left: int, expected: list[tuple[str, int, float]]
) -> None:
    before, after = ruled(), ruled()
    readings = two_weeks([], missing=range(20))
    before.add(readings[:WEEKS])
    events = before.events(now(WEEKS))
    for half_hour in range(WEEKS, left):
        events += before.events(now(half_hour))
    save_history(before, tmp_path / "history.npz")
    restore_history(after, tmp_path / "history.npz")
    events += after.events(now(WEEKS + 20))
    after.add(readings[WEEKS:])
    events += after.events(now(800))
    assert told([event for event in events if event.kind == "anomaly"]) == expected


def test_meters_that_fall_silent_and_registers_that_go_back_are_told() -> None:
    judging = ruled(meters=["m", "n"])
    for minute in range(60):
        meters = ["m", "n"] if minute < 20 else ["n"]
        value = 5.0 if minute == 40 else 700.0 + minute
        judging.add([Reading(meter, T0 + minute * 60_000, {"energy_import_kwh": value}) for meter in meters])
        for event in judging.events(T0 + minute * 60_000):
            assert (event.kind, event.meter, (event.t - T0) // 60_000) in {
                ("meter_silent", "m", 35),
                ("counter_rollback", "n", 40),
            }
    assert judging.counts["rule_silent"] == judging.counts["rule_rollback"] == 1


def test_a_clock_that_was_set_makes_no_meter_silent() -> None:
    judging = ruled()
    for minute in range(10):
        judging.add([Reading("m", T0 + minute * 60_000, {"power_w": 1.0})])
        judging.events(T0 + minute * 60_000)
    judging.clock_set(86_400_000)
    assert judging.events(T0 + 86_400_000 + 600_000) == []


def test_a_history_of_before_there_were_rules_is_of_use(tmp_path: Path) -> None:
    before, after = judge(), ruled()
    readings = two_weeks([0.25] * 20)
    before.add(readings[:WEEKS])
    before.events(now(WEEKS))
    save_history(before, tmp_path / "history.npz")
    assert restore_history(after, tmp_path / "history.npz")
    after.add(readings[WEEKS:])
    assert told(after.events(now(800))) == [("rule-stuck", 6, 1)]
    save_history(after, tmp_path / "history.npz")
    assert restore_history(judge(), tmp_path / "history.npz")


def test_the_detector_sees_the_temperature_of_the_site() -> None:
    seen: list[npt.NDArray[np.float32]] = []

    class Looking(LevelDetector):
        def score(self, features: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
            seen.append(features[:, NAMES.index("temperature")])
            return super().score(features)

    one = AnomalyJudge(lambda _: Looking(), conditions=SiteConditions(temperature_meter="roof"))
    one.add([Reading("roof", T0 + i * HALF_HOUR, {"temperature_c": 15.0 if i < 199 else -5.0}) for i in range(201)])
    one.add(half_hours(201))
    one.events(now(202))
    temperature = np.concatenate(seen)
    assert temperature[:50].tolist() == [0.0] * 50
    assert temperature[-1] == pytest.approx(-2.0, abs=0.1)
