"""Mail by our own hand, from an address that Apprise has parsed.

Apprise makes a new Message-ID at every attempt, and says of a failure only that there was one. A message that may
have arrived before a crash is sent again, and only a stable Message-ID shows the recipient that it is the same one.
See docs/adr/0009-mail-with-a-message-id-of-its-own.md.
"""

import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr
from typing import Any, Final

from cloud_stream.notify.delivery import Channel, DeliveryError
from cloud_stream.notify.ledger_rows import Message
from cloud_stream.notify.messages import CHART_NAME
from wattline.errors import ConfigError

PATIENCE: Final = 4
"""A whole attempt may take so many times the time-out of a single answer."""
_PERMANENT: Final = range(500, 600)
_FOR_A_PERSON: Final = (
    (smtplib.SMTPAuthenticationError, "the mail server refuses the user or password"),
    (smtplib.SMTPSenderRefused, "the mail server refuses the sender"),
    (smtplib.SMTPDataError, "the mail server refuses the message"),
    (smtplib.SMTPServerDisconnected, "the mail server ended the connection"),
    (smtplib.SMTPNotSupportedError, "the mail server does not offer what the address asks for (TLS or a login)"),
    (ConnectionRefusedError, "the mail server refuses connections"),
    (TimeoutError, "the mail server does not answer"),
    (socket.gaierror, "the mail server's name is not known"),
    (ssl.SSLError, "the mail server's TLS is not trusted"),
)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A mail server and one recipient there.

    Attributes:
        mode: `insecure`, `starttls` or `ssl`; never less than asked for.
        sender: (name, address). to: likewise; what the header says. copies: of the "Cc" header.
        envelope: The address that this channel delivers to.
    """

    host: str
    port: int
    mode: str
    user: str
    password: str
    verify: bool
    sender: tuple[str, str]
    to: tuple[str, str]
    copies: tuple[tuple[str, str], ...]
    replies: tuple[str, ...]
    headers: tuple[tuple[str, str], ...]
    envelope: str


class MailChannel:
    """One recipient by SMTP.

    Args:
        name: See `Channel`.
        mailbox: Where.
        timeout_s: Of every answer of the server.
    """

    takes_charts = True

    def __init__(self, name: str, mailbox: Mailbox, timeout_s: float) -> None:
        self.name = name
        self._mailbox = mailbox
        self._timeout_s = timeout_s

    def send(self, message: Message) -> None:
        """See `Channel.send`."""
        try:
            mail = compose(message, self._mailbox)
            with _session(self._mailbox, self._timeout_s) as server:
                server.send_message(mail, self._mailbox.sender[1], [self._mailbox.envelope])
        except (OSError, smtplib.SMTPException, ValueError) as error:
            raise _delivery_error(error) from None


def compose(message: Message, mailbox: Mailbox) -> EmailMessage:
    """A message as mail: text, HTML, and the chart in it. The same at every attempt."""
    letter = message.letter
    mail = EmailMessage(SMTP)
    mail["Message-ID"] = message_id(message.id, mailbox)
    mail["Date"] = format_datetime(datetime.fromtimestamp(message.made_ms / 1000, UTC))
    mail["Subject"] = letter.subject
    mail["From"] = formataddr(mailbox.sender)
    mail["To"] = formataddr(mailbox.to)
    if mailbox.copies:
        mail["Cc"] = ", ".join(formataddr(copy) for copy in mailbox.copies)
    if mailbox.replies:
        mail["Reply-To"] = ", ".join(mailbox.replies)
    if letter.answers:
        mail["In-Reply-To"] = mail["References"] = message_id(letter.answers, mailbox)
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Wattline-Severity"] = letter.severity
    for name, value in mailbox.headers:
        if name not in mail:
            mail[name] = value
    mail.set_content(letter.text)
    mail.add_alternative(letter.html, subtype="html")
    if letter.chart:
        _add_picture(mail, letter.chart)
    return mail


def _add_picture(mail: EmailMessage, chart: bytes) -> None:
    html = mail.get_body(("html",))
    if isinstance(html, EmailMessage):
        html.add_related(chart, "image", "png", cid=f"<{CHART_NAME}>", filename=CHART_NAME, disposition="inline")


def message_id(message: str, mailbox: Mailbox) -> str:
    """A message's id as mail has it."""
    return f"<{message}@{mailbox.sender[1].rpartition('@')[2]}>"


