"""Where an MQTT broker is, from its URL; what is wrong with one is said without repeating it."""

from typing import Final, NamedTuple
from urllib.parse import urlsplit

from wattline.errors import ConfigError

_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}


class BrokerUrl(NamedTuple):
    """A broker's place.

    Attributes:
        host: Its name or address.
        port: Its TCP port.
        tls: Whether the connection is encrypted; never given up for a plain one.
        username: The user that the URL names, where it may name one.
    """

    host: str
    port: int
    tls: bool
    username: str = ""


def parse_broker_url(url: str, where: str = "broker.url", *, may_name_user: bool = False) -> BrokerUrl:
    """Read `mqtt://host[:1883]` or `mqtts://host[:8883]`; nothing else may be in it.

    Args:
        url: Where the broker is.
        where: What a mistake is reported under.
        may_name_user: Accept `mqtt://user@host`, on a command line; a password never.

    Raises:
        ConfigError: It is something else; the text repeats at most the scheme, for a password may stand in it.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # its text repeats what stands in the port's place: the start of a password with a slash in it
        raise ConfigError(where, "has a bad host or port") from None
    if parts.scheme not in _PORTS:
        raise ConfigError(where, f"expected mqtt:// or mqtts://, got {parts.scheme!r}")
    if not may_name_user and (parts.username is not None or parts.password is not None):
        raise ConfigError(where, "must hold no user name or password: use username and password_file")
    if parts.password is not None:
        raise ConfigError(where, "must hold no password: use --password-file")
    if not parts.hostname or port == 0 or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ConfigError(where, "expected mqtt://host:port")
    tls = parts.scheme == "mqtts"
    return BrokerUrl(parts.hostname, port or _PORTS[parts.scheme], tls, parts.username or "")
