"""Commands to a real agent over a real broker: obeyed once, released in time, refused when in doubt, survived."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.edge_agent.boiler_house import BoilerHouse, Orderer
from tests.edge_agent.cloud_stand_in import CloudStandIn, wait_until
from wattline.local_servers import MosquittoServer


@pytest.fixture
def cloud(mosquitto: MosquittoServer) -> Iterator[CloudStandIn]:
    with CloudStandIn(mosquitto.port) as cloud:
        yield cloud


@pytest.fixture
def orders(mosquitto: MosquittoServer, cloud: CloudStandIn) -> Iterator[Orderer]:
    orderer = Orderer(mosquitto.port, cloud)
    yield orderer
    orderer.close()


@pytest.fixture
def house(tmp_path: Path, mosquitto: MosquittoServer, cloud: CloudStandIn) -> Iterator[BoilerHouse]:
    with BoilerHouse(tmp_path / "house", mosquitto.url) as house:
        wait_for_load(cloud, "on")
        yield house


def wait_for_load(cloud: CloudStandIn, state: str) -> None:
    wait_until(lambda: cloud.state() == "online", "the birth")
    wait_until(lambda: load_state(cloud) == state, f"the load is {state}")


def load_state(cloud: CloudStandIn) -> str:
    """The newest word on the load, of births and answers."""
    told = [(event.t, event.command.switched) for event in cloud.events if event.command and event.command.switched]
    born = [(status.t, load.state) for status in cloud.statuses for load in status.loads]
    return max([*told, *born], default=(0, ""))[1]


def power(cloud: CloudStandIn) -> float:
    """The newest reading of the meter, in W."""
    newest = max(((t, value) for _, t, name, value in cloud.readings() if name == "power_w"), default=(0, 0.0))
    return newest[1] or 0.0


def test_a_command_switches_the_relay_is_answered_and_seen_at_the_meter(
    house: BoilerHouse, orders: Orderer, cloud: CloudStandIn
) -> None:
    wait_until(lambda: power(cloud) > 2000, "the cold boiler heats")
    orders.send("c1", "off")
    orders.wait_for("c1", "accepted", "done")
    assert house.relay == "off"
    wait_until(lambda: power(cloud) < 2000, "the meter shows it")
    orders.send("c2", "release")
    orders.wait_for("c2", "accepted", "done")
    orders.wait_for("c1", "accepted", "done", "released")
    assert house.relay == "on"
    wait_until(lambda: power(cloud) > 2000, "it heats again")


def test_a_command_ends_by_itself(house: BoilerHouse, orders: Orderer) -> None:
    orders.send("c1", "off", lasts_s=1)
    orders.wait_for("c1", "accepted", "done", "expired")
    wait_until(lambda: house.relay == "on", "the relay is back")


def test_what_must_not_be_carried_out_is_refused_with_a_reason(house: BoilerHouse, orders: Orderer) -> None:
    cases: dict[str, tuple[dict[str, Any], str]] = {
        "late": ({"lasts_s": -1.0}, "late"),
        "far": ({"lasts_s": 10 * 86_400.0}, "ahead"),
        "pump": ({"load": "pump"}, "no such load"),
        "dim": ({"action": "dim"}, "unknown action"),
        "future": ({"t": time.time_ns() // 10**6 + 3_600_000}, "clocks is wrong"),
    }
    for name, (changes, _) in cases.items():
        orders.send(name, **{"action": "off", **changes})
    for name, (_, reason) in cases.items():
        orders.wait_for(name, "refused")
        assert reason in orders.reasons(name)[0]
    assert house.relay == "on"


def test_what_is_no_command_of_ours_is_counted_and_not_answered(
    house: BoilerHouse, orders: Orderer, cloud: CloudStandIn
) -> None:
    orders.publish(b"{")
    orders.publish(b"x" * 20_000)
    orders.send("foreign", "off", gateway="gw-2")
    orders.send("good", "off")
    orders.wait_for("good", "accepted", "done")
    assert orders.answers("foreign") == []
    assert house.terminate() == 0
    wait_until(lambda: cloud.state() == "offline", "the goodbye")
    told = cloud.statuses[-1].outbox
    counted = {name: told.get(f"commands_{name}", 0) for name in ("bad_json", "too_large", "foreign_gateway")}
    assert counted == {"bad_json": 1, "too_large": 1, "foreign_gateway": 1}


def test_a_retained_command_is_refused_by_whoever_connects_later(
    tmp_path: Path, mosquitto: MosquittoServer, cloud: CloudStandIn, orders: Orderer
) -> None:
    orders.send("kept", "off", retain=True)
    with BoilerHouse(tmp_path / "house", mosquitto.url) as house:
        orders.wait_for("kept", "refused")
        assert "retained" in orders.reasons("kept")[0]
        wait_for_load(cloud, "on")
        assert house.relay == "on"


def test_a_repeat_is_answered_again_and_carried_out_once(house: BoilerHouse, orders: Orderer) -> None:
    now_ms = time.time_ns() // 10**6
    for _ in range(3):
        orders.send("c1", "off", t=now_ms, expires_at=now_ms + 600_000)
    orders.wait_for("c1", "accepted", "done")
    orders.send("end", "release")
    orders.wait_for("c1", "accepted", "done", "released")
    before = len(orders.reasons("c1"))
    orders.send("c1", "off", t=now_ms, expires_at=now_ms + 600_000)
    wait_until(lambda: len(orders.reasons("c1")) > before, "the same answer again")
    assert orders.states("c1") == ["accepted", "done", "released"]
    assert house.relay == "on"
    assert house.log.read_text().count("order load=boiler on=False") == 1


@pytest.mark.parametrize(("there", "states"), [(False, ["refused"]), (True, ["accepted", "done"])])
def test_commands_need_a_clock_that_is_right(
    tmp_path: Path, mosquitto: MosquittoServer, cloud: CloudStandIn, orders: Orderer, *, there: bool, states: list[str]
) -> None:
    clock = tmp_path / "synchronized"
    if there:
        clock.touch()
    with BoilerHouse(tmp_path / "house", mosquitto.url, clock=str(clock)):
        wait_for_load(cloud, "on")
        orders.send("c1", "off")
        orders.wait_for("c1", *states)


def test_killed_while_it_holds_the_next_start_goes_on_and_lets_go(house: BoilerHouse, orders: Orderer) -> None:
    now_ms = time.time_ns() // 10**6
    end_ms = now_ms + 6_000
    orders.send("c1", "off", t=now_ms, expires_at=end_ms)
    orders.wait_for("c1", "accepted", "done")
    house.kill()
    assert house.relay == "off"
    house.start()
    orders.send("c1", "off", t=now_ms, expires_at=end_ms)  # the broker hands it over once more
    orders.wait_for("c1", "accepted", "done", "expired")
    wait_until(lambda: house.relay == "on", "the boiler is back")
    assert time.time_ns() // 10**6 >= end_ms


def test_killed_while_it_holds_a_start_after_the_end_lets_go_at_once(house: BoilerHouse, orders: Orderer) -> None:
    orders.send("c1", "off", lasts_s=2)
    orders.wait_for("c1", "accepted", "done")
    house.kill()
    over_s = time.monotonic() + 2.5
    wait_until(lambda: time.monotonic() > over_s, "its end")
    assert house.relay == "off"
    house.start()
    wait_until(lambda: house.relay == "on", "the boiler is back")
    orders.wait_for("c1", "accepted", "done", "expired")


def test_a_broker_that_stays_away_lets_go_long_before_the_end(
    tmp_path: Path, mosquitto: MosquittoServer, cloud: CloudStandIn, orders: Orderer
) -> None:
    with BoilerHouse(tmp_path / "house", mosquitto.url, load='loss_after = "1s"') as house:
        wait_for_load(cloud, "on")
        orders.send("c1", "off", lasts_s=600)
        orders.wait_for("c1", "accepted", "done")
        mosquitto.stop()
        wait_until(lambda: house.relay == "on", "the boiler is back without a broker")
        assert house.state_file()["loads"]["boiler"]["hold"] is None
        mosquitto.start()


def test_the_least_time_off_is_kept_by_the_next_start(
    tmp_path: Path, mosquitto: MosquittoServer, cloud: CloudStandIn, orders: Orderer
) -> None:
    house = BoilerHouse(tmp_path / "house", mosquitto.url)
    house.config.write_text(house.config.read_text().replace('min_off = "0s"', 'min_off = "5s"'))
    with house:
        wait_for_load(cloud, "on")
        orders.send("c1", "off")
        orders.wait_for("c1", "accepted", "done")
        free_ms = house.state_file()["loads"]["boiler"]["changed_ms"] + 5_000
        house.kill()
        house.start()
        orders.send("c2", "release")
        orders.wait_for("c2", "accepted", "done")
        assert house.relay == "on"
        assert time.time_ns() // 10**6 >= free_ms


def test_a_command_for_a_gateway_that_is_away_waits_at_the_broker(house: BoilerHouse, orders: Orderer) -> None:
    house.kill()
    orders.send("c1", "off")
    orders.send("late", "off", lasts_s=-1)
    house.start()
    orders.wait_for("late", "refused")
    wait_until(lambda: house.relay == "off", "it is carried out")


def test_an_orderly_end_leaves_the_boiler_to_itself(house: BoilerHouse, orders: Orderer, cloud: CloudStandIn) -> None:
    orders.send("c1", "off")
    orders.wait_for("c1", "accepted", "done")
    assert house.terminate() == 0
    assert house.relay == "on"
    orders.wait_for("c1", "accepted", "done", "released")
    wait_until(lambda: cloud.state() == "offline", "the goodbye")
    assert cloud.statuses[-1].loads == []


def test_a_hand_at_the_relay_wins(house: BoilerHouse, orders: Orderer, cloud: CloudStandIn) -> None:
    orders.send("c1", "off")
    orders.wait_for("c1", "accepted", "done")
    house.relay_file.write_text("on")
    orders.wait_for("c1", "accepted", "done", "overridden")
    wait_until(lambda: cloud.statuses[-1].loads[0].mode == "manual", "the birth says so")
    orders.send("c2", "off")
    orders.wait_for("c2", "refused")
    assert house.relay == "on"


def test_a_person_at_the_gateway_switches_with_a_command_line(
    house: BoilerHouse, orders: Orderer, cloud: CloudStandIn
) -> None:
    assert house.edge("load", "boiler", "--manual", "off", "--for", "1h").returncode == 0
    wait_until(lambda: house.relay == "off", "it is off")
    orders.send("c1", "on")
    orders.wait_for("c1", "refused")
    (row,) = json.loads(house.edge("load", "--json").stdout)
    assert (row["id"], row["mode"], row["state"], row["control"]) == ("boiler", "manual", "off", "cloud")
    assert "manual" in house.edge("load").stdout
    assert house.edge("load", "boiler", "--manual", "auto").returncode == 0
    wait_until(lambda: house.relay == "on", "it is on")
    wait_until(lambda: cloud.statuses[-1].loads[0].mode == "auto", "the birth says so")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["load", "pump", "--manual", "off"], "there is no load 'pump'"),
        (["load", "--manual", "off"], "there is no load ''"),
        (["load", "boiler", "--manual", "off", "--for", "soon"], "--for: expected a duration"),
        (["load", "pump"], "there is no load 'pump'"),
    ],
)
def test_a_command_line_that_names_nothing_is_one_line(tmp_path: Path, words: list[str], problem: str) -> None:
    answer = BoilerHouse(tmp_path, "mqtt://x").edge(*words)
    assert (answer.returncode, answer.stderr.count("\n")) == (2, 1)
    assert problem in answer.stderr


def test_a_dead_relay_is_answered_and_stops_nothing_else(
    house: BoilerHouse, orders: Orderer, cloud: CloudStandIn
) -> None:
    house.relay_file.write_text("dead")
    orders.send("c1", "off")
    orders.wait_for("c1", "accepted", "refused")
    assert "the relay does not answer" in orders.reasons("c1")[1]
    before = len(cloud.batches)
    wait_until(lambda: len(cloud.batches) > before + 3, "readings go on")
    house.relay_file.write_text("off")
    wait_until(lambda: house.relay == "on", "and once it answers it is brought back")


def test_a_flood_is_bounded_and_counted_and_readings_go_on(
    house: BoilerHouse, orders: Orderer, cloud: CloudStandIn
) -> None:
    for number in range(300):
        orders.send(f"f{number}", "on")

    def answered() -> set[str]:
        return {event.command.id for event in cloud.events if event.command}

    wait_until(lambda: len(answered()) >= 60, "the first of them")
    before = len(cloud.batches)
    wait_until(lambda: len(cloud.batches) > before + 3, "readings go on")
    assert house.terminate() == 0
    wait_until(lambda: cloud.state() == "offline", "the goodbye")
    assert len(answered()) < 200
    assert cloud.statuses[-1].outbox["commands_flood"] == 300 - len(answered())


def test_an_agent_without_loads_asks_for_no_commands(
    tmp_path: Path, mosquitto: MosquittoServer, cloud: CloudStandIn, orders: Orderer
) -> None:
    house = BoilerHouse(tmp_path / "house", mosquitto.url)
    text = house.config.read_text()
    house.config.write_text(text.partition("[[load]]")[0])
    with house:
        wait_until(lambda: cloud.state() == "online", "the birth")
        orders.send("c1", "off")
        before = len(cloud.batches)
        wait_until(lambda: len(cloud.batches) > before + 3, "readings go on")
        assert cloud.statuses[-1].loads == []
        assert house.terminate() == 0
        wait_until(lambda: cloud.state() == "offline", "the goodbye")
        assert "publisher_strays" not in cloud.statuses[-1].outbox


def test_check_looks_at_the_relay_and_switches_nothing(tmp_path: Path, mosquitto: MosquittoServer) -> None:
    house = BoilerHouse(tmp_path / "house", mosquitto.url, clock="/no/such/file")
    house.relay_file.write_text("off")
    answer = house.edge("check", "--json")
    findings = {finding["what"]: finding for finding in json.loads(answer.stdout)["findings"]}
    assert (findings["load"]["ok"], findings["load"]["detail"]) == (True, "is off")
    assert not findings["clock"]["ok"]
    assert findings["broker"]["ok"]
    assert answer.returncode == 1
    house.relay_file.write_text("dead")
    findings = {one["what"]: one for one in json.loads(house.edge("check", "--json").stdout)["findings"]}
    assert "plays dead" in findings["load"]["detail"]
