"""Real servers on this machine, for the demo, the benchmarks and the tests.

Each server is one process on a loopback port with everything it writes in one folder. It survives being killed:
`start()` after `kill()` brings it back on the same port with the same data, which is how the kill tests use it.
"""

import json
import os
import random
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from wattline.errors import WattlineError

LOOPBACK = "127.0.0.1"
_START_TIMEOUT_S = 20.0
_STOP_TIMEOUT_S = 10.0
_HTTP_TIMEOUT_S = 10.0
_POLL_INTERVAL_S = 0.02
# Debian keeps daemons where the PATH of an ordinary user does not look.
_DAEMON_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
# Below the kernel's range for outgoing connections (from 32768): a client that retries a port of that range while its
# server is down can be given the same port as its own and connect to itself.
_PORTS = range(20_000, 32_000)
_PORT_ATTEMPTS = 200


class LocalServerError(WattlineError):
    """A server on this machine cannot be started or does not answer."""


class ProgramMissingError(LocalServerError):
    """A server's program is not installed; the message names the Debian package."""


def free_port() -> int:
    """Return a TCP port on which nothing listens now.

    Raises:
        LocalServerError: No free port was found.
    """
    for port in random.sample(_PORTS, _PORT_ATTEMPTS):
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port
    raise LocalServerError(f"none of {_PORT_ATTEMPTS} ports tried is free")


def find_program(name: str, package: str) -> Path:
    """Find an installed server.

    Args:
        name: The program's file name.
        package: The Debian package that brings it, for the message.

    Raises:
        ProgramMissingError: It is not installed.
    """
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *_DAEMON_FOLDERS])
    found = shutil.which(name, path=path)
    if found is None:
        raise ProgramMissingError(f"{name} is not installed (Debian package: {package})")
    return Path(found)


class LocalServer(ABC):
    """One server process; `with` starts it and stops it.

    Subclasses say what to run and when it is ready. Not safe to share between threads.

    Attributes:
        directory: Holds everything that the server writes, and its log in `server.log`.
        port: Where it listens on the loopback address, for its whole life.
    """

    program: str
    package: str

    def __init__(self, directory: Path, port: int | None = None) -> None:
        self.directory = directory
        self.port = free_port() if port is None else port
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where clients reach it."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int:
        """The process id of the running server.

        Raises:
            LocalServerError: It is not running.
        """
        if self._process is None:
            raise LocalServerError(f"{self.program} is not running")
        return self._process.pid

    def start(self) -> Self:
        """Start the server on whatever data its folder holds and wait until it answers.

        Raises:
            LocalServerError: It runs already, is not installed, ends at once or does not answer in time.
        """
        if self._process is not None:
            raise LocalServerError(f"{self.program} is running already")
        self.directory.mkdir(parents=True, exist_ok=True)
        arguments = [str(find_program(self.program, self.package)), *self._arguments()]
        with (self.directory / "server.log").open("ab") as log:
            # A session of its own: Ctrl-C in the terminal reaches the demo, which then stops its servers in order.
            self._process = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._wait_until_ready(self._process)
        return self

    def kill(self) -> None:
        """Take the server away without notice (SIGKILL); no effect when it is not running."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """Ask the server to end (SIGTERM), and kill it when it takes too long; no effect when it is not running."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Stop the server where it runs, and start it again on the same port and data."""
        self.stop()
        self.start()

    def log_text(self) -> str:
        """Return what the server has printed in all its lives."""
        return (self.directory / "server.log").read_text(errors="replace")

    @abstractmethod
    def _arguments(self) -> Sequence[str]:
        """Write the configuration and return the command line without the program."""

    def _answers(self) -> bool:
        """Tell whether the server can be used now."""
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=1.0):
                return True
        except OSError:
            return False

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self._answers():
            status = process.poll()
            if status is not None or time.monotonic() > deadline:
                self.kill()
                what = "does not answer" if status is None else f"ended with status {status}"
                raise LocalServerError(f"{self.program} {what}: {self.log_text()[-2000:]}")
            time.sleep(_POLL_INTERVAL_S)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


