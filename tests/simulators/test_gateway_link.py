"""What a simulated gateway takes for an acknowledgement."""

import pytest
from paho.mqtt.client import MQTTMessage

from simulators.broker_address import BrokerAddress
from simulators.gateway_link import Dialect, GatewayLink
from wattline.topics import Down, down


class Ears:
    """Notes the acknowledgements."""

    def __init__(self) -> None:
        self.acks: list[bytes] = []

    def link_ready(self) -> None: ...

    def link_lost(self, reason: str) -> None: ...

    def published(self, mid: int, *, accepted: bool) -> None: ...

    def acknowledged(self, payload: bytes) -> None:
        self.acks.append(payload)


@pytest.mark.parametrize(
    ("topic", "acks"),
    [(down("gw-1", Down.ACK), [b"x"]), (down("gw-1", Down.COMMAND), []), (down("gw-2", Down.ACK), [])],
)
def test_only_its_own_acknowledgements_are_taken(topic: str, acks: list[bytes]) -> None:
    ears = Ears()
    link = GatewayLink("gw-1", BrokerAddress(host="127.0.0.1", port=1), Dialect(), b"{}", ears)
    message = MQTTMessage(topic=topic.encode())
    message.payload = b"x"
    link._on_message(link._client, None, message)
    assert ears.acks == acks
