"""The dispatcher's connection to the broker: paho at the rim, values inside.

A link lives from connect to loss. paho's own thread does the network; what it says comes out of `events` as values.
"""

import queue
import time
from typing import Any, Final, NamedTuple

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from cloud_stream.broker_client import GREETING_TIMEOUT_S, make_client
from cloud_stream.config import BrokerConfig
from cloud_stream.errors import CloudError
from wattline.topics import Down, down

KEEPALIVE_S: Final = 30
_UNSUPPORTED_VERSION: Final = 132
_NO_SUBSCRIBER: Final = 16
_FIRST_ERROR: Final = 128
_PROTOCOLS: Final = {
    "auto": (MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311),
    "5": (MQTTProtocolVersion.MQTTv5,),
    "3.1.1": (MQTTProtocolVersion.MQTTv311,),
}


class LinkError(CloudError):
    """The broker cannot be reached, refuses us, or is gone; connect again later."""


class WrongVersionError(LinkError):
    """The broker does not speak this version of MQTT; another may do."""


class Answered(NamedTuple):
    """The broker's word on a message; `problem` is why it was of no use, "" when it is on its way."""

    mid: int
    problem: str


def protocols(config: BrokerConfig) -> list[MQTTProtocolVersion]:
    """The versions to try, in this order."""
    return list(_PROTOCOLS[config.protocol])


class Link:
    """One connection, made by the constructor.

    Attributes:
        version: "5" or "3.1.1".
    """

    def __init__(self, config: BrokerConfig, client_id: str, protocol: MQTTProtocolVersion) -> None:
        """Connect, and wait for the broker's word.

        Args:
            config: Where, and who we are.
            client_id: The dispatcher's.
            protocol: The version of MQTT.

        Raises:
            WrongVersionError: Another version may do.
            LinkError: The broker cannot be reached or refuses us.
            ConfigError: A secret or certificate cannot be used.
        """
        self._is_v5 = protocol == MQTTProtocolVersion.MQTTv5
        self.version = "5" if self._is_v5 else "3.1.1"
        self._events: queue.SimpleQueue[Answered | None] = queue.SimpleQueue()
        self._connack: queue.SimpleQueue[ReasonCode] = queue.SimpleQueue()
        self._lost = ""
        self._client = make_client(config, client_id, protocol, clean_session=True)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        address = config.address
        options: dict[str, Any] = {"clean_start": True} if self._is_v5 else {}
        try:
            self._client.connect(address.host, address.port, KEEPALIVE_S, **options)
        except (OSError, ValueError) as error:
            raise LinkError(f"{address.host}:{address.port}: {error}") from error
        self._client.loop_start()
        try:
            self._greet()
        except LinkError:
            self.close()
            raise

    def send(self, gateway: str, payload: bytes, lasts_s: int) -> int:
        """Publish a command.

        Args:
            gateway: Whose.
            payload: The command.
            lasts_s: The broker forgets it after so long, where it speaks MQTT 5.

        Returns:
            Its number; `Answered.mid` is the same.

        Raises:
            LinkError: The connection is gone.
        """
        properties: Any = None
        if self._is_v5:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.MessageExpiryInterval = lasts_s
        sent = self._client.publish(down(gateway, Down.COMMAND), payload, qos=1, properties=properties)
        if sent.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise LinkError(self._lost or f"not sent: {sent.rc}")
        return sent.mid

    def events(self, timeout_s: float) -> list[Answered]:
        """What the broker has said; waits for the first.

        Raises:
            LinkError: The connection is gone; what it said before came first.
        """
        answered: list[Answered] = []
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                event = self._events.get(timeout=max(0.0, deadline - time.monotonic()) if not answered else 0.0)
            except queue.Empty:
                return answered
            if event is None:
                if answered:
                    self._events.put(None)
                    return answered
                raise LinkError(self._lost)
            answered.append(event)

    def close(self) -> None:
        """Say goodbye where that is still possible."""
        self._client.disconnect()
        self._client.loop_stop()

    def _greet(self) -> None:
        try:
            code = self._connack.get(timeout=GREETING_TIMEOUT_S)
        except queue.Empty:
            raise WrongVersionError(self._lost or "the broker does not answer CONNECT") from None
        if code.value == _UNSUPPORTED_VERSION:
            raise WrongVersionError(str(code))
        if code.is_failure:
            raise LinkError(f"refused: {code}")

    # ---- called by the client's own thread

    def _on_connect(self, _c: Client, _d: object, _f: ConnectFlags, code: ReasonCode, _p: object) -> None:
        self._connack.put(code)

    def _on_disconnect(self, _c: Client, _d: object, _f: DisconnectFlags, code: ReasonCode, _p: object) -> None:
        self._lost = f"the broker is gone: {code}"
        self._events.put(None)

    def _on_publish(self, _c: Client, _d: object, mid: int, code: ReasonCode, _p: object) -> None:
        # Reason code 16 is a success of the broker's: nobody listens now, and nobody ever will to this message.
        useless = code.value >= _FIRST_ERROR or code.value == _NO_SUBSCRIBER
        self._events.put(Answered(mid, str(code) if useless else ""))
