"""A weather service on this machine that can be as bad as the real ones."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from wattline.local_servers import LOOPBACK, free_port

HOUR_MS = 3_600_000


def answer(start_ms: int, temperatures: list[float | None], **more: object) -> bytes:
    """An answer in Open-Meteo's JSON."""
    times = [start_ms // 1000 + 3600 * k for k in range(len(temperatures))]
    return json.dumps({"hourly": {"time": times, "temperature_2m": temperatures}} | more).encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service: "WeatherService"

    def do_GET(self) -> None:
        self.service.paths.append(self.path)
        self.service.behave(self)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
        """Nothing is logged."""

    def say(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class QuietServer(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away are what is tested."""


@dataclass
class WeatherService:
    """What it does is changed by setting `behave`."""

    behave: Callable[[Handler], None]
    port: int = field(default_factory=free_port)
    paths: list[str] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)
    tls: ssl.SSLContext | None = None

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}/v1?latitude={{latitude}}&longitude={{longitude}}"

    @property
    def root(self) -> str:
        return f"http://{LOOPBACK}:{self.port}/"


@contextmanager
def serving(service: WeatherService) -> Iterator[WeatherService]:
    """Run it."""
    handler = type("Bound", (Handler,), {"service": service})
    server = QuietServer((LOOPBACK, service.port), handler)
    server.daemon_threads = True
    if service.tls is not None:
        server.socket = service.tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield service
    finally:
        service.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
