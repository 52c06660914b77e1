"""Where a broker is and how to log in, from a URL and a password file."""

from pathlib import Path

import msgspec

from wattline.broker_url import parse_broker_url
from wattline.secret_file import read_secret


class BrokerAddress(msgspec.Struct, frozen=True, kw_only=True):
    """A broker.

    Attributes:
        host: Its name or address.
        port: Its TCP port.
        tls: Whether the connection is encrypted; never given up for a plain one.
        username: The user's name; ``{gateway}`` stands for each gateway's own id; "" logs nobody in.
        password: Never printed.
        ca_file: Whom to trust; None trusts the system's authorities.
    """

    host: str
    port: int
    tls: bool = False
    username: str = ""
    password: str = ""
    ca_file: Path | None = None

    def __repr__(self) -> str:
        """Without the password: this ends up in error messages."""
        return f"BrokerAddress({'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port})"


def parse_broker(
    url: str, *, username: str = "", password_file: Path | None = None, ca_file: Path | None = None
) -> BrokerAddress:
    """Read ``mqtt://host[:1883]`` or ``mqtts://host[:8883]``.

    Args:
        url: Where the broker is; it holds no secret.
        username: As in `BrokerAddress`; with a password and without a name, each gateway's own id.
        password_file: Its first line is the password.
        ca_file: As in `BrokerAddress`.

    Raises:
        ConfigError: The URL cannot be used or the file not be read.
    """
    place = parse_broker_url(url, "--broker", may_name_user=True)
    password = read_secret(password_file, "--password-file") if password_file else ""
    return BrokerAddress(
        host=place.host,
        port=place.port,
        tls=place.tls,
        username=username or place.username or ("{gateway}" if password else ""),
        password=password,
        ca_file=ca_file,
    )
