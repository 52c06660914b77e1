"""The ledger asks the store's file, and gets what is in it."""

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from cloud_stream.dead_letters import SqliteDeadLetters
from cloud_stream.records import DeadLetter
from edge_agent.outbox import LogOutbox
from tests.wattline.demo.rows import StoreFile, alert, anomaly, status, usage
from wattline.demo.ledger import GatewayRow, Ledger, dead_letter_count, outbox_places
from wattline.wire import Frame

NOW_MS = time.time_ns() // 1_000_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = tmp_path / "50% of #1 & ?"
    folder.mkdir()
    return folder / "wattline.db"


@pytest.fixture
def store(file: Path) -> Iterator[StoreFile]:
    opened = StoreFile(file, NOW_MS)
    yield opened
    opened.close()


@pytest.fixture
def ledger(file: Path) -> Iterator[Ledger]:
    opened = Ledger(file)
    yield opened
    opened.close()


def test_before_the_store_there_is_nothing(ledger: Ledger) -> None:
    ledger.look()
    assert (ledger.stored(), ledger.stored_count(), ledger.windows(), ledger.gateways()) == ({}, 0, {}, {})
    assert (ledger.anomalies(), ledger.alerts(), ledger.latencies_ms) == ([], [], [])
    assert (ledger.gauge_readings("power_w", "5m"), ledger.raw_values("power_w")) == (0, 0)


@pytest.mark.usefixtures("store")
def test_an_empty_store_holds_nothing(ledger: Ledger) -> None:
    assert (ledger.stored(), ledger.raw_values("power_w"), ledger.gauge_readings("power_w", "5m")) == ({}, 0, 0)


def test_readings_are_told_by_gateway(store: StoreFile, ledger: Ledger) -> None:
    store.put("m-1", [NOW_MS - 2, NOW_MS - 1])
    store.put("m-2", [NOW_MS - 1], gateway="gw-2", site="other")
    store.put("m-1", [NOW_MS - 1])
    assert ledger.stored() == {"gw": {("m-1", NOW_MS - 2), ("m-1", NOW_MS - 1)}, "gw-2": {("m-2", NOW_MS - 1)}}
    assert ledger.stored_count() == 3


def test_values_are_counted_by_quantity(store: StoreFile, ledger: Ledger) -> None:
    store.put("m-1", [NOW_MS - 2, NOW_MS - 1])
    store.put("m-2", [NOW_MS - 1], "gas_m3")
    assert (ledger.raw_values("power_w"), ledger.raw_values("gas_m3"), ledger.raw_values("water_m3")) == (2, 1, 0)


def test_windows_are_counted_by_level_and_their_readings_once(store: StoreFile, ledger: Ledger) -> None:
    store.put_points(
        usage("meter", "m-1", NOW_MS, power_w_n=3),
        usage("meter", "m-2", NOW_MS, power_w_n=4),
        usage("site", "", NOW_MS, power_w_n=7),
    )
    assert ledger.windows() == {"meter": 2, "site": 1}
    assert ledger.gauge_readings("power_w", "5m") == 7
    assert ledger.gauge_readings("power_w", "30m") == 0


def test_latency_is_from_a_live_power_reading_to_its_being_seen(store: StoreFile, ledger: Ledger) -> None:
    def look() -> list[int]:
        before = len(ledger.latencies_ms)
        ledger.look()
        return ledger.latencies_ms[before:]

    first_ms = time.time_ns() // 1_000_000
    store.put("m-1", [first_ms - 5000])
    assert look() == [], "what was there before the first look is not live"
    store.put("m-1", [first_ms - 900, first_ms - 400])
    took = look()
    now_ms = time.time_ns() // 1_000_000
    assert len(took) == 2
    assert 900 <= took[0] <= now_ms - first_ms + 900
    assert took[0] - took[1] == 500
    assert look() == [], "each reading counts once"
    store.put("m-1", [first_ms - 90_000])
    store.put("m-home", [first_ms - 100], "energy_kwh")
    store.put("m-gas", [first_ms - 100], "gas_m3")
    look()
    store.put("m-home", [first_ms - 50], "energy_kwh")
    store.put("m-gas", [first_ms - 50], "gas_m3")
    assert look() == [], "backlog, amounts and slow registers are not live"


def test_anomalies_are_newest_first_without_other_events(store: StoreFile, ledger: Ledger) -> None:
    store.put_points(anomaly("m-1", NOW_MS - 3), anomaly("m-2", NOW_MS - 1), anomaly("m-1", NOW_MS - 2, "meter_silent"))
    assert ledger.anomalies() == [("m-2", NOW_MS - 1, 900_000, "jump"), ("m-1", NOW_MS - 3, 900_000, "jump")]


def test_alerts_are_newest_first(store: StoreFile, ledger: Ledger) -> None:
    store.put_points(alert(NOW_MS - 2, "firing"), alert(NOW_MS - 1, "resolved"))
    assert ledger.alerts() == [
        (NOW_MS - 1, "high-power", "resolved", "[m-1] is resolved"),
        (NOW_MS - 2, "high-power", "firing", "[m-1] is firing"),
    ]


def test_a_gateway_is_shown_by_its_last_word(store: StoreFile, ledger: Ledger) -> None:
    store.put("m-1", [NOW_MS - 7])
    store.put_points(
        status("gw", NOW_MS - 20, "online", outbox_rows=5),
        status("gw", NOW_MS - 10, "offline", outbox_rows=2),
        status("silent", NOW_MS, "online"),
    )
    assert ledger.gateways() == {
        "gw": GatewayRow(1, NOW_MS - 7, 2.0, "offline"),
        "silent": GatewayRow(0, 0, 0.0, "online"),
    }


def test_an_outbox_tells_what_waits_in_it(tmp_path: Path) -> None:
    assert outbox_places(tmp_path) == set()
    outbox = LogOutbox(tmp_path / "readings.db", max_bytes=1 << 20, max_age_ms=10**9)
    frames = [Frame("m-1", [1, 2], {"power_w": [1.0, None]}), Frame("m-2", [1], {"power_w": [3.0]})]
    outbox.put([msgspec.json.encode(frames), msgspec.json.encode(frames[:1])], NOW_MS)
    assert outbox_places(tmp_path) == {("m-1", 1), ("m-1", 2), ("m-2", 1)}
    outbox.close()
    assert outbox_places(tmp_path) == {("m-1", 1), ("m-1", 2), ("m-2", 1)}


def test_dead_letters_are_counted(tmp_path: Path) -> None:
    assert dead_letter_count(tmp_path / "none.db") == 0
    letters = SqliteDeadLetters(tmp_path / "dead.db", 1 << 20)
    letters.put([DeadLetter("journal", seq, 0, NOW_MS, "a/topic", "bad_json", "byte 0", b"{") for seq in (1, 2)])
    letters.close()
    assert dead_letter_count(tmp_path / "dead.db") == 2