class MosquittoServer(LocalServer):
    """An MQTT broker.

    Args:
        directory: Its configuration, persistence and log.
        port: Where to listen; a free one by default.
        extra_lines: Further lines of `mosquitto.conf`, such as password and access files.
        anonymous: Whether clients may connect without a user name.
    """

    program = "mosquitto"
    package = "mosquitto"

    def __init__(
        self, directory: Path, port: int | None = None, *, extra_lines: Sequence[str] = (), anonymous: bool = True
    ) -> None:
        super().__init__(directory, port)
        self._extra_lines = tuple(extra_lines)
        self._anonymous = anonymous

    @property
    def url(self) -> str:
        """Where clients reach it."""
        return f"mqtt://{LOOPBACK}:{self.port}"

    def _arguments(self) -> Sequence[str]:
        lines = [
            f"listener {self.port} {LOOPBACK}",
            f"allow_anonymous {str(self._anonymous).lower()}",
            "persistence true",
            f"persistence_location {self.directory}/",
            # Without limits of its own: what is in flight is bounded by the clients; a full queue would drop silently.
            "max_queued_messages 0",
            "max_queued_bytes 0",
            "max_inflight_messages 0",
            # Without it each window of acknowledgements waits 40 ms for a delayed TCP ACK.
            "set_tcp_nodelay true",
            "log_dest stdout",
            "log_type error",
            "log_type warning",
            *self._extra_lines,
        ]
        if os.geteuid() == 0:
            # Otherwise it becomes the user `mosquitto`, who may not enter a private folder.
            lines.append("user root")
        file = self.directory / "mosquitto.conf"
        file.write_text("\n".join(lines) + "\n")
        return ["-c", str(file)]


class HttpServer(LocalServer):
    """A server that is ready when one of its pages answers."""

    ready_path: str

    def get(self, path: str, parameters: Mapping[str, str] | None = None) -> str:
        """Return a page.

        Raises:
            LocalServerError: It does not answer, or with an error.
        """
        return self._request(path, parameters or {}, None)

    def post(self, path: str, body: bytes, parameters: Mapping[str, str] | None = None) -> str:
        """Post a body and return the answer.

        Raises:
            LocalServerError: It does not answer, or with an error.
        """
        return self._request(path, parameters or {}, body)

    def _request(self, path: str, parameters: Mapping[str, str], body: bytes | None) -> str:
        query = urllib.parse.urlencode(parameters)
        request = urllib.request.Request(f"{self.url}{path}?{query}", data=body)  # noqa: S310 - always http on loopback
        try:
            with urllib.request.urlopen(request, timeout=_HTTP_TIMEOUT_S) as answer:  # noqa: S310 - as above
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                raise LocalServerError(f"{self.program} answered {error.code}: {error.read()[:500]!r}") from error
        except OSError as error:
            raise LocalServerError(f"{self.program} does not answer: {error}") from error

    def _answers(self) -> bool:
        try:
            self.get(self.ready_path)
        except LocalServerError:
            return False
        return True


class InfluxServer(HttpServer):
    """InfluxDB 1.x, as Debian and Raspberry Pi OS ship it (write API v1).

    Args:
        directory: Its configuration, data and log.
        port: Where to listen; a free one by default.
        auth: Whether it asks for a user name and a password.
    """

    program = "influxd"
    package = "influxdb"
    ready_path = "/ping"

    def __init__(self, directory: Path, port: int | None = None, *, auth: bool = False) -> None:
        super().__init__(directory, port)
        self._auth = auth

    def query(self, statement: str, database: str = "") -> str:
        """Run an InfluxQL statement and return the answer's JSON text.

        Args:
            statement: The statement; it may write.
            database: Where names without a database are looked up.

        Raises:
            LocalServerError: It does not answer, or with an error.
        """
        answer = self.post("/query", b"", {"q": statement, "db": database})
        for result in json.loads(answer)["results"]:
            if "error" in result:
                raise LocalServerError(f"influxd refuses {statement!r}: {result['error']}")
        return answer

    def create_database(self, name: str) -> None:
        """Create a database, if there is none of this name.

        Raises:
            LocalServerError: It does not answer, or with an error.
        """
        self.query(f'CREATE DATABASE "{name}"')

    def _arguments(self) -> Sequence[str]:
        data = self.directory / "data"
        file = self.directory / "influxdb.toml"
        file.write_text(f"""\
reporting-disabled = true
bind-address = "{LOOPBACK}:0"
[meta]
dir = "{data}/meta"
[data]
dir = "{data}/data"
wal-dir = "{data}/wal"
query-log-enabled = false
[http]
bind-address = "{LOOPBACK}:{self.port}"
auth-enabled = {str(self._auth).lower()}
log-enabled = false
[monitor]
store-enabled = false
[subscriber]
enabled = false
[continuous_queries]
enabled = false
[logging]
level = "warn"
""")
        return ["-config", str(file)]
