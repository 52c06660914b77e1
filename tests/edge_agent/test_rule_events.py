"""What the rules tell reaches the store: each event a point of its own, of the measurement `anomaly`."""

import msgspec
import numpy as np

from cloud_stream.decode import Decoder
from cloud_stream.journal import encode_row
from cloud_stream.records import Envelope, JournalRow
from edge_agent.batcher import encode_events
from edge_agent.config import RulesConfig
from edge_agent.judge import AnomalyJudge
from edge_agent.rule_book import RuleBook
from wattline.reading import Reading
from wattline.topics import Up, up
from wattline.wire import Event

T0 = 1_700_006_400_000 // 86_400_000 * 86_400_000
HOUR = 3_600_000
DAYS = 240
"""Hours of ordinary use before anything happens."""


def amounts(meter: str, then: list[float], resumes_at: int = DAYS) -> list[Reading]:
    usual = np.random.default_rng(8).uniform(0.2, 0.4, DAYS).tolist()
    later = [Reading(meter, T0 + (resumes_at + i) * HOUR, {"energy_kwh": rate}, HOUR) for i, rate in enumerate(then)]
    return [Reading(meter, T0 + i * HOUR, {"energy_kwh": rate}, HOUR) for i, rate in enumerate(usual)] + later


def of_every_kind() -> list[Event]:
    """A day of a gateway on which everything goes wrong."""
    judge = AnomalyJudge(lambda _interval_ms: None, rules=RuleBook.of(RulesConfig(), ["dead"]))
    for readings in (
        amounts("stuck", [0.3] * 6),
        amounts("zero", [0.0] * 6),
        amounts("jump", [80.0]),
        amounts("gone", [0.3], DAYS + 400 * 24),
    ):
        judge.add(readings)
    judge.add([
        Reading("register", T0 + i * HOUR, {"energy_import_kwh": value, "gas_m3": value})
        for i, value in enumerate([900.0, 700.0, 999.9, 0.1, 500_000.0])
    ])  # fmt: skip
    now_ms = T0 + (DAYS + 410 * 24) * HOUR
    events = judge.events(now_ms)
    for minute in (1, 400):
        events += judge.events(now_ms + minute * 60_000)
    judge.add([Reading("dead", now_ms + 401 * 60_000, {"power_w": 1.0})])
    return events + judge.events(now_ms + 401 * 60_000)


def test_every_event_becomes_a_point_of_its_own() -> None:
    events = of_every_kind()
    [array] = encode_events(events)
    head = {"v": 1, "gateway": "g", "site": "s", "log": "l", "seq": 1}
    payload = msgspec.json.encode(head | {"events": msgspec.Raw(array)})
    envelope = Envelope(events[-1].t, up("g", Up.EVENTS), "", payload)
    batches, letters = Decoder(30 * 86_400_000).decode([JournalRow("j", 1, encode_row([envelope]))])
    assert letters == []
    points = [point for batch in batches.values() for point in batch.points]
    assert {point.measurement for point in points} == {"anomaly"}
    assert len({(*sorted(point.tags.items()), point.t_ms) for point in points}) == len(events)
    told = {(str(point.fields["kind"]), point.tags["detector"], point.tags["meter"]) for point in points}
    assert told >= {
        ("anomaly", "rule-stuck", "stuck"),
        ("anomaly", "rule-zero", "zero"),
        ("anomaly", "rule-jump", "jump"),
        ("anomaly", "rule-drop-out", "gone"),
        ("counter_rollback", "rule-rollback", "register"),
        ("counter_rollover", "rule-rollover", "register"),
        ("counter_jump", "rule-counter-jump", "register"),
        ("meter_silent", "rule-silent", "dead"),
        ("meter_back", "rule-silent", "dead"),
    }
    assert all(point.fields["reason"] for point in points)
