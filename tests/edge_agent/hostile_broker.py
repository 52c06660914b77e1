"""A broker on a real socket that answers politely and then says what no broker may say."""

import socket
import threading
from types import TracebackType
from typing import Final, Self

from wattline.local_servers import LOOPBACK

CONNACK: Final = bytes.fromhex("20 02 00 00")
_TIMEOUT_S: Final = 20.0


class HostileBroker:
    """Speaks MQTT 3.1.1 just far enough: CONNACK at once, and `answer` to whatever comes next.

    Attributes:
        connections: How many came so far.
    """

    def __init__(self, answer: bytes) -> None:
        self.connections = 0
        self._answer = answer
        self._listener = socket.create_server((LOOPBACK, 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._ended = False

    @property
    def url(self) -> str:
        return f"mqtt://{LOOPBACK}:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._ended = True
        with socket.create_connection((LOOPBACK, self._listener.getsockname()[1]), timeout=_TIMEOUT_S):
            self._thread.join(_TIMEOUT_S)
        self._listener.close()

    def _serve(self) -> None:
        while not self._ended:
            peer, _ = self._listener.accept()
            with peer:
                peer.settimeout(_TIMEOUT_S)
                self._talk(peer)

    def _talk(self, peer: socket.socket) -> None:
        try:
            if self._ended or not peer.recv(4096):
                return
            self.connections += 1
            peer.sendall(CONNACK)
            if peer.recv(4096):
                peer.sendall(self._answer)
                while peer.recv(4096):
                    pass
        except OSError:
            return
