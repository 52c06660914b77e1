"""A real mail server on the loopback address, that can be made to misbehave."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from tests.cloud_stream.notify.certificates import loopback_certificate
from wattline.local_servers import LOOPBACK, free_port

USER = "me@example.org"
PASSWORD = "s3cret-word"


class MailServer:
    """Keeps what is delivered.

    Attributes:
        port: Where it listens.
        mails: Delivered mails, each with its envelope's recipients in "X-Rcpt".
        at_data: Called in the server's thread once a mail is kept, before it is acknowledged.
        at_quit: Called at the client's goodbye.
        answer: To DATA.
        refuse: Recipients that are refused, and how.
        drop: End the connection instead of the answer to DATA.
        hold: Answer DATA only once this is set.
    """

    def __init__(self, *, tls: Path | None = None, login: bool = False, port: int = 0) -> None:
        self.port = port or free_port()
        self.mails: list[EmailMessage] = []
        self.at_data: Callable[[], object] = lambda: None
        self.at_quit: Callable[[], object] = lambda: None
        self.answer = "250 kept"
        self.refuse: dict[str, str] = {}
        self.drop = False
        self.hold: threading.Event | None = None
        self._client: asyncio.WriteTransport | None = None
        options: dict[str, Any] = {}
        if tls is not None:
            options["tls_context"] = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            options["require_starttls"] = True
            options["tls_context"].load_cert_chain(*loopback_certificate(tls))
        if login:
            options |= {"authenticator": self._authenticate, "auth_required": True}
        self._controller = Controller(self, hostname=LOOPBACK, port=self.port, **options)

    def __enter__(self) -> Self:
        """Listen."""
        self._controller.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Listen no more."""
        self._controller.stop()

    @property
    def subjects(self) -> list[str]:
        return [str(mail["Subject"]) for mail in self.mails]

    @property
    def message_ids(self) -> list[str]:
        return [str(mail["Message-ID"]) for mail in self.mails]

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's names)
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 (as above)
        if self.answer.startswith("250"):
            content = envelope.content
            assert isinstance(content, bytes)
            mail = message_from_bytes(content, policy=policy.default)
            mail["X-Rcpt"] = ",".join(envelope.rcpt_tos)
            self.mails.append(mail)
        assert isinstance(server.transport, asyncio.WriteTransport)
        self._client = server.transport
        self.at_data()
        if self.drop:
            server.transport.abort()
        if self.hold is not None:
            await asyncio.to_thread(self.hold.wait)
        return self.answer

    def say(self, text: str) -> None:
        """Send the client of the last mail something."""
        client = self._client
        if client is not None and not client.is_closing():
            self._controller.loop.call_soon_threadsafe(client.write, text.encode())

    async def handle_QUIT(self, _server: SMTP, _session: Session, _envelope: Envelope) -> str:  # noqa: N802 (as above)
        self.at_quit()
        return "221 Bye"

    def _authenticate(
        self,
        _server: SMTP,
        _session: Session,
        _envelope: Envelope,
        _mechanism: str,
        data: Any,  # noqa: ANN401 (aiosmtpd's)
    ) -> AuthResult:
        good = data.login == USER.encode() and data.password == PASSWORD.encode()
        return AuthResult(success=good, handled=False)


class SilentServer:
    """Takes connections and never says a word.

    Attributes:
        port: Where it listens.
    """

    def __enter__(self) -> Self:
        """Listen."""
        self._socket = socket.create_server((LOOPBACK, 0))
        self.port: int = self._socket.getsockname()[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Listen no more."""
        self._socket.close()
