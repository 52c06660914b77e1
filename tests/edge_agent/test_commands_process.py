"""Commands to a real agent over a real broker: obeyed once, released in time, refused when in doubt, survived."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.edge_agent.boiler_house import BoilerHouse, Orderer
from tests.edge_agent.cloud_stand_in import CloudStandIn, wait_until
from wattline.local_servers import MosquittoServer

House = Callable[..., BoilerHouse]


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
    told = [event.command.switched for event in cloud.events if event.command and event.command.switched]
    born = [load.state for status in cloud.statuses for load in status.loads]
    return (told or born or [""])[-1]


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
