"""One persistent HTTP connection whose failures are `StoreUnavailableError`."""

import http.client
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple
from urllib.parse import urlencode, urlsplit

import orjson

from cloud_stream.errors import StoreUnavailableError

TIMEOUT_S: Final = 30.0
MAX_ANSWER_BYTES: Final = 1 << 20
"""More than any error needs."""
READ_BYTES: Final = 1 << 18
MAX_PROBLEM_LENGTH: Final = 300
_FAILURES: Final = (OSError, http.client.HTTPException)


class Answer(NamedTuple):
    """What a server said: status, body, and how long to wait where it said so."""

    status: int
    body: bytes
    retry_after_s: float

    @property
    def problem(self) -> str:
        """The server's words for a person, whatever form they came in."""
        return problem_text(self.body)


class HttpConnection:
    """A connection to one server, opened when it is first needed; for one thread.

    Args:
        url: `http://host:port` or `https://host:port`, and a path before all others.
        headers: Sent with every request; they hold the credentials and reach no message.
    """

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        parts = urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
        self._base = parts.path.rstrip("/")
        self._headers = dict(headers)
        self._where = f"{parts.scheme}://{parts.hostname}:{self._connection.port}"

    def request(self, method: str, path: str, parameters: Mapping[str, str], body: bytes = b"") -> Answer:
        """Send a request and read the answer.

        Raises:
            StoreUnavailableError: There is no answer.
        """
        response = self._send(method, path, parameters, body)
        try:
            data = response.read(MAX_ANSWER_BYTES)
        except _FAILURES as error:
            raise self._failed(error) from error
        if not response.isclosed():
            self.close()
        return Answer(response.status, data, _seconds(response.getheader("Retry-After")))

    def lines(self, path: str, parameters: Mapping[str, str]) -> Iterator[Answer]:
        """Post a form and yield the answer line by line, each as an `Answer`.

        Raises:
            StoreUnavailableError: There is no answer, or it breaks off.
        """
        response = self._send("POST", path, {}, urlencode(parameters).encode(), "application/x-www-form-urlencoded")
        retry_after_s = _seconds(response.getheader("Retry-After"))
        try:
            if response.status != http.client.OK:
                yield Answer(response.status, response.read(MAX_ANSWER_BYTES), retry_after_s)
                return
            for line in _split(response):
                if line.strip():
                    yield Answer(response.status, line, retry_after_s)
        except _FAILURES as error:
            raise self._failed(error) from error
        finally:
            if not response.isclosed():
                self.close()

    def close(self) -> None:
        """Close the connection; the next request opens it again."""
        self._connection.close()

    def _send(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str],
        body: bytes,
        kind: str = "text/plain",
    ) -> http.client.HTTPResponse:
        target = f"{self._base}{path}?{urlencode(parameters)}" if parameters else f"{self._base}{path}"
        headers = {**self._headers, "Content-Type": kind}
        was_open = self._connection.sock is not None
        try:
            return self._once(method, target, body, headers)
        except (http.client.RemoteDisconnected, ConnectionError) as error:
            # A server may close a connection that was idle; everything sent here may be sent twice.
            if not was_open:
                raise self._failed(error) from error
        except _FAILURES as error:
            raise self._failed(error) from error
        try:
            return self._once(method, target, body, headers)
        except _FAILURES as error:
            raise self._failed(error) from error

    def _once(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        try:
            self._connection.request(method, target, body, headers)
            return self._connection.getresponse()
        except _FAILURES:
            self._connection.close()
            raise

    def _failed(self, error: Exception) -> StoreUnavailableError:
        self._connection.close()
        return StoreUnavailableError(f"{self._where}: {str(error) or type(error).__name__}")


def _split(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """The answer's lines, as they come.

    Not by `readline`, which takes a connection that broke for the end of the answer.
    """
    held: list[bytes] = []
    while piece := response.read1(READ_BYTES):
        first, *others = piece.split(b"\n")
        held.append(first)
        if others:
            yield b"".join(held)
            yield from others[:-1]
            held = [others[-1]]
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)
    response.read()
    yield b"".join(held)


def problem_text(body: bytes) -> str:
    """The words in an error's body: its JSON `error` or `message`, or its beginning."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = None
    words = (found.get("error") or found.get("message")) if isinstance(found, dict) else None
    return str(words or body.decode(errors="replace").strip())[:MAX_PROBLEM_LENGTH]


def _seconds(header: str | None) -> float:
    """`Retry-After` in seconds; a date, which databases do not send, counts as 0."""
    return float(header) if header is not None and header.isascii() and header.isdigit() else 0.0
