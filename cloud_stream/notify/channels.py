"""Ways to people: mail by our own hand, everything else through Apprise. No address is ever logged or shown.

An address holds passwords. Errors name its place in the configuration, and its channel a scheme and that place.
"""

import logging
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final

from cloud_stream.config_sections import NotifyConfig
from cloud_stream.notify.delivery import Channel, DeliveryError
from cloud_stream.notify.ledger_rows import Message
from cloud_stream.notify.mail import mail_channels
from cloud_stream.notify.messages import CHART_NAME
from wattline.errors import ConfigError

MOST_CHANNELS: Final = 64
MAX_FILE_BYTES: Final = 1 << 20
PATIENCE: Final = 4
"""A whole attempt may take so many times the time-out of a single answer."""
_KINDS: Final = {"critical": "failure", "warning": "warning"}
_heard: ContextVar[list[str] | None] = ContextVar("heard", default=None)
"""What Apprise logs of an attempt; its threads inherit it."""
_HTTP_STATUS: Final = re.compile(r"\b(?:error|code|status)\D{0,12}([45]\d\d)\b", re.IGNORECASE)


class AppriseChannel:
    """Any service that Apprise knows.

    Args:
        name: See `Channel`.
        service: The service of one address, an `apprise.NotifyBase`.
        timeout_s: Of connecting, and of every answer.
    """

    def __init__(self, name: str, service: Any, timeout_s: float) -> None:  # noqa: ANN401 (Apprise is not typed)
        from apprise import Apprise

        self.name = name
        self.takes_charts = bool(service.attachment_support)
        service.socket_connect_timeout = service.socket_read_timeout = timeout_s
        self._apprise = Apprise()
        self._apprise.add(service)

    def send(self, message: Message) -> None:
        """See `Channel.send`."""
        from apprise import AppriseAttachment, NotifyFormat
        from apprise.attachment.memory import AttachMemory

        letter = message.letter
        attach = AppriseAttachment()
        if self.takes_charts and letter.chart:
            picture = AttachMemory(content=letter.chart, name=CHART_NAME, mimetype="image/png")  # type: ignore[no-untyped-call]
            attach.add(picture)
        heard: list[str] = []
        listening = _heard.set(heard)
        try:
            result = self._apprise.notify(
                body=letter.text, title=letter.subject, notify_type=_KINDS.get(letter.severity, "info"),
                body_format=NotifyFormat.TEXT, attach=attach if len(attach) else None,
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001 (its plug-ins are many, and promise nothing)
            raise DeliveryError(f"the service failed with {type(error).__name__}") from None
        finally:
            _heard.reset(listening)
        if not result:
            raise DeliveryError(_reason(heard))


def open_channels(config: NotifyConfig) -> list[Channel]:
    """A channel for each address of `urls` and `urls_file`; a mail address with several recipients has one for each.

    Raises:
        ConfigError: An address or the file cannot be used; the text repeats nothing of an address.
    """
    addresses = list(_addresses(config))
    if len(addresses) > MOST_CHANNELS:
        raise ConfigError("notify.urls", f"{len(addresses)} addresses are more than {MOST_CHANNELS}")
    _listen()
    channels: list[Channel] = []
    with warnings.catch_warnings():
        # Apprise's plug-ins load what they may need; what of it is deprecated is not ours to mend.
        warnings.simplefilter("ignore", DeprecationWarning)
        for place, (where, address) in enumerate(addresses, start=1):
            channels += _channels_of(place, where, address, config.timeout.seconds)
    return channels


def _addresses(config: NotifyConfig) -> Iterator[tuple[str, str]]:
    for index, address in enumerate(config.urls):
        yield f"notify.urls[{index}]", address
    if config.urls_file is not None:
        for number, line in enumerate(_lines(config.urls_file), start=1):
            if line.strip() and not line.lstrip().startswith("#"):
                yield f"notify.urls_file: {config.urls_file}: line {number}", line.strip()


def _lines(file: Path) -> list[str]:
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_FILE_BYTES + 1)
        if len(content) <= MAX_FILE_BYTES:
            return content.decode("utf-8").splitlines()
    except OSError as error:
        raise ConfigError("notify.urls_file", f"cannot be read: {file}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ConfigError("notify.urls_file", f"cannot be read: {file}: is not UTF-8") from None
    raise ConfigError("notify.urls_file", f"{file} is larger than 1 MiB")


def _channels_of(place: int, where: str, address: str, timeout_s: float) -> Sequence[Channel]:
    from apprise import Apprise, AppriseAsset
    from apprise.plugins.email.base import NotifyEmail

    scheme = address.partition("://")[0].lower()
    if "://" not in address or scheme not in _schemes():
        raise ConfigError(where, "is no address of a service that Apprise knows: its scheme is wrong")
    try:
        asset = AppriseAsset(service_timeout=timeout_s * PATIENCE)
        service = Apprise.instantiate(address, asset=asset, suppress_exceptions=True)
    except Exception:  # noqa: BLE001 (a plug-in's parser; what it says may hold the address)
        service = None
    if service is None:
        raise ConfigError(where, "is no complete address: see the service's page at https://appriseit.com/services")
    name = f"{_plain_scheme(service, scheme)}:{place}"
    # Who wants mail encrypted gets it from Apprise, which can; its Message-ID is then another at every attempt.
    if type(service) is NotifyEmail and service.pgp_mode == "no":
        return mail_channels(name, where, service, timeout_s)
    return [AppriseChannel(name, service, timeout_s)]


def _schemes() -> frozenset[str]:
    from apprise.manager_plugins import NotificationManager

    return frozenset(NotificationManager().schemas())  # type: ignore[no-untyped-call]


def _plain_scheme(service: Any, scheme: str) -> str:  # noqa: ANN401 (as above)
    """One name for "mailto" and "mailtos", so that a channel that turns to TLS is still the same."""
    plain = service.protocol or service.secure_protocol or scheme
    return plain if isinstance(plain, str) else str(plain[0])


class _Ear(logging.Filter):
    """Hears what Apprise logs, and keeps all of it out of our log: addresses stand in it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let nothing pass."""
        heard = _heard.get()
        if heard is not None:
            heard.append(record.getMessage())
        return False


def _listen() -> None:
    apprise = logging.getLogger("apprise")
    apprise.setLevel(logging.WARNING)
    if not any(isinstance(found, _Ear) for found in apprise.filters):
        apprise.addFilter(_Ear())
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)  # it logs addresses too


def _reason(said: Iterable[str]) -> str:
    """Why, in our own words: Apprise's may hold the address."""
    statuses = [found[1] for line in said for found in [_HTTP_STATUS.search(line)] if found]
    if statuses:
        return f"the service answered {statuses[-1]}"
    return "the service could not be reached, or refused the message"
