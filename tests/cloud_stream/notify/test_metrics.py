"""What Prometheus is shown."""

from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from cloud_stream.notify.metrics import NotifyCollector
from tests.cloud_stream.notify.desk_rig import Letterbox, Rig
from tests.cloud_stream.notify.notices import POWER, silent


def test_what_was_sent_and_what_waits(tmp_path: Path) -> None:
    good, dead = Letterbox("json:1"), Letterbox("json:2")
    dead.problem = "away"
    rig = Rig(tmp_path, [good, dead])
    rig.tell(POWER)
    rig.run(12_000)
    rig.tell(silent(1))
    registry = CollectorRegistry()
    registry.register(NotifyCollector(rig.ledger, rig.queue, ["json:1", "json:2"]))
    shown = generate_latest(registry).decode().splitlines()
    for line in (
        "wattline_notify_made_total 2.0",
        "wattline_notify_sent_total 1.0",
        "wattline_notify_given_up_total 0.0",
        "wattline_notify_queued 1.0",
        'wattline_notify_waiting{channel="json:1"} 0.0',
        'wattline_notify_waiting{channel="json:2"} 1.0',
    ):
        assert line in shown
    rig.close()
