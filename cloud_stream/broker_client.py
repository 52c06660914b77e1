"""Makes the paho clients of the cloud: who we are, and TLS that never becomes a plain connection."""

from typing import Any, Final

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from cloud_stream.config import BrokerConfig
from wattline.client_tls import client_context
from wattline.errors import ConfigError
from wattline.secret_file import read_secret

CONNECT_TIMEOUT_S: Final = 5.0
GREETING_TIMEOUT_S: Final = 3.0
"""How long the broker may take to answer CONNECT; one that knows no MQTT 5 may wait for ever for the rest of it."""


def make_client(
    config: BrokerConfig,
    client_id: str,
    protocol: MQTTProtocolVersion,
    *,
    clean_session: bool,
    **options: Any,  # noqa: ANN401 (paho's own)
) -> Client:
    """A client that connects nowhere yet, and never again by itself.

    Args:
        config: User, password and certificates.
        client_id: One per session of a broker.
        protocol: The version of MQTT.
        clean_session: With 3.1.1: whether the broker forgets the session; with 5 that is said at CONNECT.
        options: Further ones of paho's `Client`.

    Raises:
        ConfigError: A secret or certificate cannot be used.
    """
    is_v5 = protocol == MQTTProtocolVersion.MQTTv5
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        clean_session=None if is_v5 else clean_session,
        protocol=protocol,
        reconnect_on_failure=False,
        **options,
    )
    if config.username:
        secret = read_secret(config.password_file) if config.password_file else None
        client.username_pw_set(config.username, secret)
    if config.address.tls:
        try:
            client.tls_set_context(client_context(config.ca_file, config.cert_file, config.key_file))
        except (OSError, ValueError) as error:
            raise ConfigError("broker.ca_file", f"the certificates cannot be used: {error}") from None
    client.connect_timeout = CONNECT_TIMEOUT_S
    return client
