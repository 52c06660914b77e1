"""Where a broker is and how to log in, from a URL and a password file."""

import urllib.parse
from pathlib import Path
from typing import Final

import msgspec

from wattline.errors import ConfigError

_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}


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
    parts = urllib.parse.urlsplit(url)
    try:
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        raise ConfigError("--broker", f"the port of {url!r} is no number up to 65535") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ConfigError("--broker", f"expected mqtt://host:1883 or mqtts://host:8883, got {parts.scheme or url!r}")
    if parts.password:
        raise ConfigError("--broker", "a password does not belong into a URL; use --password-file")
    password = _first_line(password_file) if password_file else ""
    name = username or parts.username or ("{gateway}" if password else "")
    return BrokerAddress(
        host=parts.hostname,
        port=port,
        tls=parts.scheme == "mqtts",
        username=name,
        password=password,
        ca_file=ca_file,
    )


def _first_line(file: Path) -> str:
    try:
        return file.read_text("utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("--password-file", f"{file} cannot be read: {error}") from None