def mail_channels(name: str, where: str, service: Any, timeout_s: float) -> Sequence[Channel]:  # noqa: ANN401 (Apprise is not typed)
    """A channel for each recipient of a mail address, so that one that is refused does not repeat the others.

    Args:
        name: Of the first; the others are "<name>.2", and so on.
        where: The address's place in the configuration.
        service: An `apprise` mail service.
        timeout_s: Of every answer of the server.

    Raises:
        ConfigError: It names nobody to write to.
    """
    names: dict[str, Any] = service.names
    people = [(label or "", address) for label, address in service.targets]
    if not people:
        raise ConfigError(where, "names nobody to write to")
    copies = tuple((names.get(address) or "", address) for address in sorted(service.cc))
    first = Mailbox(
        service.smtp_host, int(service.port), service.secure_mode, service.user or "", service.password or "",
        bool(service.verify_certificate), (service.from_addr[0] or "", service.from_addr[1]), people[0], copies,
        tuple(sorted(service.reply_to)), tuple(service.headers.items()), people[0][1],
    )  # fmt: skip
    boxes = [replace(first, to=person, envelope=person[1]) for person in people]
    boxes += [replace(first, envelope=address) for _, address in copies]
    boxes += [replace(first, envelope=address) for address in sorted(service.bcc)]
    suffixes = ["", *(f".{number}" for number in range(2, len(boxes) + 1))]
    return [MailChannel(name + suffix, box, timeout_s) for suffix, box in zip(suffixes, boxes, strict=True)]


@contextmanager
def _session(mailbox: Mailbox, timeout_s: float) -> Iterator[smtplib.SMTP]:
    context = ssl.create_default_context()
    if not mailbox.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    server = (
        smtplib.SMTP_SSL(timeout=timeout_s, context=context)
        if mailbox.mode == "ssl"
        else smtplib.SMTP(timeout=timeout_s)
    )
    with _bounded(server, timeout_s * PATIENCE):
        try:
            # As the constructor would; but that connects at once, and nothing bounds a server that only ever trickles.
            server._host = mailbox.host  # type: ignore[attr-defined]  # noqa: SLF001
            server.connect(mailbox.host, mailbox.port)
            if mailbox.mode == "starttls":
                server.starttls(context=context)
            if mailbox.user and mailbox.password:
                server.login(mailbox.user, mailbox.password)
            yield server
            with suppress(OSError, smtplib.SMTPException):
                server.quit()  # it has the message: how it says goodbye does not matter
        finally:
            server.close()


@contextmanager
def _bounded(server: smtplib.SMTP, most_s: float) -> Iterator[None]:
    """End a session that answers, but only ever a little: the time-out is of single answers."""

    def cut() -> None:
        with suppress(OSError, AttributeError):
            server.sock.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]

    timer = threading.Timer(most_s, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _delivery_error(error: Exception) -> DeliveryError:
    """What went wrong, in our own words: a server's may hold the address."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code = next((int(code) for code, _ in error.recipients.values()), 0)
        return DeliveryError(f"the mail server refuses the recipient ({code})", permanent=code in _PERMANENT)
    if isinstance(error, smtplib.SMTPServerDisconnected) and isinstance(error.__context__, TimeoutError):
        error = error.__context__  # what really happened, while it waited for an answer
    text = next((text for kind, text in _FOR_A_PERSON if isinstance(error, kind)), "")
    if isinstance(error, smtplib.SMTPResponseException):
        about_message = isinstance(error, smtplib.SMTPSenderRefused | smtplib.SMTPDataError)
        answer = f"{text or 'the mail server answered'} ({error.smtp_code})"
        return DeliveryError(answer, permanent=about_message and error.smtp_code in _PERMANENT)
    return DeliveryError(text or f"the mail server could not be talked to ({type(error).__name__})")
