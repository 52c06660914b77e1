"""An HTTP server that answers as it is told: for the answers that real databases give only when they suffer."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from wattline.local_servers import LOOPBACK


class ScriptedServer(ThreadingHTTPServer):
    """Answers every request with `status`, `headers` and `body`, and remembers paths, authorisations and bodies.

    Attributes:
        chunked: Send the body as one chunk of a chunked answer.
        breaks_off: Close the connection in the middle of the answer.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((LOOPBACK, 0), _Handler)
        self.status = 204
        self.headers: dict[str, str] = {}
        self.body = b""
        self.chunked = False
        self.breaks_off = False
        self.seen: list[str] = []
        self.received: list[bytes] = []

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ScriptedServer

    def do_POST(self) -> None:
        self.server.received.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        self.server.seen.append(f"{self.path} {self.headers.get('Authorization', '')}".strip())
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        body = self.server.body
        if self.server.chunked:
            self.send_header("Transfer-Encoding", "chunked")
            body = b"%x\r\n%s\r\n" % (len(body), body) + b"0\r\n\r\n" * (not self.server.breaks_off)
        elif self.server.status != 204:
            self.send_header("Content-Length", str(len(body) + 100 * self.server.breaks_off))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = self.close_connection or self.server.breaks_off

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def scripted_server() -> Iterator[ScriptedServer]:
    """A running one."""
    with ScriptedServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
