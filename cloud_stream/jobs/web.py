"""One bounded GET: of time, of size, of redirects."""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

from cloud_stream.jobs.errors import FetchError

TIMEOUT_S: Final = 20.0
MAX_BYTES: Final = 4 << 20
"""Some ten times what three months of hourly values take."""
MAX_REDIRECTS: Final = 3
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_SHORTEST_S: Final = 0.001
_FAILURES: Final = (OSError, http.client.HTTPException, ValueError)
_HEADERS: Final = {"Accept": "application/json", "User-Agent": "wattline"}


def get(url: str, *, timeout_s: float = TIMEOUT_S, max_bytes: int = MAX_BYTES) -> bytes:
    """Fetch a body over HTTP or HTTPS; certificates are verified, redirects stay within the scheme.

    Args:
        url: `http://` or `https://`.
        timeout_s: Of the whole, however slowly the server drips.
        max_bytes: Of the body.

    Raises:
        FetchError: There is no answer, not in time, too large a one, or another status than 200. The message says
            which host, and nothing of the query.
    """
    deadline_s = time.monotonic() + timeout_s
    parts = urlsplit(url)
    for _ in range(MAX_REDIRECTS + 1):
        status, location, body = _once(parts, deadline_s - time.monotonic(), max_bytes)
        if status == http.client.OK:
            return body
        if status not in _REDIRECTS or not location:
            raise FetchError(f"{parts.hostname}: answers {status}")
        parts = _redirected(parts, location)
    raise FetchError(f"{parts.hostname}: redirects more than {MAX_REDIRECTS} times")


def _redirected(parts: SplitResult, location: str) -> SplitResult:
    try:
        target = urlsplit(urljoin(parts.geturl(), location))
    except ValueError:
        raise FetchError(f"{parts.hostname}: redirects to what is no address") from None
    if target.scheme != parts.scheme:
        raise FetchError(f"{parts.hostname}: redirects from {parts.scheme} to {target.scheme!r}")
    return target


def _once(parts: SplitResult, timeout_s: float, max_bytes: int) -> tuple[int, str, bytes]:
    """One request: status, where it redirects to, body."""
    late = threading.Event()
    try:
        with _connected(parts, max(_SHORTEST_S, timeout_s), late) as connection:
            target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
            connection.request("GET", target, headers=_HEADERS)
            with connection.getresponse() as response:
                body = response.read(max_bytes + 1)
                # What breaks off is no error to http.client when a number of bytes was asked for.
                is_cut = bool(response.length) and len(body) <= max_bytes
    except _FAILURES as error:
        problem = "is too slow" if late.is_set() else str(error) or type(error).__name__
        raise FetchError(f"{parts.hostname}: {problem}") from None
    if late.is_set() or is_cut:
        raise FetchError(f"{parts.hostname}: {'is too slow' if late.is_set() else 'the answer breaks off'}")
    if len(body) > max_bytes:
        raise FetchError(f"{parts.hostname}: the answer is larger than {max_bytes} bytes")
    return response.status, response.getheader("Location", ""), body


@contextmanager
def _connected(parts: SplitResult, timeout_s: float, late: threading.Event) -> Iterator[http.client.HTTPConnection]:
    """A connection that breaks off when it takes too long: a socket's own time-out begins anew at each byte."""
    connection = _connection(parts, timeout_s)
    connection.connect()
    sock: socket.socket = connection.sock

    def cut() -> None:
        late.set()
        with suppress(OSError):
            # Not TLS's own way to close, which is not made for two threads.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)

    timer = threading.Timer(timeout_s, cut)
    timer.daemon = True
    timer.start()
    try:
        yield connection
    finally:
        timer.cancel()
        connection.close()


def _connection(parts: SplitResult, timeout_s: float) -> http.client.HTTPConnection:
    host, port = parts.hostname or "", parts.port
    if parts.scheme == "https":
        return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=ssl.create_default_context())
    return http.client.HTTPConnection(host, port, timeout=timeout_s)
