"""One GET against servers that do what servers do."""

import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloud_stream.jobs.errors import FetchError
from cloud_stream.jobs.web import get
from tests.cloud_stream.jobs.weather_server import Handler, WeatherService, serving
from wattline.local_servers import LOOPBACK, free_port


@pytest.fixture
def service() -> Iterator[WeatherService]:
    with serving(WeatherService(lambda handler: handler.say(b"{}"))) as running:
        yield running


def redirect_to(location: str) -> Callable[[Handler], None]:
    return lambda handler: handler.say(b"", 302, Location=location)


def drip(handler: Handler) -> None:
    """One byte now and then, for ever: no single wait is long."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    while not handler.service.closing.wait(0.02):
        try:
            handler.wfile.write(b" ")
        except OSError:
            return


def drip_headers(handler: Handler) -> None:
    while not handler.service.closing.wait(0.02):
        try:
            handler.wfile.write(b"H")
        except OSError:
            return


def never(handler: Handler) -> None:
    handler.service.closing.wait(60)


def breaks_off(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"{")
    handler.close_connection = True


def endless(handler: Handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    handler.close_connection = True
    while not handler.service.closing.is_set():
        try:
            handler.wfile.write(b" " * 65_536)
        except OSError:
            return


def chunked(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"2\r\n{ \r\n1\r\n}\r\n0\r\n\r\n")


def not_http(handler: Handler) -> None:
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n")
    handler.close_connection = True


def test_a_body_is_fetched_whole_also_in_chunks(service: WeatherService) -> None:
    assert get(service.root + "a?b=c") == b"{}"
    assert service.paths == ["/a?b=c"]
    service.behave = chunked
    assert get(service.root) == b"{ }"


@pytest.mark.parametrize(
    ("behave", "problem"),
    [
        (lambda handler: handler.say(b"", 500), "answers 500"),
        (lambda handler: handler.say(b"{}", 204), "answers 204"),
        (lambda handler: handler.say(b"", 302), "answers 302"),
        (redirect_to("file:///etc/passwd"), "redirects from http to 'file'"),
        (redirect_to("ftp://elsewhere/x"), "redirects from http to 'ftp'"),
        (redirect_to("https://elsewhere/x"), "redirects from http to 'https'"),
        (redirect_to("/again"), "redirects more than 3 times"),
        (redirect_to("http://[bad"), "redirects to what is no address"),
        (drip, "is too slow"),
        (drip_headers, "is too slow"),
        (never, "is too slow"),
        (breaks_off, "breaks off"),
        (endless, "is larger than 100000 bytes"),
        (lambda handler: handler.say(b" " * 100_001), "is larger than 100000 bytes"),
        (not_http, "SSH"),
    ],
)
def test_what_is_no_answer_is_an_error(
    service: WeatherService, behave: Callable[[Handler], None], problem: str
) -> None:
    service.behave = behave
    with pytest.raises(FetchError, match=problem):
        get(service.root + "?apikey=secret", timeout_s=0.5, max_bytes=100_000)


def test_redirects_within_the_scheme_are_followed(service: WeatherService) -> None:
    def behave(handler: Handler) -> None:
        if handler.path == "/there":
            handler.say(b"found")
        else:
            handler.say(b"", 301, Location="/there")

    service.behave = behave
    assert get(service.root) == b"found"


def test_nobody_there_is_an_error_without_the_query() -> None:
    with pytest.raises(FetchError, match="refused") as caught:
        get(f"http://{LOOPBACK}:{free_port()}/?apikey=secret")
    assert "secret" not in str(caught.value)


def test_a_certificate_that_nobody_vouches_for_is_an_error(tmp_path: Path) -> None:
    made = "req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost"
    subprocess.run(["openssl", *made.split()], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    service = WeatherService(lambda handler: handler.say(b"{}"), tls=context)
    with serving(service), pytest.raises(FetchError, match="CERTIFICATE_VERIFY_FAILED"):
        get(service.root.replace("http", "https"), timeout_s=5)
    assert service.paths == []
